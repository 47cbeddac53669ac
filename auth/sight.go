package auth

import "time"

// sight is a target and how its path can be read: as it stands, and, where
// it has encoded slashes, as a server reads it that decodes before it cuts.
type sight struct {
	Target
	// other is the second reading, or "".
	other string
	// named is what the request names, where the deciding rule is one of a
	// Canonicalizer.
	named *Canonical
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
