package scrub

import (
	"bytes"
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// formsOfValue is how many forms a value has at most: itself, two of
// hexadecimal, six of base64.
const formsOfValue = 9

// minValue is the shortest value that is looked for, in bytes.
const minValue = 8

// Masker looks for a set of values. It is immutable and safe for concurrent
// use. A nil *Masker looks for nothing and changes nothing.
type Masker struct {
	*table
	// once is what With added; nil where it added nothing.
	once *once
}

// table is what is looked for, in the order in which it is looked up.
type table struct {
	needles []needle // sorted by their first byte
	// from[c] is the first needle that begins with c; from[c+1] ends them.
	from [257]uint16
	// stop[c]: a form, escaped or not, may begin with c.
	stop [256]bool
	fill byte
}

// New makes a Masker of the values that were put on a request; nil where none
// has eight bytes or more.
func New(mask []auth.Secret) *Masker {
	m := &table{fill: fillFor(mask), needles: make([]needle, 0, formsOfValue*len(mask))}
	for _, s := range mask {
		if v := s.Reveal(); len(v) >= minValue {
			m.needles = appendForms(m.needles, v)
		}
	}
	if len(m.needles) == 0 {
		return nil
	}
	slices.SortFunc(m.needles, func(a, b needle) int { return strings.Compare(a.text, b.text) })
	for _, n := range m.needles {
		m.from[int(n.text[0])+1]++
	}
	m.stop['+'] = m.from[' '+1] > 0
	for c := range 256 {
		m.stop[c] = m.stop[c] || m.from[c+1] > 0 || introduces(byte(c))
		m.from[c+1] += m.from[c]
	}
	return &Masker{table: m}
}

// fillFor chooses the character of the mask: one that no value contains, so
// that overwriting can never complete a value. Each of them stands for itself
// in JSON, HTML, headers and URLs.
func fillFor(mask []auth.Secret) byte {
	const choices = "*-_.~xX0aA1bB2cC3dD4eE5fF6gG7hH8iI9jJkKlLmMnNoOpPqQrRsStTuUvVwWyYzZ"
	for _, c := range []byte(choices) {
		used := false
		for _, s := range mask {
			used = used || strings.IndexByte(s.Reveal(), c) >= 0
		}
		if !used {
			return c
		}
	}
	return choices[0] // a value of every character there is
}

// MaskString returns s with every value overwritten; the length stays.
func (m *Masker) MaskString(s string) string {
	if m == nil {
		return s
	}
	spans := findAll(m, s)
	if len(spans) == 0 {
		return s
	}
	b := []byte(s)
	m.overwrite(b, spans)
	return string(b)
}

// Mask overwrites every value in b, in place, and returns how many places it
// found; the length stays.
func (m *Masker) Mask(b []byte) int {
	if m == nil {
		return 0
	}
	spans := findAll(m, b)
	m.overwrite(b, spans)
	return len(spans)
}

// span is b[from:to].
type span struct{ from, to int }

// overwrite works after the search, not during it, since values may overlap.
func (m *Masker) overwrite(b []byte, spans []span) {
	for _, s := range spans {
		copy(b[s.from:s.to], bytes.Repeat([]byte{m.fill}, s.to-s.from))
	}
}
