package auth

import (
	"errors"
	"fmt"
)

// Compile builds a snapshot. Whatever is wrong with the state is an error
// naming it, and all errors are reported at once: an unknown provider, a
// pattern or route that does not parse or expand, a credential without
// patterns, an id or key that occurs twice, a link to something that is not
// there or belongs to another team, an unknown scope or policy. Nothing is
// skipped. After an error there is no snapshot.
func Compile(state State, o Options) (*Snapshot, error) {
	c := &compiler{
		snapshot: &Snapshot{
			revision:  state.Revision,
			hosts:     hostIndex{own: make(map[string][]*provider), companion: make(map[string][]*provider)},
			providers: make(map[string]*provider, len(o.Providers)),
			teams:     make(map[string]*team, len(state.Teams)),
			keys:      make(map[string]*keyEntry, len(state.Keys)),
			byHash:    make(map[KeyHash]*keyEntry, len(state.Keys)),
			byURLHash: make(map[KeyHash]*keyEntry),
			byOldHash: make(map[KeyHash]*keyEntry), byOldURLHash: make(map[KeyHash]*keyEntry),
			byS3ID: make(map[string]*keyEntry),
		},
		credentials: make(map[string]*credential, len(state.Credentials)),
		linked:      make(map[pair]struct{}, len(state.Links)),
	}
	c.snapshot.expanded = make(map[expansion][]Rule)
	if o.Previous != nil {
		c.before = o.Previous.expanded
	}
	for _, p := range o.Providers {
		c.provider(p)
	}
	for i := range state.Credentials {
		c.credential(&state.Credentials[i])
	}
	for i := range state.Keys {
		c.key(&state.Keys[i])
	}
	for _, l := range state.Links {
		c.link(l)
	}
	if len(c.problems) > 0 {
		return nil, errors.Join(c.problems...)
	}
	return c.snapshot, nil
}

type compiler struct {
	snapshot    *Snapshot
	credentials map[string]*credential
	linked      map[pair]struct{}
	// before are the expansions of the snapshot before this one: most of them
	// are the same.
	before   map[expansion][]Rule
	problems []error
}

// pair is a link that was made.
type pair struct {
	credential *credential
	key        *keyEntry
}

// expansion is all that an expansion depends on.
type expansion struct {
	provider string
	pattern  string
	dialect  string
}

func (c *compiler) fail(format string, args ...any) {
	c.problems = append(c.problems, fmt.Errorf(format, args...))
}

func (c *compiler) provider(p Provider) {
	e, err := newProvider(p)
	if err != nil {
		c.problems = append(c.problems, err)
		return
	}
	if _, twice := c.snapshot.providers[e.name]; twice || e.name == "" {
		c.fail("provider %q: the name is empty or taken by another provider", e.name)
		return
	}
	c.snapshot.providers[e.name] = e
	c.snapshot.hosts.add(e)
}

func (c *compiler) team(id string) *team {
	t := c.snapshot.teams[id]
	if t == nil {
		t = &team{id: id}
		c.snapshot.teams[id] = t
	}
	return t
}

func (c *compiler) credential(r *Credential) {
	e := &credential{record: *r, provider: c.snapshot.providers[r.Provider]}
	switch {
	case r.ID == "":
		c.fail("credential %q: it has no id", r.Name)
		return
	case c.credentials[r.ID] != nil:
		c.fail("credential %q: the id %s is that of credential %q, too", r.Name, r.ID, c.credentials[r.ID].record.Name)
		return
	}
	c.credentials[r.ID] = e
	if e.provider == nil {
		c.fail("credential %q: unknown provider %q", r.Name, r.Provider)
		return
	}
	patterns := r.Patterns
	if len(patterns) == 0 {
		patterns = e.provider.schema.DefaultPatterns
	}
	if len(patterns) == 0 {
		c.fail("credential %q: it has no patterns, and provider %q has no default patterns", r.Name, r.Provider)
	}
	for _, text := range patterns {
		rules, err := c.expand(e.provider, text, r.Params)
		if err != nil {
			c.fail("credential %q: %w", r.Name, err)
			continue
		}
		for _, x := range rules {
			e.rules = append(e.rules, &rule{pattern: x.Pattern, bare: x.Bare, opens: x.Opens, written: rules[0].Pattern.text, cred: e})
		}
	}
	t := c.team(r.TeamID)
	t.credentials = append(t.credentials, e)
}

// expand parses text and lets p (nil for none) expand it, for a credential with
// these params. The first rule is the pattern itself.
func (c *compiler) expand(p *provider, text string, params map[string]string) ([]Rule, error) {
	k := expansion{pattern: text}
	if p != nil {
		k.provider = p.name
		if d, ok := p.Provider.(Canonicalizer); ok {
			k.dialect = d.Dialect(params)
		}
	}
	if rules, ok := c.snapshot.expanded[k]; ok {
		return rules, nil
	}
	if rules, ok := c.before[k]; ok {
		c.snapshot.expanded[k] = rules
		return rules, nil
	}
	pattern, err := ParsePattern(text)
	if err != nil {
		return nil, err
	}
	rules := []Rule{{Pattern: pattern}}
	if p != nil {
		if rules, err = ExpandFor(p.Provider, pattern, params); err != nil {
			return nil, fmt.Errorf("provider %q: pattern %q: %w", p.name, text, err)
		}
		if len(rules) == 0 || !rules[0].Pattern.Equal(pattern) {
			return nil, fmt.Errorf("provider %q: pattern %q: the first rule of its expansion is not the pattern itself", p.name, text)
		}
		for _, r := range rules {
			if r.Pattern.IsZero() {
				return nil, fmt.Errorf("provider %q: pattern %q: its expansion has an empty rule", p.name, text)
			}
		}
	}
	c.snapshot.expanded[k] = rules
	return rules, nil
}

