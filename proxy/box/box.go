package box

import (
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// Kind says what a box stands for.
type Kind uint8

// The kinds of boxes. The zero value is none and cannot be sealed.
const (
	// KindURL is exactly one URL, query and all.
	KindURL Kind = 1
	// KindPrefix is every URL at and below Target's path on its host, for
	// clients that build URLs on a base they were given. The rest of the path
	// and the query come with the request.
	KindPrefix Kind = 2
	// KindWritePrefix is KindPrefix for requests that may write as well, as far
	// as the key may. The other kinds only read, whatever the key may.
	KindWritePrefix Kind = 3
)

// MaxLife bounds how far ahead a box may expire: as long as the longest
// presigned URL lives (X-Amz-Expires of AWS Signature Version 4 is at most
// 604800 seconds).
const MaxLife = 7 * 24 * time.Hour

// MaxURL bounds the bytes of host, path and query of a sealed target, and of
// its origin. Servers and clients commonly take 8 KiB; both together still fit
// into our 32 KiB of request head in base64.
const MaxURL = 8 << 10

// Box is what is sealed.
type Box struct {
	Kind Kind
	// TeamID and KeyID are for whom the box was made.
	TeamID string
	KeyID  string
	// Target is where the box leads, byte for byte. That of a prefix has no
	// query.
	Target auth.Target
	// Origin is the URL that led there, without its query: routes are checked
	// against it.
	Origin auth.Target
	// Expires has whole seconds; Seal drops fractions.
	Expires time.Time
}

// CheckIdentity returns CodeBoxInvalid where id is not the key that b was made
// for. The zero Box is nobody's.
func (b Box) CheckIdentity(id auth.Identity) error {
	if b.KeyID == "" || b.TeamID == "" || id.KeyID != b.KeyID || id.TeamID != b.TeamID {
		return invalid("the sealed URL was made for another key", nil)
	}
	return nil
}

// Resolve gives the URL that a request for b means. rest is the escaped path
// after the box, empty or beginning with "/"; rawQuery and hasQuery are the
// request's own.
//
// A KindURL box means its target and nothing else: rest is decoration, by
// which clients name the file, and a query is refused because it would have no
// effect. With a prefix, rest is appended to the target's path as it is and
// the query taken over. A rest that could leave the prefix (dot segments,
// their encodings, backslashes) is refused with CodeBadTarget; the result is
// nonetheless to be parsed and decided like any other URL.
func (b Box) Resolve(rest, rawQuery string, hasQuery bool) (auth.Target, error) {
	if rest != "" && rest[0] != '/' {
		return auth.Target{}, badTarget("what follows a sealed URL begins with /")
	}
	switch b.Kind {
	case KindURL:
		if hasQuery {
			return auth.Target{}, badTarget("a sealed URL takes no query of its own")
		}
		return b.Target, nil
	case KindPrefix, KindWritePrefix:
		if leaves(rest) {
			return auth.Target{}, badTarget("what follows the sealed URL would leave it")
		}
		t := b.Target
		if rest != "" {
			t.Path = strings.TrimSuffix(t.Path, "/") + rest
		}
		t.RawQuery, t.HasQuery = rawQuery, hasQuery
		return t, nil
	default:
		return auth.Target{}, invalid("the sealed URL is of an unknown kind", nil)
	}
}

// leaves reports whether an escaped path could mean something above its
// beginning, to anybody who decodes it once: a segment of dots, a backslash,
// an encoded slash beside dots, a control character.
func leaves(rest string) bool {
	decoded := strings.NewReplacer("%2e", ".", "%2E", ".", "%2f", "/", "%2F", "/", "%5c", "\\", "%5C", "\\").Replace(rest)
	for i := 0; i < len(decoded); i++ {
		if c := decoded[i]; c <= ' ' || c == 0x7f || c == '\\' || c == '?' || c == '#' {
			return true
		}
	}
	for segment := range strings.SplitSeq(decoded, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

func badTarget(reason string) error { return auth.NewError(auth.CodeBadTarget, reason, nil) }

func invalid(reason string, cause error) error {
	return auth.NewError(auth.CodeBoxInvalid, reason, cause)
}
