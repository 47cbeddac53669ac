package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

const (
	// Algorithm names the signature in Authorization, queries and the string
	// to sign.
	Algorithm = "AWS4-HMAC-SHA256"
	// ServiceS3 is the service of a scope.
	ServiceS3 = "s3"
	// TimeFormat is that of X-Amz-Date: ISO 8601 basic, UTC.
	TimeFormat = "20060102T150405Z"

	dateFormat = "20060102"
	terminator = "aws4_request"
)

// EmptyPayload is the SHA-256 of nothing, the payload hash of a request
// without body. UnsignedPayload stands where a payload is not covered.
const (
	EmptyPayload    = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	UnsignedPayload = "UNSIGNED-PAYLOAD"
)

// Scope is what a signing key is good for: a day (YYYYMMDD, UTC) at a service
// of a region.
type Scope struct{ Date, Region, Service string }

// String is the scope as it stands in credentials and strings to sign.
func (s Scope) String() string {
	return s.Date + "/" + s.Region + "/" + s.Service + "/" + terminator
}

// CanonicalRequest is the text that a signature covers. path and query are
// canonical, headers is of CanonicalHeaders for the names in signed.
func CanonicalRequest(method string, path Path, query, headers string, signed []string, payload string) string {
	return method + "\n" + path.String() + "\n" + query + "\n" + headers + "\n" + strings.Join(signed, ";") + "\n" + payload
}

// StringToSign is made of a request's date, as X-Amz-Date has it, its scope
// and its canonical form.
func StringToSign(date string, scope Scope, canonicalRequest string) string {
	sum := sha256.Sum256([]byte(canonicalRequest))
	return Algorithm + "\n" + date + "\n" + scope.String() + "\n" + hexOf(&sum)
}

// SigningKey is a secret that signs within one scope. The zero SigningKey must
// not be used.
type SigningKey struct{ k auth.Secret }

// DeriveKey makes the signing key of a secret access key for a scope.
func DeriveKey(secret auth.Secret, scope Scope) SigningKey {
	mac := []byte("AWS4" + secret.Reveal())
	var text []byte
	for _, part := range [...]string{scope.Date, scope.Region, scope.Service, terminator} {
		text = append(text[:0], part...)
		mac = sum(mac, text)
	}
	return SigningKey{auth.NewSecret(string(mac))}
}

// Sign is the signature of a string to sign: 64 lower-case hexadecimal digits.
func (k SigningKey) Sign(stringToSign string) string {
	return hexOf((*[sha256.Size]byte)(sum([]byte(k.k.Reveal()), []byte(stringToSign))))
}

// sum is the HMAC of text (RFC 2104, section 2); it takes the place of key
// where that is long enough. crypto/hmac makes two hashes on the heap for each,
// and one request takes five.
func sum(key, text []byte) []byte {
	if len(key) > sha256.BlockSize || len(text) > maxShort {
		mac := hmac.New(sha256.New, key)
		mac.Write(text)
		return mac.Sum(key[:0])
	}
	var inner [sha256.BlockSize + maxShort]byte
	var outer [sha256.BlockSize + sha256.Size]byte
	for i := range sha256.BlockSize {
		var c byte
		if i < len(key) {
			c = key[i]
		}
		inner[i], outer[i] = c^0x36, c^0x5c // ipad and opad
	}
	first := sha256.Sum256(inner[:sha256.BlockSize+copy(inner[sha256.BlockSize:], text)])
	copy(outer[sha256.BlockSize:], first[:])
	mac := sha256.Sum256(outer[:])
	clear(inner[:])
	clear(outer[:])
	return append(key[:0], mac[:]...)
}

// maxShort is the longest text that sum takes on the stack: a string to sign
// is below 200 bytes.
const maxShort = 256

func hexOf(sum *[sha256.Size]byte) string {
	var digits [2 * sha256.Size]byte
	hex.Encode(digits[:], sum[:])
	return string(digits[:])
}
