package scrub

// text is what is searched: a header value or a body.
type text interface{ ~string | ~[]byte }

// find returns the places of every needle in t, escaped or not; they may
// overlap.
func find[T text](m *Masker, t T) (out []span) {
	for i := 0; i < len(t); i++ {
		c := t[i]
		if !m.stop[c] {
			continue
		}
		out = beginning(m, out, t, i, c)
		if !introduces(c) {
			continue
		}
		for depth := 1; depth <= maxDepth; depth++ {
			if r := escape(t, i, depth); r.n > 0 && r.seq[0] != c {
				out = beginning(m, out, t, i, r.seq[0])
			}
		}
	}
	return out
}

// beginning appends the places at i of the needles that begin with c.
func beginning[T text](m *Masker, out []span, t T, i int, c byte) []span {
	for k := m.from[c]; k < m.from[int(c)+1]; k++ {
		n := &m.needles[k]
		if end := match(n, t, i); end > 0 {
			out = append(out, widen(n, t, span{i, end}))
		}
	}
	return out
}

// widen takes in the characters beside a base64 text that hold bits of the
// value together with bits of its neighbours.
func widen[T text](n *needle, t T, s span) span {
	if n.before && s.from > 0 && isBase64(t[s.from-1]) {
		s.from--
	}
	if n.after && s.to < len(t) && isBase64(t[s.to]) {
		s.to++
	}
	return s
}

func isBase64(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '-' || c == '_'
}

// match returns the end of n's occurrence that begins at i, 0 where there is
// none; of several the longest.
func match[T text](n *needle, t T, i int) int {
	j := 0
	for j < len(n.text) && i+j < len(t) && t[i+j] == n.text[j] {
		j++
	}
	switch {
	case j == len(n.text):
		return i + j
	case n.twofold:
		return matchEscaped(n, t, i, 0)
	case i+j < len(t) && n.goesOn(t[i+j], j):
		return matchEscaped(n, t, i+j, j)
	default:
		return 0
	}
}

// goesOn reports whether c, which is not n.text[j] itself, may spell it or
// stand before it.
func (n *needle) goesOn(c byte, j int) bool {
	return introduces(c) || c == '+' && n.text[j] == ' ' || n.base64 && (c == '\r' || c == '\n')
}

// matchEscaped matches n.text[j:] at i with every character in any spelling.
//
// A place can have several readings ("%25" is a percent sign, or a percent
// sign and two digits), so the search keeps every place up to which the text
// so far may reach. The rows of the next characters form a ring, since one
// reading stands for maxSeq bytes at most.
func matchEscaped[T text](n *needle, t T, i, j int) int {
	var rows [maxSeq + 1]places
	rows[j%len(rows)].add(i)
	for ; j < len(n.text); j++ {
		row := &rows[j%len(rows)]
		for k := 0; k < row.n; k++ { // row may grow
			at := row.at[k]
			if at == len(t) {
				continue
			}
			c := t[at]
			if c == n.text[j] || c == '+' && n.text[j] == ' ' { // + is a space in forms
				rows[(j+1)%len(rows)].add(at + 1)
			}
			if n.base64 && (c == '\r' || c == '\n') {
				row.add(at + 1)
			}
			if !introduces(c) {
				continue
			}
			for depth := 1; depth <= maxDepth; depth++ {
				switch r := escape(t, at, depth); {
				case r.n == 0:
				case n.base64 && (r.seq[0] == '\r' || r.seq[0] == '\n'):
					row.add(r.next)
				case r.prefixes(n.text[j:]):
					rows[(j+r.n)%len(rows)].add(r.next)
				}
			}
		}
		row.n = 0
		if empty(&rows) {
			return 0
		}
	}
	end := 0
	last := &rows[j%len(rows)]
	for _, at := range last.at[:last.n] {
		end = max(end, at)
	}
	return end
}

// places is a small set. What exceeds it would be further readings of one and
// the same place in escapes of escapes; eight are more than three depths have.
type places struct {
	at [8]int
	n  int
}

func (p *places) add(at int) {
	for _, have := range p.at[:p.n] {
		if have == at {
			return
		}
	}
	if p.n < len(p.at) {
		p.at[p.n] = at
		p.n++
	}
}

func empty(rows *[maxSeq + 1]places) bool {
	for i := range rows {
		if rows[i].n > 0 {
			return false
		}
	}
	return true
}
