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

// appendForms appends value's forms, each text once.
func appendForms(out []needle, value string) []needle {
	add := func(n needle) {
		n.twofold = strings.ContainsAny(n.text, introducers)
		if !slices.ContainsFunc(out, func(o needle) bool { return o.text == n.text }) {
			out = append(out, n)
		}
	}
	add(needle{text: value})
	lower := hex.EncodeToString([]byte(value))
	add(needle{text: lower})
	add(needle{text: strings.ToUpper(lower)})
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 {
			add(base64Needle(enc, value, shift))
		}
	}
	return out
}

// base64Needle is what value looks like in the base64 of a larger text in
// which shift bytes, modulo three, come before it: the characters that depend
// on nothing but value. Each character holds six bits (RFC 4648, section 4).
func base64Needle(enc *base64.Encoding, value string, shift int) needle {
	text := enc.EncodeToString(append(make([]byte, shift), value...))
	begin, end := 8*shift, 8*(shift+len(value)) // of value, in bits
	return needle{
		text:   text[(begin+5)/6 : end/6],
		base64: true,
		before: begin%6 != 0,
		after:  end%6 != 0,
	}
}
