package signer

import (
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// maxWords is how many leading segments of a path the read rules look at: the
// longest known route, /datasets/ORG/REPO/info/lfs/objects/batch, has seven.
const maxWords = 8

// words are the segments of a path as a lenient router sees them: empty
// segments and path parameters (";…") left out. n counts all of them, seg
// holds the first ones.
type words struct {
	seg [maxWords]string
	n   int
	// odd says that the path holds something that routers disagree about: a
	// dot segment or a control character.
	odd bool
}

// splitWords splits path. It allocates nothing.
func splitWords(path string) (w words) {
	for i := 0; i < len(path); i++ {
		if path[i] < ' ' || path[i] == 0x7f {
			w.odd = true
			return w
		}
	}
	for path != "" {
		// A backslash separates too: some routers and file systems say so.
		i := strings.IndexAny(path, `/\`)
		word, rest := path, ""
		if i >= 0 {
			word, rest = path[:i], path[i+1:]
		}
		path = rest
		if j := strings.IndexByte(word, ';'); j >= 0 {
			word = word[:j]
		}
		switch word {
		case "":
			continue
		case ".", "..":
			w.odd = true
			return w
		}
		if w.n < maxWords {
			w.seg[w.n] = word
		}
		w.n++
	}
	return w
}

// is reports whether segment i is one of names. Case does not count: several
// of the routers behind the providers ignore it, and a refusal must hold for
// all of them.
func (w *words) is(i int, names ...string) bool {
	if i >= w.n || i >= maxWords {
		return false
	}
	for _, name := range names {
		if strings.EqualFold(w.seg[i], name) {
			return true
		}
	}
	return false
}

// begins reports whether segment i begins with one of the prefixes.
func (w *words) begins(i int, prefixes ...string) bool {
	if i >= w.n || i >= maxWords {
		return false
	}
	for _, p := range prefixes {
		if s := w.seg[i]; len(s) >= len(p) && strings.EqualFold(s[:len(p)], p) {
			return true
		}
	}
	return false
}

// strictest classifies path in the spelling that it has and in every spelling
// that percent-decoding it once or more could give some router, and returns
// the strictest of the answers. An encoding can therefore make a request
// count as more than it is, never as less.
func strictest(path string, classify func(w words) auth.Class) auth.Class {
	// Three layers are two more than any honest client uses.
	const layers = 3
	c := classifyWords(path, classify)
	for range layers {
		decoded, changed := unescapeOnce(path)
		if !changed {
			return c
		}
		path = decoded
		c = stricter(c, classifyWords(path, classify))
	}
	if _, changed := unescapeOnce(path); changed {
		return auth.ClassForbidden
	}
	return c
}

func classifyWords(path string, classify func(w words) auth.Class) auth.Class {
	w := splitWords(path)
	if w.odd {
		return auth.ClassForbidden
	}
	return classify(w)
}

// stricter orders the classes: forbidden, write, by its body, read.
func stricter(a, b auth.Class) auth.Class {
	rank := func(c auth.Class) int {
		switch c {
		case auth.ClassWrite:
			return 1
		case auth.ClassBody:
			return 2
		case auth.ClassRead:
			return 3
		default:
			return 0
		}
	}
	if rank(a) <= rank(b) {
		return a
	}
	return b
}

// unescapeOnce decodes every valid percent triple of s and leaves the rest.
func unescapeOnce(s string) (out string, changed bool) {
	if strings.IndexByte(s, '%') < 0 {
		return s, false
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			b = append(b, hexValue(s[i+1])<<4|hexValue(s[i+2]))
			i += 2
			changed = true
			continue
		}
		b = append(b, s[i])
	}
	if !changed {
		return s, false
	}
	return string(b), true
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func hexValue(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	default:
		return c - 'a' + 10
	}
}
