package proxy

import (
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/weighbridge/weighbridge/auth"
)

// readFields copies the header of a request, in order and with names as they
// came. The server has checked the syntax of every line before.
func readFields(h *fasthttp.RequestHeader) fields {
	// One copy holds everything; the fields are parts of it.
	text := string(h.RawHeaders())
	out := make(fields, 0, strings.Count(text, "\n"))
	for text != "" {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\r"), ":")
		if ok {
			out = append(out, field{name, trimOWS(value)})
		}
	}
	return out
}

// writeRequest fills req, which must be fresh. Everything leaves as it stands
// in out: no name, value or byte of the target is spelled anew.
func writeRequest(req *fasthttp.Request, out *outgoing) {
	h := &req.Header
	h.DisableNormalizing()
	h.SetNoDefaultContentType(true)
	h.SetMethod(out.Method)
	h.SetProtocol("HTTP/1.1")
	uri := out.Target.Path
	if out.Target.HasQuery {
		uri += "?" + out.Target.RawQuery
	}
	h.SetRequestURI(uri)
	h.SetHost(out.Target.Authority())
	// So that cookies are not parsed and written anew, nor one of two fields
	// lost.
	h.DisableSpecialHeader()
	for i := range out.fields {
		h.Add(out.fields[i].name, out.fields[i].value)
	}
	h.EnableSpecialHeader()
	switch {
	case out.bytes != nil:
		req.SetBodyRaw(out.bytes)
	case out.stream != nil:
		req.SetBodyStream(out.stream, int(out.length))
	}
}

// answerHeader is the header of an answer, in place: in the memory of the
// HTTP library from which it is written. Names keep the case they came in.
type answerHeader struct{ h *fasthttp.ResponseHeader }

var _ auth.Header = answerHeader{}

// Get implements auth.Header.
func (a answerHeader) Get(name string) string {
	for k, v := range a.h.All() {
		if same(k, name) {
			return string(v)
		}
	}
	return ""
}

// Values implements auth.Header.
func (a answerHeader) Values(name string) (out []string) {
	for k, v := range a.h.All() {
		if same(k, name) {
			out = append(out, string(v))
		}
	}
	return out
}

// Set implements auth.Header.
func (a answerHeader) Set(name, value string) {
	a.Del(name)
	a.h.Add(name, value)
}

// Add implements auth.Header.
func (a answerHeader) Add(name, value string) { a.h.Add(name, value) }

// Del implements auth.Header.
func (a answerHeader) Del(name string) {
	a.remove(func(n []byte) bool { return same(n, name) })
}

// remove deletes every field whose name drop names. Fields of one name keep
// their order, as RFC 9110, section 5.3 has it: deleting in this library does
// not.
func (a answerHeader) remove(drop func(name []byte) bool) {
	var dropped, repeated []string
	var kept [64][]byte // each name once
	n := 0
	for k := range a.h.All() {
		if drop(k) {
			dropped = append(dropped, string(k))
			continue
		}
		known := false
		for _, other := range kept[:n] {
			if known = len(other) == len(k) && same(k, string(other)); known {
				break
			}
		}
		switch {
		case known && !slices.ContainsFunc(repeated, func(o string) bool { return same(k, o) }):
			repeated = append(repeated, string(k))
		case !known && n < len(kept):
			kept[n] = k
			n++
		}
	}
	if len(dropped) == 0 {
		return
	}
	type list struct {
		name      string
		spellings []string
		values    []string
	}
	var lists []list
	for _, name := range repeated {
		if strings.EqualFold(name, "Set-Cookie") {
			continue
		}
		l := list{name: name, values: a.Values(name)}
		for k := range a.h.All() {
			if same(k, name) && !slices.Contains(l.spellings, string(k)) {
				l.spellings = append(l.spellings, string(k))
			}
		}
		lists = append(lists, l)
	}
	for _, name := range dropped {
		a.h.Del(name)
	}
	if !slices.ContainsFunc(lists, func(l list) bool { return !slices.Equal(a.Values(l.name), l.values) }) {
		return
	}
	// All go before any comes back, because each deletion may disturb others.
	for _, l := range lists {
		for _, name := range l.spellings {
			a.h.Del(name)
		}
	}
	for _, l := range lists {
		for _, v := range l.values {
			a.h.Add(l.name, v)
		}
	}
}

// removeNames deletes every field that one of names names.
func (a answerHeader) removeNames(names []string) {
	for _, n := range names {
		a.Del(n)
	}
}

// mask changes values in place; change must keep their length.
func (a answerHeader) mask(change func(value []byte) int) {
	var named bool
	var copied []byte // of a name: change is not to touch the name itself
	names := func(name []byte) bool {
		copied = append(copied[:0], name...)
		return change(copied) > 0
	}
	for k, v := range a.h.All() {
		change(v)
		named = named || names(k)
	}
	if named { // a name cannot be masked: it would be another field
		a.remove(names)
	}
}

// count is the number of fields.
func (a answerHeader) count() (n int) {
	for range a.h.All() {
		n++
	}
	return n
}

// same compares a name without case.
func same(b []byte, name string) bool {
	if len(b) != len(name) {
		return false
	}
	for i := 0; i < len(b); i++ {
		c, d := b[i], name[i]
		if c != d && (c|0x20 != d|0x20 || c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}
