package keyservice

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
)

// service wraps and unwraps a key of keySize bytes. aad is given to a service
// that takes such data; one that takes none ignores it.
type service interface {
	wrap(ctx context.Context, key, aad []byte) (wrapped []byte, err error)
	unwrap(ctx context.Context, wrapped, aad []byte) (key []byte, err error)
}

// keySize is the size of the key made for one wrap: AES-256.
const keySize = 32

// maxWrapped bounds what a service may answer: an RSA-4096 block with its
// signature and the names of Azure is 1.5 KB in JSON.
const maxWrapped = 16 << 10

// form begins everything that Wrap makes: the version of its form.
const form = 1

// label begins the associated data of the local seal.
const label = "weighbridge key service 1\x00"

// KEK is a key encryption key in a service. It satisfies store.KEK.
type KEK struct {
	id, name string
	svc      service
}

// ID names the key: its URI in canonical form, which holds no secret.
func (k *KEK) ID() string { return k.id }

// Service is the name of the service, for people.
func (k *KEK) Service() string { return k.name }

// Remote says that each call goes over the network.
func (k *KEK) Remote() bool { return true }

// Wrap seals dek under a random key, bound to aad, and has the service wrap
// that key. The result is form, the length of the wrapped key (two bytes, big
// endian), the wrapped key, and the seal (nonce, ciphertext, tag). Errors are
// *Error.
func (k *KEK) Wrap(ctx context.Context, dek, aad []byte) ([]byte, error) {
	key := make([]byte, keySize)
	defer clear(key)
	_, _ = rand.Read(key) // never fails since Go 1.24
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	wrapped, err := k.svc.wrap(ctx, key, bound(aad))
	if err != nil {
		return nil, k.named(err)
	}
	if len(wrapped) == 0 || len(wrapped) > maxWrapped {
		return nil, k.named(&Error{Detail: "what it answered is no wrapped key", kind: denied})
	}
	out := append([]byte{form}, 0, 0)
	binary.BigEndian.PutUint16(out[1:], uint16(len(wrapped)))
	out = append(out, wrapped...)
	return append(out, aead.Seal(nil, nil, dek, bound(aad))...), nil
}

// Unwrap opens what Wrap made, given the same aad. Errors are *Error.
func (k *KEK) Unwrap(ctx context.Context, wrapped, aad []byte) ([]byte, error) {
	if len(wrapped) < 3 || wrapped[0] != form {
		return nil, k.rejected(errors.New("not of a known form"))
	}
	n := int(binary.BigEndian.Uint16(wrapped[1:]))
	if n == 0 || n > len(wrapped)-3 {
		return nil, k.rejected(errors.New("cut off"))
	}
	key, err := k.svc.unwrap(ctx, wrapped[3:3+n], bound(aad))
	if err != nil {
		return nil, k.named(err)
	}
	defer clear(key)
	if len(key) != keySize {
		return nil, k.rejected(errors.New("the service unwrapped a key of another size"))
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, k.rejected(err)
	}
	dek, err := aead.Open(nil, nil, wrapped[3+n:], bound(aad))
	if err != nil {
		return nil, k.rejected(err)
	}
	return dek, nil
}

// bound is what binds, here and in the service. It is never empty: transit
// refuses such data for keys that everybody can wrap under (RSA), and only
// where there is some.
func bound(aad []byte) []byte { return append([]byte(label), aad...) }

func (k *KEK) rejected(cause error) error {
	return k.named(&Error{Detail: "what is to be unwrapped was changed, or wrapped for something else", Cause: cause, kind: rejected})
}

// named completes an error with whose it is.
func (k *KEK) named(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = &Error{Detail: "it failed", Cause: err}
	}
	e.Service, e.Key = k.name, k.id
	return e
}

// newAEAD is AES-256-GCM that puts a random nonce before each ciphertext.
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
