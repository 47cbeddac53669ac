package auth

import "strings"

// The form of a path.
//
// A path is compared segment by segment: it is cut at every "/" byte, and the
// percent escapes of each segment are decoded (RFC 3986, section 2.1). Two
// spellings whose segments decode to the same bytes are one path, so neither
// %61 for a nor %2b for %2B can choose another credential. An encoded slash
// is a character of its segment, not a delimiter. The bytes that are sent are
// always those that came.
//
// What one program reads as this path and another as that path is refused:
// see checkPath.

// checkPath returns why path is refused, or "". It refuses
//
//   - bytes that no URL path has: controls, spaces, non-ASCII, "#", backslash,
//     raw or encoded where they are controls or backslash;
//   - escapes that are not % and two hexadecimal digits;
//   - dot segments, however written: plain, encoded, encoded again, cut by an
//     encoded slash or backslash, or followed by a ;parameter (RFC 3986,
//     section 3.3), which some servers drop before they resolve the dots;
//   - overlong UTF-8, which hides ASCII (RFC 3629, section 3), and more layers
//     of encoding than anybody needs.
func checkPath(path string) (reason string) {
	switch {
	case path == "" || path[0] != '/' && pathClass[path[0]] != pathRefused:
		return "the path does not begin with a slash"
	case path[0] != '/':
		return refusedByte(path[0])
	}
	dots, escapes := false, false
	for i := 0; i < len(path); i++ {
		switch pathClass[path[i]] {
		case pathPlain:
		case pathDot:
			dots = dots || path[i-1] == '/' // path[0] is a slash
		case pathEscape:
			escapes = true
			if i+2 >= len(path) || !isHex(path[i+1]) || !isHex(path[i+2]) {
				return "the path has a % that is not followed by two hexadecimal digits"
			}
			if reason := checkEscaped(unhex(path[i+1])<<4 | unhex(path[i+2])); reason != "" {
				return reason
			}
			i += 2
		default:
			return refusedByte(path[i])
		}
	}
	if dots {
		if seg := dotSegment(path); seg != "" {
			return "the path has the dot segment " + quote(seg) + "; send the path with its dots resolved"
		}
	}
	if escapes {
		return checkDecoded(path)
	}
	return ""
}

type pathByte uint8

const (
	pathRefused pathByte = iota
	pathPlain
	pathDot
	pathEscape
)

// pathClass sorts the bytes of a path.
var pathClass = func() (t [256]pathByte) {
	for c := 0x21; c < 0x7f; c++ {
		t[c] = pathPlain
	}
	t['.'], t['%'] = pathDot, pathEscape
	t['\\'], t['#'], t['?'] = pathRefused, pathRefused, pathRefused
	return t
}()

func refusedByte(c byte) string {
	switch {
	case c == '\\':
		return "the path holds a backslash"
	case c == '#':
		return "the URL holds a fragment (#); it has no place in a request"
	case c == '?':
		return "the path holds a question mark; send it as %3F"
	case c == ' ':
		return "the path holds a space; send it as %20"
	case c >= 0x80:
		return "the path holds a byte outside ASCII; send it percent-encoded"
	default:
		return "the path holds a control character"
	}
}

// checkEscaped looks at one decoded byte.
func checkEscaped(c byte) string {
	switch {
	case c == '\\':
		return "the path holds an encoded backslash"
	case c < ' ' || c == 0x7f:
		return "the path holds an encoded control character"
	}
	return ""
}

// maxEncoded bounds how many times over a path may be percent-encoded. Real
// ones are once, and keys that hold an escape of their own twice; each layer
// costs a pass over the path.
const maxEncoded = 4

// checkDecoded looks for what escapes hide, layer by layer.
func checkDecoded(path string) string {
	for layer := 1; ; layer++ {
		decoded := unescape(path)
		if decoded == path {
			return ""
		}
		if layer > maxEncoded {
			return "the path is percent-encoded more than four times over"
		}
		if layer == 1 && overlong(decoded) {
			return "the path holds overlong UTF-8"
		}
		if seg := dotSegment(decoded); seg != "" {
			return "the path holds an encoded dot segment; send the path with its dots resolved"
		}
		path = decoded
	}
}

