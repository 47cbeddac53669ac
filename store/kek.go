package store

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// kekSize is the size of a local KEK and of every DEK: AES-256.
const kekSize = 32

// OpenKEK opens the KEK that a URI names:
//
//	file:PATH   a file made by CreateFileKEK; relative to dataDir unless absolute
//	env:NAME    an environment variable that holds the text of such a file
//
// The package store/keyservice opens the others.
//
// Where a file does not exist the error is fs.ErrNotExist. Errors name the
// scheme of a URI that is not understood and nothing else of it, because the
// URIs of key services may carry tokens.
func OpenKEK(uri, dataDir string) (KEK, error) {
	if path, ok := KEKFile(uri, dataDir); ok {
		return OpenFileKEK(path)
	}
	scheme, rest, _ := strings.Cut(uri, ":")
	if scheme != "env" || rest == "" {
		return nil, badKEKURI(uri)
	}
	text, ok := os.LookupEnv(rest)
	if !ok {
		return nil, &Error{Kind: KindUnavailable, What: "KEK", Ref: "env:" + rest, Detail: "the environment variable is not set"}
	}
	k, err := parseKEK(text)
	if err != nil {
		return nil, &Error{Kind: KindUnavailable, What: "KEK", Ref: "env:" + rest, Detail: err.Error()}
	}
	return k, nil
}

// KEKFile returns the path that a file: URI names, and whether uri is one.
func KEKFile(uri, dataDir string) (path string, ok bool) {
	path, ok = strings.CutPrefix(uri, "file:")
	if !ok || path == "" {
		return "", false
	}
	// file:///abs/path and file://localhost/abs/path are what RFC 8089 writes
	// for an absolute path.
	if rest, found := strings.CutPrefix(path, "//"); found {
		rest = strings.TrimPrefix(rest, "localhost")
		if !filepath.IsAbs(rest) {
			return "", false // a file on another host
		}
		path = rest
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dataDir, path)
	}
	return path, true
}

func badKEKURI(uri string) error {
	scheme, _, found := strings.Cut(uri, ":")
	if !found || scheme == "" || strings.ContainsFunc(scheme, notSchemeRune) {
		return invalid("KEK", "", "the URI has no scheme; known forms are file:PATH, env:NAME and those of key services")
	}
	if scheme == "file" || scheme == "env" {
		return invalid("KEK", "", "the URI names no "+map[string]string{"file": "file on this machine (file:PATH)", "env": "variable (env:NAME)"}[scheme])
	}
	return invalid("KEK", "", "the scheme "+scheme+": is not known; known forms are file:PATH, env:NAME and those of key services")
}

// notSchemeRune reports what RFC 3986, section 3.1, does not allow in a scheme.
func notSchemeRune(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("+-.", r)
}

// localKEK is a KEK that is here as bytes: AES-256-GCM with random nonces
// (NIST SP 800-38D, section 8.2.2: at most 2^32 wraps under one key).
type localKEK struct {
	id   string
	aead cipher.AEAD
}

var _ KEK = (*localKEK)(nil)

// newLocalKEK takes key over and wipes it.
func newLocalKEK(key []byte) (*localKEK, error) {
	defer clear(key)
	if len(key) != kekSize {
		return nil, errors.New("the key is not 256 bits long")
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	return &localKEK{id: fingerprint(key), aead: aead}, nil
}

// fingerprint names a key: 64 bits of a hash of 256 random bits reveal nothing
// of them and tell keys apart.
func fingerprint(key []byte) string {
	h := sha256.New()
	h.Write([]byte("weighbridge KEK id 1\x00"))
	h.Write(key)
	return "kek_" + hex.EncodeToString(h.Sum(nil)[:8])
}

// ID implements KEK.
func (k *localKEK) ID() string { return k.id }

// Wrap implements KEK.
func (k *localKEK) Wrap(_ context.Context, dek, aad []byte) ([]byte, error) {
	return k.aead.Seal(nil, nil, dek, aad), nil
}

// Unwrap implements KEK.
func (k *localKEK) Unwrap(_ context.Context, wrapped, aad []byte) ([]byte, error) {
	return k.aead.Open(nil, nil, wrapped, aad)
}

// newAEAD is AES-256-GCM that puts a random nonce before each ciphertext.
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
