package auth

import (
	"crypto/sha256"
	"strings"
)

// How long a metrics token may be. The shortest holds 128 bits where it is
// hexadecimal, so a plain hash is enough, as for KeyHash.
const (
	minMetricsToken = 32
	maxMetricsToken = 512
)

// metricsTokenChars are what a Bearer token consists of (RFC 6750, section 2.1:
// b68token).
const metricsTokenChars = alphanumerics + "-._~+/="

// HashMetricsToken hashes the token that the configuration declares for reading
// the metrics, or one that is presented as it. ok is false where s cannot be
// one: it has not the form, or is that of a worker, whose keys open nothing but
// the proxy.
func HashMetricsToken(s string) (h KeyHash, ok bool) {
	other := func(r rune) bool { return !strings.ContainsRune(metricsTokenChars, r) }
	if len(s) < minMetricsToken || len(s) > maxMetricsToken || strings.ContainsFunc(s, other) {
		return KeyHash{}, false
	}
	for _, prefix := range [...]string{KeyPrefix, KeyAliasPrefix, URLKeyPrefix} {
		if strings.HasPrefix(s, prefix) {
			return KeyHash{}, false
		}
	}
	return sha256.Sum256([]byte(s)), true
}
