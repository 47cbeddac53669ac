package session

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"sync"

	"github.com/weighbridge/weighbridge/store"
)

// seedName is the sealed value from which all keys of sessions are derived.
const seedName = "admin session seed"

// seedSize is that of an Ed25519 seed (RFC 8032, section 5.1.5) and of AES-256.
const seedSize = 32

// keys sign what is handed to users, and seal what comes back from them.
type keys struct {
	sign ed25519.PrivateKey
	box  cipher.AEAD
}

// keyring holds the keys once they are read: a key service may be out of reach
// when weighbridge starts, and is asked again then.
type keyring struct {
	store Store

	mu   sync.Mutex
	keys *keys
}

// get returns the keys, which are made where there are none yet.
func (r *keyring) get(ctx context.Context) (*keys, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys != nil {
		return r.keys, nil
	}
	seed, err := r.store.Sealed(ctx, seedName)
	if errors.Is(err, store.ErrNotFound) {
		seed = make([]byte, seedSize)
		_, _ = rand.Read(seed) // never fails since Go 1.24
		seed, err = r.store.EnsureSealed(ctx, seedName, seed)
	}
	if err != nil {
		return nil, err
	}
	defer clear(seed)
	if r.keys, err = deriveKeys(seed); err != nil {
		return nil, err
	}
	return r.keys, nil
}

func deriveKeys(seed []byte) (*keys, error) {
	if len(seed) != seedSize {
		return nil, errors.New("the seed of the session keys is not of 32 bytes")
	}
	derive := func(info string, n int) []byte {
		out, err := hkdf.Key(sha256.New, seed, nil, "weighbridge admin session 1: "+info, n) // RFC 5869
		if err != nil {
			panic(err) // only where n is too large
		}
		return out
	}
	block, err := aes.NewCipher(derive("oidc state", seedSize))
	if err != nil {
		return nil, err
	}
	box, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &keys{sign: ed25519.NewKeyFromSeed(derive("jwt", seedSize)), box: box}, nil
}
