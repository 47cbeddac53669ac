package sigv4

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"testing"
)

// The short way of an HMAC is the long one's.
func TestShortHMAC(t *testing.T) {
	for _, key := range []int{0, 1, 32, 63, 64, 65, 200} {
		for _, text := range []int{0, 1, 63, 64, 65, 200, maxShort, maxShort + 1, 1000} {
			k, m := bytes.Repeat([]byte{0xa5, 7}, key)[:key], bytes.Repeat([]byte("text"), text)[:text]
			mac := hmac.New(sha256.New, k)
			mac.Write(m)
			if got := sum(bytes.Clone(k), m); !bytes.Equal(got, mac.Sum(nil)) {
				t.Errorf("a key of %d bytes, a text of %d: %x", key, text, got)
			}
		}
	}
}
