package scrub

import (
	"bytes"
	"strings"
	"sync"

	"github.com/weighbridge/weighbridge/auth"
)

// once are values that are good for one request, such as its signature. Making
// a table of them for each request would cost more than the rest of a small
// one, so they are looked for as they stand first, which costs next to nothing,
// and in every form only in a text that reflects something: the values
// themselves, or those of the credential, which travel beside them.
type once struct {
	values []string
	table  func() *table // made where it is needed
}

// With is m that looks for values of one request too.
func (m *Masker) With(values []auth.Secret) *Masker {
	o := &once{}
	for _, v := range values {
		if s := v.Reveal(); len(s) >= minValue {
			o.values = append(o.values, s)
		}
	}
	if len(o.values) == 0 {
		return m
	}
	o.table = sync.OnceValue(func() *table { return New(values).table })
	if m == nil {
		return &Masker{table: &table{fill: fillFor(values)}, once: o}
	}
	return &Masker{table: m.table, once: o}
}

// findAll returns the places of everything that m looks for; they may overlap.
func findAll[T text](m *Masker, t T) []span {
	out := find(m.table, t)
	if m.once != nil && (len(out) > 0 || appears(m.once.values, t)) {
		out = append(out, find(m.once.table(), t)...)
	}
	return out
}

// appears reports whether one of values stands in t as it is.
func appears[T text](values []string, t T) bool {
	for _, v := range values {
		if len(t) < len(v) {
			continue // most header fields
		}
		switch t := any(t).(type) {
		case string:
			if strings.Contains(t, v) {
				return true
			}
		case []byte:
			if bytes.Contains(t, []byte(v)) {
				return true
			}
		}
	}
	return false
}
