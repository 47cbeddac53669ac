package auth

import (
	"slices"
	"strings"
	"time"
)

// Canonicalizer is a provider whose service knows one thing by many URLs: a
// bucket in the host or in the path, a region or none. Its rules are matched
// against what a URL names, so that no rule is dodged by another spelling.
//
// Credentials of such a provider can read URLs differently, by the endpoint
// that they were configured with: each has a dialect.
type Canonicalizer interface {
	Provider
	// Dialect names the way in which a credential with these params reads URLs.
	// It is "" where the service's own hosts are all it knows.
	Dialect(params map[string]string) string
	// ExpandIn is Expand in a dialect.
	ExpandIn(dialect string, p Pattern) ([]Rule, error)
	// Canonical says what a request for t names. ok is false where the dialect
	// does not know the host: no rule in that dialect then matches. It is pure.
	Canonical(dialect, method string, t Target) (c Canonical, ok bool)
}

// Canonical is what a request names.
type Canonical struct {
	// Match are the targets by which it is matched, the same thing in each. They
	// are never sent as they are. Where there are none nothing matches.
	Match []Target
	// Below says that the request is about everything whose path begins with one
	// of Match (a listing). A rule has to match all that may be there.
	Below bool
	// Itself says that the request is about the container itself, and that its
	// answer tells no more than that it is there and where (a bucket's HEAD).
	// Deciding makes no difference of it; it is for what was decided by a part of
	// the container.
	Itself bool
	// Container is how many leading segments of their paths name the container
	// (a bucket). A rule that says more than these does not match a path with
	// empty segments further on, which some servers leave out.
	Container int
	// Class is what the request would do, as Classify says it.
	Class Class
	// Refused says why a request that a rule matches is refused, and what to do
	// instead; empty where it is not. It is public and quotes no query.
	Refused string
}

// below are what may follow a path, in its last segment and after it: what
// matches with these, which have a character that nobody uses (U+E000), matches
// with anything.
var below = [...]string{"%EE%80%80", "%EE%80%80/%EE%80%80"}

// under is m with what may follow it.
func (c *Canonical) under(m *Target, what string) Target {
	t := *m
	if strings.Count(t.Path, "/") == c.Container {
		t.Path += "/" // the container itself
	}
	t.Path += what
	return t
}

// Admits reports whether a pattern, by its matcher, allows what c says of m,
// one of c.Match.
func (c *Canonical) Admits(m *Target, matches func(*Target) bool) bool {
	if !c.Below {
		return matches(m)
	}
	for _, more := range below {
		if t := c.under(m, more); !matches(&t) {
			return false
		}
	}
	return true
}

// rules are those of t that allow what c says of m.
func (c *Canonical) rules(t *table, m *Target) []*rule {
	if !c.Below {
		return t.every(&sight{Target: *m})
	}
	return slices.DeleteFunc(t.every(&sight{Target: c.under(m, below[0])}), func(r *rule) bool { return !c.Admits(m, r.pattern.Matcher()) })
}

// foremost is the best of these, or nil.
func (c *Canonical) foremost(t *table, m *Target, now time.Time) (best *rule) {
	if !c.Below {
		return t.bestFor(m, m.Path, now)
	}
	for _, r := range c.rules(t, m) {
		if best == nil || before(r, best, now) {
			best = r
		}
	}
	return best
}

// ExpandFor expands p for a credential of provider v with these params. It is
// what a snapshot does with the patterns of credentials.
func ExpandFor(v Provider, p Pattern, params map[string]string) ([]Rule, error) {
	if c, ok := v.(Canonicalizer); ok {
		return c.ExpandIn(c.Dialect(params), p)
	}
	if p.scheme == schemeS3 {
		return nil, &PatternError{Pattern: p.text, Mistake: "names a bucket, which only the provider s3 understands", Fix: "write host/path"}
	}
	return v.Expand(p)
}

// dialect is a way of reading URLs.
type dialect struct {
	name     string
	text     string
	provider Canonicalizer
}

// book holds the rules of several credentials: those that are matched against
// URLs as they are, and those that are matched against what URLs name.
type book struct {
	plain, canonical *table
	// dialects are the longest first: that of an endpoint comes before that of
	// another below whose host it lies.
	dialects []dialect
}

