package sigv4

import (
	"strings"
	"unicode/utf8"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3err"
)

const (
	// MaxKey is the length of the longest object key, in bytes of UTF-8
	// (Amazon S3 User Guide, "Naming Amazon S3 objects").
	MaxKey = 1024
	// MaxBucket is the length of the longest bucket name, in bytes: 63 today
	// and 255 for those made in us-east-1 before 2018 (Amazon S3 User Guide,
	// "General purpose bucket naming rules").
	MaxBucket = 255

	// maxRawPath is "/bucket/key" with every byte percent-encoded.
	maxRawPath = 3 * (1 + MaxBucket + 1 + MaxKey)
)

// PathRule says what ParsePath lets through beyond what is always safe.
type PathRule struct {
	// EmptySegments lets "//" stand, which is a part of the key on S3 itself.
	// Servers that keep objects as files merge slashes, so under a rule about
	// prefixes another object than the one that was decided would be served.
	EmptySegments bool
}

// Path is the path of an S3 request in canonical form. The zero Path is "/".
type Path struct{ canonical, decoded string }

// ParsePath takes the path of a request target as it was received, without
// the query, and brings it into canonical form: decoded once, then every byte
// but A–Z a–z 0–9 - . _ ~ / encoded as %XX (SigV4, UriEncode). Two spellings
// of one key give one form; composed and decomposed Unicode are two keys, as
// on S3. "" is "/".
//
// The error is an *auth.Error (bad_target), and an *s3err.Error beneath it,
// for a path that
//
//   - has a raw control byte, space, backslash, "#" or "?", an escape that is
//     not two hexadecimal digits, or a control character however written;
//   - has a segment "." or ".." after decoding, between slashes or backslashes;
//   - has an empty segment, unless rule allows it (a final slash is none);
//   - is no UTF-8, or longer than any bucket and key are.
func ParsePath(raw string, rule PathRule) (Path, error) {
	if raw == "" {
		raw = "/"
	}
	if len(raw) > maxRawPath {
		return Path{}, refuse(s3err.KeyTooLong, "the path is longer than a bucket name and a key of 1,024 bytes")
	}
	if raw[0] != '/' {
		return Path{}, refuse(s3err.InvalidURI, "the path does not begin with a slash")
	}
	decoded, reason := decodePath(raw)
	if reason == "" {
		reason = checkSegments(decoded, rule)
	}
	if reason != "" {
		return Path{}, refuse(s3err.InvalidURI, reason)
	}
	return Path{canonical: encode(decoded, true), decoded: decoded}, nil
}

// ObjectPath is the path of key in bucket, path style, of names that are
// decoded already; an empty key gives "/bucket". The errors are ParsePath's.
func ObjectPath(bucket, key string, rule PathRule) (Path, error) {
	raw := "/" + encode(bucket, false)
	if key != "" {
		raw += "/" + encode(key, true)
	}
	return ParsePath(raw, rule)
}

// String is the canonical form: the bytes that are matched, signed and sent.
func (p Path) String() string {
	if p.canonical == "" {
		return "/"
	}
	return p.canonical
}

// Decoded is the path after one decoding.
func (p Path) Decoded() string {
	if p.decoded == "" {
		return "/"
	}
	return p.decoded
}

// PathStyle cuts the path into bucket and key, both decoded: "/b/k" is key k
// of bucket b, and so is "/b%2Fk". "/" has neither, "/b" and "/b/" have no
// key. The errors are as ParsePath's: for an empty bucket before a key, and
// for names that are too long.
func (p Path) PathStyle() (bucket, key string, err error) {
	bucket, key, _ = strings.Cut(p.Decoded()[1:], "/")
	switch {
	case bucket == "" && p.Decoded() != "/":
		return "", "", refuse(s3err.InvalidBucketName, "the path names no bucket before the key")
	case len(bucket) > MaxBucket:
		return "", "", refuse(s3err.InvalidBucketName, "the bucket's name is longer than 255 bytes")
	case len(key) > MaxKey:
		return "", "", errKeyTooLong()
	}
	return bucket, key, nil
}

// HostStyle is the key of a virtual-hosted request, decoded, where the host
// names the bucket. The error is as ParsePath's, for a key that is too long.
func (p Path) HostStyle() (key string, err error) {
	if key = p.Decoded()[1:]; len(key) > MaxKey {
		return "", errKeyTooLong()
	}
	return key, nil
}

// HasEmptySegment reports whether "//" stands in the path.
func (p Path) HasEmptySegment() bool { return strings.Contains(p.decoded, "//") }

// decodePath decodes the escapes of raw, once.
func decodePath(raw string) (decoded, reason string) {
	escapes := 0
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '%':
			b, ok := escapeAt(raw, i)
			if !ok {
				return "", "the path has " + badEscape
			}
			if isControl(b) {
				return "", "the path holds an encoded control character"
			}
			escapes++
			i += 2
		case c == '\\':
			return "", "the path holds a backslash; send it as %5C"
		case c == '?':
			return "", "the path holds a question mark; send it as %3F"
		default:
			if reason := neverRaw(c, "path", "the key"); reason != "" {
				return "", reason
			}
		}
	}
	if escapes == 0 {
		return raw, ""
	}
	return decode(raw, false), ""
}

// checkSegments looks at a decoded path for what a server that resolves paths
// would read as another key.
func checkSegments(decoded string, rule PathRule) (reason string) {
	if !utf8.ValidString(decoded) {
		return "the path is not UTF-8"
	}
	if !rule.EmptySegments && strings.Contains(decoded, "//") {
		return "the path has an empty segment (//)"
	}
	for rest := decoded; rest != ""; {
		seg := rest
		if i := strings.IndexAny(rest, `/\`); i >= 0 {
			seg, rest = rest[:i], rest[i+1:]
		} else {
			rest = ""
		}
		if seg == "." || seg == ".." {
			return "the path has a segment . or .., plain or encoded; send the path with its dots resolved"
		}
	}
	return ""
}

// refuse makes the error of the canonicaliser: for a provider it is an
// *auth.Error, for the S3 front the *s3err.Error beneath. No reason quotes
// the request.
func refuse(code s3err.Code, reason string) error {
	return auth.NewError(auth.CodeBadTarget, reason, s3err.New(code, sentence(reason), ""))
}

func errKeyTooLong() error {
	return refuse(s3err.KeyTooLong, "the key is longer than 1,024 bytes")
}

// sentence makes a house reason ("the path …") a message of S3 ("The path ….").
func sentence(reason string) string {
	return strings.ToUpper(reason[:1]) + reason[1:] + "."
}
