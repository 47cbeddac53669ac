package box

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

const (
	version = 1

	keySize   = 32 // AES-256
	keyIDSize = 4
	saltSize  = 24
	nonceSize = 12 // SP 800-38D, section 5.2.1.1
	tagSize   = 16
	headSize  = 1 + keyIDSize + saltSize

	// The purposes bind a sealing key to this use and version: the same key
	// used for anything else yields other keys.
	purposeBox = "weighbridge/box/1"
	purposeID  = "weighbridge/box/1/id"

	// maxID bounds team and key identifiers; ours have 31 bytes.
	maxID = 128
	// maxContents bounds what encode can make, maxSealed a box as text.
	maxContents = 2*MaxURL + 2*maxID + 64
	maxSealed   = ((headSize+maxContents+tagSize)*8 + 5) / 6
)

// encoding refuses padding and stray bits. Line breaks it would pass over, so
// Open refuses those itself: a box has exactly one text form.
var encoding = base64.RawURLEncoding.Strict()

// Options of a Sealer.
type Options struct {
	// Keys have 32 bytes each. The first seals, all open: a key that was
	// replaced stays in the list until its last box has expired (MaxLife).
	Keys [][]byte
	// Now defaults to time.Now.
	Now func() time.Time
}

// Sealer seals and opens boxes. It is safe for concurrent use.
type Sealer struct {
	keys []sealingKey
	now  func() time.Time
}

type sealingKey struct {
	id     [keyIDSize]byte
	secret []byte
}

// NewKey makes a sealing key from crypto/rand.
func NewKey() []byte {
	k := make([]byte, keySize)
	_, _ = rand.Read(k) // never fails since Go 1.24
	return k
}

// New makes a Sealer. It copies the keys.
func New(o Options) (*Sealer, error) {
	s := &Sealer{now: o.Now}
	if s.now == nil {
		s.now = time.Now
	}
	for i, secret := range o.Keys {
		if len(secret) != keySize {
			return nil, fmt.Errorf("sealing key %d has %d bytes; it takes %d", i+1, len(secret), keySize)
		}
		id, err := hkdf.Key(sha256.New, secret, nil, purposeID, keyIDSize)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, sealingKey{id: [keyIDSize]byte(id), secret: bytes.Clone(secret)})
	}
	if len(s.keys) == 0 {
		return nil, errors.New("boxes need a sealing key")
	}
	return s, nil
}

// Seal returns b as base64url without padding. Two calls never return the
// same text. It refuses what Open would not give back: a box without key or
// team, of no kind, without end or with one beyond MaxLife, or whose target or
// origin is longer than MaxURL. A query of Origin is left out.
func (s *Sealer) Seal(b Box) (string, error) {
	b.Origin.RawQuery, b.Origin.HasQuery = "", false
	b.Expires = b.Expires.Truncate(time.Second)
	if err := s.sealable(b); err != nil {
		return "", err
	}
	out := make([]byte, headSize, headSize+maxID+size(b.Target)+size(b.Origin)+tagSize)
	key := s.keys[0]
	out[0] = version
	copy(out[1:], key.id[:])
	_, _ = rand.Read(out[1+keyIDSize:])
	aead, nonce, err := key.derive(out[1+keyIDSize:])
	if err != nil {
		return "", err
	}
	return encoding.EncodeToString(aead.Seal(out, nonce, encode(b), out)), nil
}

func (s *Sealer) sealable(b Box) error {
	switch now := s.now(); {
	case b.Kind < KindURL || b.Kind > KindWritePrefix:
		return fmt.Errorf("a box of kind %d", b.Kind)
	case b.Kind != KindURL && b.Target.HasQuery:
		return errors.New("a box of a prefix has no query")
	case b.TeamID == "" || b.KeyID == "" || len(b.TeamID) > maxID || len(b.KeyID) > maxID:
		return errors.New("a box without team or key")
	case !plausible(b.Target) || !plausible(b.Origin):
		return errors.New("a box of an incomplete URL")
	case size(b.Target) > MaxURL || size(b.Origin) > MaxURL:
		return fmt.Errorf("a URL of %d bytes, from one of %d; a box takes %d", size(b.Target), size(b.Origin), MaxURL)
	case b.Expires.Unix() <= 0 || b.Expires.After(now.Add(MaxLife)):
		return fmt.Errorf("a box that expires at %s; at most %s ahead is allowed", b.Expires.UTC().Format(time.RFC3339), MaxLife)
	}
	return nil
}

// plausible guards against half-filled targets, which would open as something
// else than was sealed.
func plausible(t auth.Target) bool {
	return (t.Scheme == "https" || t.Scheme == "http") && t.Host != "" && t.Port != 0 &&
		t.Path != "" && t.Path[0] == '/' && (t.HasQuery || t.RawQuery == "")
}

// Open returns what was sealed. The error is *auth.Error: CodeBoxInvalid for
// anything that this Sealer's keys did not seal, whatever is wrong with it, and
// CodeBoxExpired for a genuine box whose time is over.
func (s *Sealer) Open(sealed string) (Box, error) {
	if len(sealed) > maxSealed {
		return Box{}, invalid("the sealed URL is too long", nil)
	}
	raw, err := encoding.DecodeString(sealed)
	if err != nil || strings.ContainsAny(sealed, "\r\n") || len(raw) < headSize+tagSize || raw[0] != version {
		return Box{}, invalid("this is not a sealed URL of this version", nil) // err would quote the text
	}
	head := raw[:headSize]
	for _, key := range s.keys {
		if !bytes.Equal(head[1:1+keyIDSize], key.id[:]) {
			continue // the identifier is public
		}
		aead, nonce, err := key.derive(head[1+keyIDSize:])
		if err != nil {
			return Box{}, invalid("the sealed URL cannot be opened", err)
		}
		contents, err := aead.Open(nil, nonce, raw[headSize:], head)
		if err != nil {
			continue // two keys may share an identifier
		}
		b, err := decode(contents)
		if err != nil {
			return Box{}, invalid("the sealed URL cannot be read", err)
		}
		if !s.now().Before(b.Expires) {
			return Box{}, auth.NewError(auth.CodeBoxExpired, "the sealed URL expired at "+b.Expires.UTC().Format(time.RFC3339), nil)
		}
		return b, nil
	}
	return Box{}, invalid("the sealed URL was changed, or was sealed by another weighbridge or under a key since replaced", nil)
}

// derive makes the cipher and the nonce of one box.
func (k sealingKey) derive(salt []byte) (cipher.AEAD, []byte, error) {
	okm, err := hkdf.Key(sha256.New, k.secret, salt, purposeBox, keySize+nonceSize)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(okm[:keySize])
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, nil, err
	}
	return aead, okm[keySize:], nil
}
