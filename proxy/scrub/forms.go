package scrub

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
)

// needle is one form of a value. Escaped spellings of it are found by the
// search and are no needles of their own.
type needle struct {
	text string
	// twofold: the text holds a character that begins an escape, so that a
	// place may be read in more than one way.
	twofold bool
	// base64 texts may be broken into lines; where before or after is set,
	// the character next to the text holds bits of the value too.
	base64, before, after bool
}

// appendForms appends value's forms, each text once. It is called for every
// request with a credential, so all forms are written into one string.
func appendForms(out []needle, value string) []needle {
	add := func(n needle) {
		n.twofold = strings.ContainsAny(n.text, introducers)
		if !slices.ContainsFunc(out, func(o needle) bool { return o.text == n.text }) {
			out = append(out, n)
		}
	}
	// Two zero bytes stand before the value: a base64 with shift bytes before
	// it begins that much earlier.
	padded := append(make([]byte, 2, 2+len(value)), value...)
	encodings := [...]*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding}
	size := hex.EncodedLen(len(value))
	for _, enc := range encodings {
		size += 3 * enc.EncodedLen(len(padded))
	}
	arena := hex.AppendEncode(make([]byte, 0, size), padded[2:])
	var ends [3 * len(encodings)]int
	for i := range ends {
		arena = encodings[i/3].AppendEncode(arena, padded[2-i%3:])
		ends[i] = len(arena)
	}
	all := string(arena)

	add(needle{text: value})
	from := hex.EncodedLen(len(value))
	add(needle{text: all[:from]})
	add(needle{text: strings.ToUpper(all[:from])})
	for i, end := range ends {
		add(base64Needle(all[from:end], len(value), i%3))
		from = end
	}
	return out
}

// base64Needle is what a value of size bytes looks like in the base64 of a
// larger text in which shift bytes, modulo three, come before it: the
// characters of text, which encodes just those, that depend on nothing but the
// value. Each character holds six bits (RFC 4648, section 4).
func base64Needle(text string, size, shift int) needle {
	begin, end := 8*shift, 8*(shift+size) // of the value, in bits
	return needle{
		text:   text[(begin+5)/6 : end/6],
		base64: true,
		before: begin%6 != 0,
		after:  end%6 != 0,
	}
}