func (c *compiler) key(r *Key) {
	e := &keyEntry{snapshot: c.snapshot, record: *r, team: c.team(r.TeamID), restricted: len(r.Routes) > 0}
	switch {
	case r.ID == "":
		c.fail("API key %q: it has no id", r.Name)
		return
	case c.snapshot.keys[r.ID] != nil:
		c.fail("API key %q: the id %s is that of API key %q, too", r.Name, r.ID, c.snapshot.keys[r.ID].record.Name)
		return
	}
	c.snapshot.keys[r.ID] = e
	c.hash(c.snapshot.byHash, r.Hash, e, "API key")
	c.hash(c.snapshot.byURLHash, r.URLKeyHash, e, "URL key of API key")
	if old := r.Previous; old != nil {
		// What is a key by now is looked up first, so none is shadowed.
		if !old.Hash.IsZero() {
			c.snapshot.byOldHash[old.Hash] = e
		}
		if !old.URLKeyHash.IsZero() {
			c.snapshot.byOldURLHash[old.URLKeyHash] = e
		}
	}
	c.s3(r, e)
	switch r.Scope {
	case "", ScopeRead, ScopeWrite:
	default:
		c.fail("API key %q: unknown scope %q; it is read or write", r.Name, r.Scope)
	}
	switch r.Unmatched {
	case UnmatchedInherit, UnmatchedPass, UnmatchedDeny:
	default:
		c.fail("API key %q: unknown policy for unmatched URLs %q; it is pass or deny", r.Name, r.Unmatched)
	}
	switch r.Xet {
	case XetInherit, XetPass, XetHide:
	default:
		c.fail("API key %q: unknown policy for xet %q; it is pass or hide", r.Name, r.Xet)
	}
	if err := r.Limits.Check(); err != nil {
		c.fail("API key %q: %w", r.Name, err)
	}
	for _, p := range r.Sources {
		if err := CheckSource(p); err != nil {
			c.fail("API key %q: source %s: %w", r.Name, p, err)
		}
	}
	for _, text := range r.Routes {
		pattern, err := ParsePattern(text)
		if err != nil {
			c.fail("API key %q: route: %w", r.Name, err)
			continue
		}
		var owner *provider
		if pattern.scheme != schemeS3 {
			owner = c.snapshot.hosts.owner(pattern.host)
		}
		rules, err := c.expand(owner, text, nil)
		if err != nil {
			c.fail("API key %q: route: %w", r.Name, err)
			continue
		}
		for _, x := range rules {
			e.routes = append(e.routes, &rule{pattern: x.Pattern, written: pattern.text})
		}
	}
}

// hash enters e under h. Two keys with one hash are one key: neither may win
// silently.
func (c *compiler) hash(by map[KeyHash]*keyEntry, h KeyHash, e *keyEntry, what string) {
	if h.IsZero() {
		return
	}
	if other := by[h]; other != nil {
		c.fail("%s %q: its value is that of API key %q, too", what, e.record.Name, other.record.Name)
		return
	}
	by[h] = e
}

// s3 enters e under its access key id, where it is an S3 access key.
func (c *compiler) s3(r *Key, e *keyEntry) {
	if r.S3 == nil {
		return
	}
	if !r.Hash.IsZero() || !r.URLKeyHash.IsZero() {
		c.fail("S3 access key %q: it is an API key, too", r.Name)
		return
	}
	if err := r.S3.Check(); err != nil {
		c.fail("S3 access key %q: %w", r.Name, err)
		return
	}
	if other := c.snapshot.byS3ID[r.S3.AccessKeyID]; other != nil {
		c.fail("S3 access key %q: its id is that of %q, too", r.Name, other.record.Name)
		return
	}
	c.snapshot.byS3ID[r.S3.AccessKeyID] = e
}

func (c *compiler) link(l Link) {
	cred, key := c.credentials[l.CredentialID], c.snapshot.keys[l.KeyID]
	switch {
	case cred == nil:
		c.fail("link of credential %s to API key %s: there is no such credential", l.CredentialID, l.KeyID)
		return
	case key == nil:
		c.fail("link of credential %q to API key %s: there is no such API key", cred.record.Name, l.KeyID)
		return
	case cred.record.TeamID != key.record.TeamID:
		c.fail("link of credential %q to API key %q: they belong to different teams", cred.record.Name, key.record.Name)
		return
	case cred.provider == nil:
		return // reported already
	}
	p := pair{cred, key}
	if _, twice := c.linked[p]; twice {
		return
	}
	c.linked[p] = struct{}{}
	key.linked = append(key.linked, cred)
}
