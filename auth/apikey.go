package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
)

const (
	// KeyPrefix starts an API key.
	KeyPrefix = "wbk_"
	// KeyAliasPrefix starts the same key in the form that some Hugging Face
	// clients insist on: hf_ + the same body.
	KeyAliasPrefix = "hf_"
	// URLKeyPrefix starts a URL key, the read-only alias of an API key for
	// clients that can only be given a URL.
	URLKeyPrefix = "wbu_"

	keyBodyLen    = 43 // 43 characters of 62 hold 256 bits
	minKeyBodyLen = 40
	maxKeyBodyLen = 128
	alphanumerics = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// KeyHash is SHA-256 over the body of a key (what follows its prefix), the
// only form in which a key is stored. The body has 256 bits of entropy, so a
// plain hash is enough (NIST SP 800-63B, section 5.1.2.2 concerns passwords).
type KeyHash [sha256.Size]byte

// IsZero reports whether h is the hash of nothing.
func (h KeyHash) IsZero() bool { return h == KeyHash{} }

// MarshalText writes h in hexadecimal.
func (h KeyHash) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h[:])), nil }

// UnmarshalText reads what MarshalText wrote. After an error h is unchanged.
func (h *KeyHash) UnmarshalText(b []byte) error {
	var v KeyHash
	if len(b) != hex.EncodedLen(len(v)) {
		return errKeyHash
	}
	if _, err := hex.Decode(v[:], b); err != nil {
		return errKeyHash // the cause would quote the text
	}
	*h = v
	return nil
}

var errKeyHash = errors.New("a key hash is 64 hexadecimal digits")

// NewAPIKey makes an API key from crypto/rand.
func NewAPIKey() Secret { return NewSecret(KeyPrefix + randomBody()) }

// NewURLKey makes a URL key from crypto/rand.
func NewURLKey() Secret { return NewSecret(URLKeyPrefix + randomBody()) }

func randomBody() string {
	var out [keyBodyLen]byte
	var buf [64]byte
	for i := 0; i < len(out); {
		_, _ = rand.Read(buf[:])
		for _, b := range buf {
			// 248 is the largest multiple of 62 in a byte: no modulo bias.
			if b < 248 && i < len(out) {
				out[i] = alphanumerics[b%62]
				i++
			}
		}
	}
	return string(out[:])
}

// HashAPIKey hashes a presented API key, in either of its two forms. ok is
// false where s cannot be an API key of ours: such a value is not looked up.
func HashAPIKey(s string) (h KeyHash, ok bool) {
	body, found := strings.CutPrefix(s, KeyPrefix)
	if !found {
		if body, found = strings.CutPrefix(s, KeyAliasPrefix); !found {
			return KeyHash{}, false
		}
	}
	return hashBody(body)
}

// HashURLKey hashes a presented URL key.
func HashURLKey(s string) (h KeyHash, ok bool) {
	return hashPrefixed(s, URLKeyPrefix)
}

func hashBody(body string) (KeyHash, bool) {
	if len(body) < minKeyBodyLen || len(body) > maxKeyBodyLen {
		return KeyHash{}, false
	}
	for i := 0; i < len(body); i++ {
		c := body[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return KeyHash{}, false
		}
	}
	return sha256.Sum256([]byte(body)), true
}

// suspectLen is how many letters and digits behind one of our prefixes are
// taken for a key, whole or in part, where something is to be shown.
const suspectLen = 16

// withoutKeys is s with whatever could be a key or a token of ours, in any
// form, in any case, replaced: people put keys where hosts belong.
func withoutKeys(s string) string {
	var b strings.Builder
	kept := 0
	for i := 0; i < len(s); i++ {
		if s[i] != '_' {
			continue
		}
		for _, prefix := range ourPrefixes {
			start := i + 1 - len(prefix)
			if start < kept || !strings.EqualFold(s[start:i+1], prefix) {
				continue
			}
			end := i + 1
			for end < len(s) && strings.IndexByte(alphanumerics, s[end]) >= 0 {
				end++
			}
			if end-i-1 >= suspectLen {
				b.WriteString(s[kept:start])
				b.WriteString(Redacted)
				kept, i = end, end-1
				break
			}
		}
	}
	if kept == 0 {
		return s
	}
	return b.String() + s[kept:]
}
