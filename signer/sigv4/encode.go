package sigv4

import "strings"

const upperHex = "0123456789ABCDEF"

// unreserved are the bytes that SigV4's UriEncode leaves as they are: letters,
// digits, "-", ".", "_" and "~" (RFC 3986, section 2.3). Every other byte
// becomes "%XX" in upper case.
var unreserved = func() (t [256]bool) {
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = true, true
	}
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	t['-'], t['.'], t['_'], t['~'] = true, true, true, true
	return t
}()

// encode encodes s. Slashes stay where slash says so: in paths, not in
// queries.
func encode(s string, slash bool) string {
	coded := 0
	for i := 0; i < len(s); i++ {
		if !unreserved[s[i]] && (s[i] != '/' || !slash) {
			coded++
		}
	}
	if coded == 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 2*coded)
	for i := 0; i < len(s); i++ {
		c := s[i]
		if unreserved[c] || c == '/' && slash {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(upperHex[c>>4])
		b.WriteByte(upperHex[c&15])
	}
	return b.String()
}

// unhex gives the value of two hexadecimal digits of either case.
func unhex(hi, lo byte) (c byte, ok bool) {
	h, okH := nibble(hi)
	l, okL := nibble(lo)
	return h<<4 | l, okH && okL
}

func nibble(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// isControl reports the bytes that no text of ours holds.
func isControl(c byte) bool { return c < ' ' || c == 0x7f }

const badEscape = "a % that is not followed by two hexadecimal digits"

// escapeAt reads the escape that begins at i.
func escapeAt(s string, i int) (b byte, ok bool) {
	if i+2 >= len(s) {
		return 0, false
	}
	return unhex(s[i+1], s[i+2])
}

// neverRaw says why c may not stand as it is where a path or query is, of
// something, or nothing.
func neverRaw(c byte, where, of string) (reason string) {
	switch {
	case isControl(c):
		return "the " + where + " holds a control character"
	case c == ' ':
		return "the " + where + " holds a space; send it as %20"
	case c == '#':
		return "the URL holds a fragment (#); send a # of " + of + " as %23"
	}
	return ""
}

// decode decodes s, whose escapes were checked, once. In a query a plus is a
// space.
func decode(s string, query bool) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+' && query:
			c = ' '
		case c == '%':
			c, _ = unhex(s[i+1], s[i+2])
			i += 2
		}
		b = append(b, c)
	}
	return string(b)
}
