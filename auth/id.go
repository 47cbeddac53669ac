package auth

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// idLen is the length of an identifier (RFC 9562, section 4).
const idLen = 36

// NewID makes a UUID of version 7 (RFC 9562, section 5.7) in lower case: 48
// bits of Unix milliseconds, then, beside version and variant, 74 random bits,
// so that identifiers sort by the time they were made.
func NewID(now time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	_, _ = rand.Read(b[6:]) // crypto/rand.Read never fails since Go 1.24
	b[6] = b[6]&0x0f | 0x70 // version 7
	b[8] = b[8]&0x3f | 0x80 // the variant of RFC 9562
	var text [idLen]byte
	rest := text[:0]
	for i, part := range [...][]byte{b[:4], b[4:6], b[6:8], b[8:10], b[10:]} {
		if i > 0 {
			rest = append(rest, '-')
		}
		rest = hex.AppendEncode(rest, part)
	}
	return string(rest)
}

// IsID reports whether s has the form of an identifier, in either case.
func IsID(s string) bool {
	if len(s) != idLen {
		return false
	}
	for i := range len(s) {
		c := s[i] | 0x20 // lower case; a hyphen stays what it is
		switch dash := i == 8 || i == 13 || i == 18 || i == 23; {
		case dash && s[i] != '-':
			return false
		case !dash && (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}