// dotSegment returns the first segment of s, between slashes or backslashes,
// that is "." or ".." with or without ;parameters.
func dotSegment(s string) string {
	for s != "" {
		seg := s
		if i := strings.IndexAny(s, `/\`); i >= 0 {
			seg, s = s[:i], s[i+1:]
		} else {
			s = ""
		}
		name, _, _ := strings.Cut(seg, ";")
		if name == "." || name == ".." {
			return seg
		}
	}
	return ""
}

// overlong finds UTF-8 sequences longer than needed: C0 and C1 lead bytes, E0
// before 80–9F, F0 before 80–8F (RFC 3629, section 4).
func overlong(s string) bool {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case 0xc0, 0xc1:
			return true
		case 0xe0:
			if i+1 < len(s) && s[i+1] >= 0x80 && s[i+1] < 0xa0 {
				return true
			}
		case 0xf0:
			if i+1 < len(s) && s[i+1] >= 0x80 && s[i+1] < 0x90 {
				return true
			}
		}
	}
	return false
}

// checkQuery refuses what cannot stand in a request line or would end the
// query: controls, spaces, non-ASCII and "#". Everything else travels as it
// is, because signatures cover it.
func checkQuery(q string) (reason string) {
	for i := 0; i < len(q); i++ {
		switch c := q[i]; {
		case c == '#':
			return "the URL holds a fragment (#); it has no place in a request"
		case c == ' ':
			return "the query holds a space; send it as %20"
		case c < ' ' || c == 0x7f:
			return "the query holds a control character"
		case c >= 0x80:
			return "the query holds a byte outside ASCII; send it percent-encoded"
		}
	}
	return ""
}

// hasEncodedSlash reports whether path holds %2F in either case.
func hasEncodedSlash(path string) bool {
	for i := 0; i+2 < len(path); i++ {
		if path[i] == '%' && path[i+1] == '2' && path[i+2]|0x20 == 'f' {
			return true
		}
	}
	return false
}

// openSlashes is the other reading of a path with encoded slashes: the one of
// a server that decodes before it cuts.
func openSlashes(path string) string {
	b := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		if path[i] == '%' && i+2 < len(path) && path[i+1] == '2' && path[i+2]|0x20 == 'f' {
			b = append(b, '/')
			i += 2
			continue
		}
		b = append(b, path[i])
	}
	return string(b)
}

// canonicalPath spells path in the one way that all its spellings share: what
// may stand raw in a segment stands raw, everything else as % and two
// upper-case digits. It returns path itself where nothing changes. It is for
// looking at, never for sending.
func canonicalPath(path string) string {
	plain := true
	for i := 0; i < len(path) && plain; i++ {
		plain = path[i] == '/' || segmentRaw[path[i]]
	}
	if plain {
		return path
	}
	var b strings.Builder
	b.Grow(len(path))
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' { // checkPath has seen to it that two digits follow
			c = unhex(path[i+1])<<4 | unhex(path[i+2])
			i += 2
		} else if c == '/' {
			b.WriteByte('/')
			continue
		}
		if segmentRaw[c] {
			b.WriteByte(c)
		} else {
			escapeByte(&b, c)
		}
	}
	return b.String()
}

// segmentRaw are the bytes of pchar (RFC 3986, section 3.3) that stand raw in
// canonical text. The star is a wildcard in patterns and therefore encoded
// where it is meant literally; in a path it stays.
var segmentRaw = func() (t [256]bool) {
	for _, c := range []byte(alphanumerics + "-._~!$&'()+,;=:@*") {
		t[c] = true
	}
	return t
}()

const upperHex = "0123456789ABCDEF"

func escapeByte(b *strings.Builder, c byte) {
	b.WriteByte('%')
	b.WriteByte(upperHex[c>>4])
	b.WriteByte(upperHex[c&15])
}

// unescape decodes one layer of percent escapes; what is no escape stays. It
// returns s itself where there are none.
func unescape(s string) string {
	i := strings.IndexByte(s, '%')
	if i < 0 {
		return s
	}
	b := make([]byte, i, len(s))
	copy(b, s)
	changed := false
	for ; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			changed = true
			continue
		}
		b = append(b, s[i])
	}
	if !changed {
		return s
	}
	return string(b)
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	default:
		return c - 'A' + 10
	}
}
