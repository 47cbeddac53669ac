package scrub

import "slices"

// text is what is searched: a header value or a body.
type text interface{ string | []byte }

// The work that a search may cost, in characters compared: so much for any
// text, and so much more for each of its bytes. Ordinary texts take 0.5 to 4 for
// each byte; without a bound, a value made of one character over and over
// would cost its length for each byte of a text made of the same.
const (
	freeWork    = 1 << 16
	workPerByte = 16
	// stepWork is how much dearer it is to look for escapes.
	stepWork = 8
)

// find returns the places of every needle in t, escaped or not; they may
// overlap. A text whose search would exceed the bound is one place as a whole.
func find[T text](m *table, t T) (out []span) {
	s := search{work: freeWork + workPerByte*len(t)}
	for i := 0; i < len(t); i++ {
		if s.work < 0 {
			return []span{{0, len(t)}}
		}
		c := t[i]
		if !m.stop[c] {
			continue
		}
		out = beginning(m, out, t, i, c, &s)
		if !introduces(c) {
			continue
		}
		for depth := 1; depth <= maxDepth; depth++ {
			s.work -= stepWork
			if r := escape(t, i, depth); r.n > 0 && r.seq[0] != c {
				out = beginning(m, out, t, i, r.seq[0], &s)
			}
		}
	}
	return out
}

// beginning appends the places at i of the needles that begin with c, which t
// has there in some spelling.
func beginning[T text](m *table, out []span, t T, i int, c byte, s *search) []span {
	if c == '+' {
		out = beginning(m, out, t, i, ' ', s)
	}
	for k := m.from[c]; k < m.from[int(c)+1]; k++ {
		n := &m.needles[k]
		if end := match(n, t, i, s); end > 0 {
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
// none; of several the longest. It takes what it cost off s.work, and gives up
// where nothing is left.
func match[T text](n *needle, t T, i int, s *search) int {
	j := 0
	for j < len(n.text) && i+j < len(t) && t[i+j] == n.text[j] {
		j++
	}
	s.work -= j + 1
	switch {
	case j == len(n.text):
		return i + j
	case n.twofold:
		return matchEscaped(n, t, i, 0, s)
	case i+j < len(t) && n.goesOn(t[i+j], j):
		return matchEscaped(n, t, i+j, j, s)
	default:
		return 0
	}
}

// goesOn reports whether c, which is not n.text[j] itself, may spell it or
// stand before it.
func (n *needle) goesOn(c byte, j int) bool {
	return introduces(c) || plusForSpace(c, n.text[j]) || n.base64 && (c == '\r' || c == '\n')
}

// plusForSpace: forms write a space as a plus sign (URL Standard, section 5.2).
func plusForSpace(c, want byte) bool { return c == '+' && want == ' ' }

// matchEscaped matches n.text[j:] at i with every character in any spelling.
//
// A place can have several readings ("%25" is a percent sign, or a percent
// sign and two digits), so the search keeps every place up to which the text
// so far may reach. The rows of the next characters form a ring, since one
// reading stands for maxSeq bytes at most.
func matchEscaped[T text](n *needle, t T, i, j int, s *search) int {
	rows := &s.rows
	for k := range rows {
		rows[k] = rows[k][:0]
	}
	rows[j%len(rows)].add(i)
	for ; j < len(n.text) && s.work >= 0; j++ {
		row := &rows[j%len(rows)]
		for k := 0; k < len(*row); k++ { // row may grow
			at := (*row)[k]
			s.work -= stepWork + len(*row)
			if at == len(t) {
				continue
			}
			c := t[at]
			if c == n.text[j] || plusForSpace(c, n.text[j]) {
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
				case r.prefixes(n.text[j:]) || r.n == 1 && plusForSpace(r.seq[0], n.text[j]):
					rows[(j+r.n)%len(rows)].add(r.next)
				}
			}
		}
		*row = (*row)[:0]
		if empty(rows) {
			return 0
		}
	}
	if j < len(n.text) || len(rows[j%len(rows)]) == 0 {
		return 0
	}
	return slices.Max(rows[j%len(rows)])
}

// search is the state of one call of find.
type search struct {
	work int // what is left of it
	// rows are matchEscaped's, here to be made once.
	rows [maxSeq + 1]places
}

// places is a small set of positions.
type places []int

func (p *places) add(at int) {
	if !slices.Contains(*p, at) {
		*p = append(*p, at)
	}
}

func empty(rows *[maxSeq + 1]places) bool {
	for i := range rows {
		if len(rows[i]) > 0 {
			return false
		}
	}
	return true
}
