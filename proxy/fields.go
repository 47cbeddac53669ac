package proxy

import (
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// A field is one header field. Both strings are copies: neither ever points
// into a buffer of the HTTP library or of a connection.
type field struct{ name, value string }

// fields is the header of one message, in the order in which it arrived or
// will be written. Names keep the case they came in and are compared without
// it.
type fields []field

var _ auth.FieldLister = (*fields)(nil)

// is reports whether f is called name.
func (f *field) is(name string) bool {
	return len(f.name) == len(name) && strings.EqualFold(f.name, name)
}

// Get returns the first value of name, or "".
func (h *fields) Get(name string) string {
	v, _ := h.lookup(name)
	return v
}

// lookup is Get that tells an empty value from none.
func (h *fields) lookup(name string) (string, bool) {
	for i := range *h {
		if (*h)[i].is(name) {
			return (*h)[i].value, true
		}
	}
	return "", false
}

// has reports whether any field is called name.
func (h *fields) has(name string) bool {
	_, ok := h.lookup(name)
	return ok
}

// Values returns every value of name in order.
func (h *fields) Values(name string) []string {
	var out []string
	for i := range *h {
		if (*h)[i].is(name) {
			out = append(out, (*h)[i].value)
		}
	}
	return out
}

// Set replaces every field called name by one, which takes the place of the
// first.
func (h *fields) Set(name, value string) {
	for i := range *h {
		if (*h)[i].is(name) {
			(*h)[i].value = value
			rest := (*h)[i+1:]
			*h = append((*h)[:i+1], without(rest, name)...)
			return
		}
	}
	h.Add(name, value)
}

// Add appends a field.
func (h *fields) Add(name, value string) { *h = append(*h, field{name, value}) }

// Each implements auth.FieldLister.
func (h *fields) Each(f func(name, value string)) {
	for i := range *h {
		f((*h)[i].name, (*h)[i].value)
	}
}

// Del removes every field called name.
func (h *fields) Del(name string) { *h = without(*h, name) }

// without removes in place.
func without(h fields, name string) fields {
	out := h[:0]
	for _, f := range h {
		if !f.is(name) {
			out = append(out, f)
		}
	}
	return out
}

// tokens calls yield with each member of the comma-separated lists that the
// fields called name hold together (RFC 9110, section 5.6.1), without the
// white space around it and without empty members.
func (h *fields) tokens(name string, yield func(token string) bool) {
	for i := range *h {
		if !(*h)[i].is(name) {
			continue
		}
		for rest := (*h)[i].value; rest != ""; {
			var t string
			t, rest, _ = strings.Cut(rest, ",")
			if t = trimOWS(t); t != "" && !yield(t) {
				return
			}
		}
	}
}

// hasToken reports whether the lists called name hold token, without case.
func (h *fields) hasToken(name, token string) bool {
	found := false
	h.tokens(name, func(t string) bool {
		found = strings.EqualFold(t, token)
		return !found
	})
	return found
}

// trimOWS removes optional white space (RFC 9110, section 5.6.3).
func trimOWS(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
