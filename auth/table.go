package auth

import (
	"slices"
	"strings"
	"time"
)

// rule is a pattern in a table. Rules of routes have no credential.
type rule struct {
	pattern Pattern
	// written is the operator's pattern of which pattern is an expansion.
	written string
	bare    bool
	cred    *credential
}

// table finds the rules that match a target: hosts by map (exact) or by a
// trie of labels from the right (wildcards), then scheme and port, then the
// path by a trie of segments. It is immutable once built.
type table struct {
	exact map[string]*endpoints
	wild  labelNode
}

// labelNode is a node of the trie of wildcard hosts.
type labelNode struct {
	labels map[string]*labelNode
	star   *labelNode
	here   *endpoints
}

// endpoints are the schemes and ports of one host that have rules.
type endpoints struct{ list []endpoint }

type endpoint struct {
	scheme string
	port   uint16
	root   *pathNode
}

// pathNode is a node of the trie of path segments.
type pathNode struct {
	literals map[string]*pathNode
	star     *pathNode
	deep     *pathNode
	globs    []globEdge
	// loops says that the node was reached by "**": it stays active.
	loops bool
	// end are the rules that match when the path ends here, tail those that
	// match when at least one more segment follows. All rules of one list
	// have the same pattern and stand in the order of byPreference.
	end, tail []*rule
}

type globEdge struct {
	text  string
	parts []string
	to    *pathNode
}

// newTable builds the table of rules. Rules go into their lists in the order
// in which they win among each other, apart from being usable.
func newTable(rules []*rule) *table {
	t := &table{exact: make(map[string]*endpoints)}
	rules = slices.Clone(rules)
	slices.SortStableFunc(rules, byPreference)
	for _, r := range rules {
		n := t.endpointsOf(r.pattern.host).root(r.pattern.scheme, r.pattern.port)
		for i := range r.pattern.segments {
			n = n.child(&r.pattern.segments[i])
		}
		if r.pattern.tail {
			n.tail = append(n.tail, r)
		} else {
			n.end = append(n.end, r)
		}
	}
	return t
}

func (t *table) endpointsOf(host string) *endpoints {
	if strings.IndexByte(host, '*') < 0 {
		e := t.exact[host]
		if e == nil {
			e = &endpoints{}
			t.exact[host] = e
		}
		return e
	}
	n := &t.wild
	for labels := strings.Split(host, "."); len(labels) > 0; labels = labels[:len(labels)-1] {
		n = n.child(labels[len(labels)-1])
	}
	if n.here == nil {
		n.here = &endpoints{}
	}
	return n.here
}

func (n *labelNode) child(label string) *labelNode {
	if label == "*" {
		if n.star == nil {
			n.star = &labelNode{}
		}
		return n.star
	}
	c := n.labels[label]
	if c == nil {
		if n.labels == nil {
			n.labels = make(map[string]*labelNode)
		}
		c = &labelNode{}
		n.labels[label] = c
	}
	return c
}

func (e *endpoints) root(scheme string, port uint16) *pathNode {
	if n := e.find(scheme, port); n != nil {
		return n
	}
	n := &pathNode{}
	e.list = append(e.list, endpoint{scheme, port, n})
	return n
}

func (e *endpoints) find(scheme string, port uint16) *pathNode {
	for i := range e.list {
		if e.list[i].port == port && e.list[i].scheme == scheme {
			return e.list[i].root
		}
	}
	return nil
}

func (n *pathNode) child(s *segment) *pathNode {
	switch s.kind {
	case star:
		if n.star == nil {
			n.star = &pathNode{}
		}
		return n.star
	case deep:
		if n.deep == nil {
			n.deep = &pathNode{loops: true}
		}
		return n.deep
	case glob:
		var b strings.Builder
		s.print(&b)
		for i := range n.globs {
			if n.globs[i].text == b.String() {
				return n.globs[i].to
			}
		}
		c := &pathNode{}
		n.globs = append(n.globs, globEdge{b.String(), s.parts, c})
		return c
	default:
		c := n.literals[s.text]
		if c == nil {
			if n.literals == nil {
				n.literals = make(map[string]*pathNode)
			}
			c = &pathNode{}
			n.literals[s.text] = c
		}
		return c
	}
}

// search is one walk through a table.
type search struct {
	now time.Time
	// best is the first matching rule in the order of before.
	best *rule
	// every, where set, collects all matching rules instead.
	every *[]*rule
}

func (f *search) offer(rules []*rule) {
	if f.every != nil {
		*f.every = append(*f.every, rules...)
		return
	}
	r := rules[0]
	if r.cred == nil {
		f.best = r // of a route it is enough to know that there is one
		return
	}
	for _, o := range rules {
		if o.cred.record.Usable(f.now) {
			r = o
			break
		}
	}
	if f.best == nil || before(r, f.best, f.now) {
		f.best = r
	}
}

