package auth

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"time"
)

// The prefixes of our identifiers. An identifier is prefix + 26 characters of
// lower-case Crockford base32: 48 bits of Unix milliseconds, then 80 random
// bits, so that identifiers of one kind sort by the time they were made.
const (
	PrefixTeam       = "team_"
	PrefixCredential = "cred_"
	PrefixKey        = "key_"
	PrefixEvent      = "evt_"
	PrefixRequest    = "req_"
)

var crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID makes an identifier with the given prefix at the given time.
func NewID(prefix string, now time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	_, _ = rand.Read(b[6:]) // crypto/rand.Read never fails since Go 1.24
	var text [32]byte       // the longest prefix, and 26
	return string(crockford.AppendEncode(append(text[:0], prefix...), b[:]))
}
