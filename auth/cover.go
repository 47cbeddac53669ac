package auth

import "strings"

// Covers reports whether every URL that matches q matches p as well. It may
// say false where that is so in a way that takes more than comparing segment
// by segment; it never says true where it is not.
func (p Pattern) Covers(q Pattern) bool {
	if p.IsZero() || q.IsZero() || p.scheme != q.scheme || p.port != q.port || !hostCovers(p.host, q.host) {
		return false
	}
	if len(q.segments) < len(p.segments) {
		return false
	}
	for i := range p.segments {
		if !p.segments[i].covers(&q.segments[i]) {
			return false
		}
	}
	rest := q.segments[len(p.segments):]
	if !p.tail {
		return len(rest) == 0 && !q.tail
	}
	for i := range rest {
		if rest[i].kind != deep {
			return true // at least one segment follows
		}
	}
	return q.tail
}

func hostCovers(p, q string) bool {
	for {
		pl, prest, pmore := strings.Cut(p, ".")
		ql, qrest, qmore := strings.Cut(q, ".")
		if pl != "*" && pl != ql || pmore != qmore {
			return false
		}
		if !pmore {
			return true
		}
		p, q = prest, qrest
	}
}

// covers compares two segments at the same place, where all before them are
// covered.
func (s *segment) covers(o *segment) bool {
	switch s.kind {
	case literal:
		return o.kind == literal && s.text == o.text
	case deep:
		return o.kind == deep
	case star:
		return o.kind == star || o.kind == glob || o.kind == literal && o.text != ""
	default:
		return o.kind == literal && globMatches(s.parts, o.text) || o.kind == glob && equalParts(s.parts, o.parts)
	}
}

func equalParts(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