// newBook makes the book of the rules of credentials.
func newBook(list []*credential) *book {
	b := &book{}
	var plain, canonical []*rule
	for _, c := range list {
		d, ok := c.dialect()
		if !ok {
			plain = append(plain, c.rules...)
			continue
		}
		for _, r := range c.rules {
			if !r.opens {
				canonical = append(canonical, r)
			}
		}
		if !slices.Contains(b.dialects, d) {
			b.dialects = append(b.dialects, d)
		}
	}
	slices.SortFunc(b.dialects, func(x, y dialect) int {
		a, _, _ := strings.Cut(x.text, " ")
		b, _, _ := strings.Cut(y.text, " ")
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(x.name+" "+x.text, y.name+" "+y.text)
	})
	b.plain, b.canonical = newTable(plain), newTable(canonical)
	return b
}

// dialect is that of c, where its provider has any.
func (c *credential) dialect() (dialect, bool) {
	if c.provider == nil {
		return dialect{}, false
	}
	p, ok := c.provider.Provider.(Canonicalizer)
	if !ok {
		return dialect{}, false
	}
	return dialect{name: c.provider.name, text: p.Dialect(c.record.Params), provider: p}, true
}

// read finds out what a request names; nil where no dialect knows its host.
func (b *book) read(method string, t *Target) *Canonical {
	for _, d := range b.dialects {
		if c, ok := d.provider.Canonical(d.text, method, *t); ok {
			return &c
		}
	}
	return nil
}

// best finds the deciding rule. named is what the request names where that
// rule is one of a Canonicalizer. ambiguous is as in table.best.
func (b *book) best(method string, v *sight, now time.Time) (r *rule, named *Canonical, ambiguous bool) {
	if r, ambiguous = b.plain.best(v, now); ambiguous {
		return nil, nil, true
	}
	c := b.read(method, &v.Target)
	if c == nil {
		return r, nil, false
	}
	for i := range c.Match {
		m := &c.Match[i]
		if o := c.foremost(b.canonical, m, now); o != nil && (r == nil || before(o, r, now)) {
			r, named = o, c
		}
	}
	return r, named, false
}

// every collects the rules that match.
func (b *book) every(method string, v *sight) []*rule {
	out := b.plain.every(v)
	if c := b.read(method, &v.Target); c != nil {
		for i := range c.Match {
			for _, r := range c.rules(b.canonical, &c.Match[i]) {
				if !slices.Contains(out, r) {
					out = append(out, r)
				}
			}
		}
	}
	return out
}

// blurred reports whether a path that c names has empty segments where p says
// more than the container: a server that leaves them out reads another path.
func (c *Canonical) blurred(p *Pattern) bool {
	if len(p.segments) <= c.Container {
		return false
	}
	for i := range c.Match {
		if strings.Contains(c.Match[i].Path, "//") {
			return true
		}
	}
	return false
}

// refuses says why nothing is put on a request that r matches, or nothing.
// signed says that the URL carries a complete foreign signature: whoever signed
// it knew what it names.
func (c *Canonical) refuses(r *rule, signed bool) string {
	switch {
	case c.Refused != "":
		return c.Refused
	case !signed && c.blurred(&r.pattern):
		return "the path has an empty segment (//), which some servers leave out, and the pattern " + r.written +
			" is about a part of its bucket; send the path without it"
	}
	return ""
}

// keyRoutes are what a key may reach, in the dialects of what it is linked to.
type keyRoutes struct {
	plain, canonical *table
}

// newRoutes makes the routes of a key. rules are those of its patterns.
func newRoutes(rules []*rule, dialects []dialect) keyRoutes {
	var canonical []*rule
	seen := make(map[string]bool)
	for _, r := range rules {
		if seen[r.written] {
			continue
		}
		seen[r.written] = true
		p, err := ParsePattern(r.written)
		if err != nil {
			continue // it was parsed before
		}
		for _, d := range dialects {
			// A route that is none of the dialect allows what it says and no more.
			if expanded, err := d.provider.ExpandIn(d.text, p); err == nil {
				for _, x := range expanded {
					if !x.Opens {
						canonical = append(canonical, &rule{pattern: x.Pattern, written: r.written})
					}
				}
			}
		}
	}
	return keyRoutes{newTable(rules), newTable(canonical)}
}

// covers reports whether the routes cover a target, by itself or by what it
// names (nil for nothing).
func (r keyRoutes) covers(v *sight, c *Canonical) bool {
	if r.plain.covers(v) {
		return true
	}
	if c == nil {
		return false
	}
	for i := range c.Match {
		m := &c.Match[i]
		if o := c.foremost(r.canonical, m, time.Time{}); o != nil && !c.blurred(&o.pattern) {
			return true
		}
	}
	return false
}

// first finds the best rule for the path as it stands, whatever the status of
// its credential.
func (b *book) first(method string, t *Target) *rule {
	v := sight{Target: *t}
	r, _, _ := b.best(method, &v, time.Time{})
	return r
}
