package scrub

import (
	"html"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// introducers begin the escapes that are understood: percent-encoding
	// (RFC 3986, section 2.1), JSON strings (RFC 8259, section 7) with
	// JavaScript's \x and \', and HTML character references.
	introducers = `%\&`
	// maxDepth is how many times over a character may be escaped.
	maxDepth = 2
	// maxSeq is the bytes that one escape stands for: one character in UTF-8.
	maxSeq = utf8.UTFMax
	// maxReference bounds an HTML reference, whose longest name is
	// CounterClockwiseContourIntegral.
	maxReference = 34
)

func introduces(c byte) bool { return c == '%' || c == '\\' || c == '&' }

// reading is what an escape stands for: seq[:n], up to next. n is 0 where
// there is no escape.
type reading struct {
	seq  [maxSeq]byte
	n    int
	next int
}

func (r *reading) prefixes(s string) bool {
	return len(s) >= r.n && s[:r.n] == string(r.seq[:r.n])
}

func oneByte(c byte, next int) reading { return reading{seq: [maxSeq]byte{c}, n: 1, next: next} }

func oneRune(c rune, next int) reading {
	r := reading{next: next}
	r.n = utf8.EncodeRune(r.seq[:], c)
	return r
}

// escape reads the escape at i. With a depth of two, its own characters may be
// written as escapes.
func escape[T text](t T, i, depth int) reading {
	c, i, ok := unit(t, i, depth-1)
	if !ok {
		return reading{}
	}
	switch c {
	case '%':
		if v, next, ok := hexDigits(t, i, 2, depth-1); ok {
			return oneByte(byte(v), next)
		}
	case '\\':
		return backslash(t, i, depth-1)
	case '&':
		return reference(t, i, depth-1)
	}
	return reading{}
}

// unit reads one byte, written as an escape of the given depth where there is
// one and as itself otherwise.
func unit[T text](t T, i, depth int) (c byte, next int, ok bool) {
	if i >= len(t) {
		return 0, i, false
	}
	if depth > 0 && introduces(t[i]) {
		if r := escape(t, i, depth); r.n == 1 {
			return r.seq[0], r.next, true
		}
	}
	return t[i], i + 1, true
}

func hexDigits[T text](t T, i, digits, depth int) (v rune, next int, ok bool) {
	for range digits {
		var c byte
		if c, i, ok = unit(t, i, depth); !ok {
			return 0, i, false
		}
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, i, false
		}
		v = v<<4 | rune(c)
	}
	return v, i, true
}

// backslash reads what follows one.
func backslash[T text](t T, i, depth int) reading {
	c, i, ok := unit(t, i, depth)
	if !ok {
		return reading{}
	}
	switch c {
	case '"', '\\', '/', '\'':
		return oneByte(c, i)
	case 'b', 'f', 'n', 'r', 't':
		return oneByte("\b\f\n\r\t"[strings.IndexByte("bfnrt", c)], i)
	case 'x':
		if v, next, ok := hexDigits(t, i, 2, depth); ok {
			return oneRune(v, next)
		}
	case 'u':
		return utf16Escape(t, i, depth)
	}
	return reading{}
}

// utf16Escape reads the four digits after \u, and a second such escape where
// they are the first half of a surrogate pair.
func utf16Escape[T text](t T, i, depth int) reading {
	v, next, ok := hexDigits(t, i, 4, depth)
	if !ok {
		return reading{}
	}
	if !utf16.IsSurrogate(v) {
		return oneRune(v, next)
	}
	for _, want := range []byte{'\\', 'u'} {
		var c byte
		if c, next, ok = unit(t, next, depth); !ok || c != want {
			return reading{}
		}
	}
	low, next, ok := hexDigits(t, next, 4, depth)
	if c := utf16.DecodeRune(v, low); ok && c != utf8.RuneError {
		return oneRune(c, next)
	}
	return reading{}
}

// reference reads what follows an ampersand, up to the semicolon.
func reference[T text](t T, i, depth int) reading {
	var name [maxReference]byte
	name[0] = '&'
	for n := 1; n < len(name); n++ {
		c, next, ok := unit(t, i, depth)
		if !ok {
			break
		}
		name[n], i = c, next
		if c == ';' {
			s := html.UnescapeString(string(name[:n+1]))
			if len(s) > maxSeq || len(s) > 1 && s[len(s)-1] == ';' { // unknown, or known in part
				break
			}
			r := reading{n: len(s), next: i}
			copy(r.seq[:], s)
			return r
		}
		if c != '#' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			break
		}
	}
	return reading{}
}
