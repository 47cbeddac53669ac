package auth

import (
	"slices"
	"strings"
)

// rule is a pattern in a table. Rules of routes have no credential.
type rule struct {
	pattern Pattern
	// written is the operator's pattern of which pattern is an expansion.
	written string
	bare    bool
	// opens rules are in no table, and open tunnels.
	opens bool
	cred  *credential
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
