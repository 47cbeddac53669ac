package auth

import (
	"strings"
	"time"
)

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