// walk offers to f every rule that matches the endpoint and path. Where only
// the best is asked for, wildcard hosts are not looked at once an exact host
// has matched: they all come after it.
func (t *table) walk(g *Target, path string, f *search) {
	if e := t.exact[g.Host]; e != nil {
		if n := e.find(g.Scheme, g.Port); n != nil {
			n.walk(path, f)
		}
	}
	if f.best == nil {
		t.wild.walk(g.Host, g, path, f)
	}
}

func (n *labelNode) walk(rest string, g *Target, path string, f *search) {
	if n.labels == nil && n.star == nil {
		return
	}
	i := strings.LastIndexByte(rest, '.')
	label := rest[i+1:]
	if c := n.labels[label]; c != nil {
		c.step(rest, i, g, path, f)
	}
	if n.star != nil {
		n.star.step(rest, i, g, path, f)
	}
}

// step goes on to the label before position i, or to the path where i says
// that there is none.
func (n *labelNode) step(rest string, i int, g *Target, path string, f *search) {
	if i >= 0 {
		n.walk(rest[:i], g, path, f)
		return
	}
	if n.here != nil {
		if root := n.here.find(g.Scheme, g.Port); root != nil {
			root.walk(path, f)
		}
	}
}

// walk follows every way through the trie at once, so that the cost grows
// with the length of the path times the nodes that fit, and never faster,
// whatever the worker sends.
func (n *pathNode) walk(path string, f *search) {
	var room1, room2 [8]*pathNode
	active, next := enter(room1[:0], n), room2[:0]
	for rest, more := path[1:], true; more && len(active) > 0; {
		for _, n := range active {
			if n.tail != nil {
				f.offer(n.tail)
			}
		}
		var seg string
		seg, rest, more = strings.Cut(rest, "/")
		seg = unescape(seg)
		next = next[:0]
		for _, n := range active {
			next = n.advance(seg, next)
		}
		active, next = next, active
		if !more {
			for _, n := range active {
				if n.end != nil {
					f.offer(n.end)
				}
			}
		}
	}
}

// advance appends the nodes that are reached from n by one segment.
func (n *pathNode) advance(seg string, to []*pathNode) []*pathNode {
	if n.loops {
		to = enter(to, n)
	}
	if n.literals != nil {
		if c := n.literals[seg]; c != nil {
			to = enter(to, c)
		}
	}
	if n.star != nil && seg != "" {
		to = enter(to, n.star)
	}
	for i := range n.globs {
		if globMatches(n.globs[i].parts, seg) {
			to = enter(to, n.globs[i].to)
		}
	}
	return to
}

// enter adds n, and the "**" below it, which may stand for no segment at all.
// Only a "**" can be reached twice: by itself and from above.
func enter(to []*pathNode, n *pathNode) []*pathNode {
	if n.loops && contains(to, n) {
		return to
	}
	to = append(to, n)
	if n.deep != nil && !contains(to, n.deep) {
		to = append(to, n.deep)
	}
	return to
}

func contains(list []*pathNode, n *pathNode) bool {
	for _, m := range list {
		if m == n {
			return true
		}
	}
	return false
}

// sight is a target and how its path can be read: as it stands, and, where
// it has encoded slashes, as a server reads it that decodes before it cuts.
type sight struct {
	Target
	// other is the second reading, or "".
	other string
}

func see(t *Target) sight {
	v := sight{Target: *t}
	if hasEncodedSlash(t.Path) {
		v.other = openSlashes(t.Path)
	}
	return v
}

// best finds the deciding rule. ambiguous says that the two readings of the
// path would put on different credentials; there is then no answer.
func (t *table) best(v *sight, now time.Time) (r *rule, ambiguous bool) {
	r = t.bestFor(&v.Target, v.Path, now)
	if v.other == "" {
		return r, false
	}
	switch o := t.bestFor(&v.Target, v.other, now); {
	case r == nil && o == nil:
		return nil, false
	case r == nil || o == nil || r.cred != o.cred || r.bare != o.bare:
		return nil, true
	}
	return r, false
}

// bestFor finds the deciding rule for one reading of the path.
func (t *table) bestFor(g *Target, path string, now time.Time) *rule {
	f := search{now: now}
	t.walk(g, path, &f)
	return f.best
}

// every collects all rules that match the path as it stands, each once: "**"
// may reach a rule in several ways.
func (t *table) every(v *sight) []*rule {
	var found, out []*rule
	t.walk(&v.Target, v.Path, &search{every: &found})
	seen := make(map[*rule]bool, len(found))
	for _, r := range found {
		if !seen[r] {
			seen[r] = true
			out = append(out, r)
		}
	}
	return out
}

// covers reports whether some rule matches, in both readings of the path.
func (t *table) covers(v *sight) bool {
	return t.bestFor(&v.Target, v.Path, time.Time{}) != nil &&
		(v.other == "" || t.bestFor(&v.Target, v.other, time.Time{}) != nil)
}
