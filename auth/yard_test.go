package auth

import (
	"strings"
	"testing"
	"time"
)

// yard is a house in one text: what a test says of it is what it needs.
type yard struct {
	testing.TB
	state State
	// read on first use
	snap *Snapshot
}

func newYard(t testing.TB) *yard {
	return &yard{TB: t, state: State{Teams: []Team{{ID: "t1"}}}}
}

// credential adds one of team t1; options change it.
func (y *yard) credential(name, provider string, patterns []string, options ...func(*Credential)) *yard {
	c := Credential{ID: "cred_" + name, TeamID: "t1", Name: name, Provider: provider, Status: StatusValid, Version: 1, Patterns: patterns, CreatedAt: testNow.AddDate(0, -1, 0)}
	for _, o := range options {
		o(&c)
	}
	y.state.Credentials = append(y.state.Credentials, c)
	return y
}

// key adds one of team t1 that is linked to the named credentials.
func (y *yard) key(name string, linked []string, options ...func(*Key)) *yard {
	k := Key{ID: "key_" + name, TeamID: "t1", Name: name}
	for _, o := range options {
		o(&k)
	}
	y.state.Keys = append(y.state.Keys, k)
	for _, c := range linked {
		y.state.Links = append(y.state.Links, Link{CredentialID: "cred_" + c, KeyID: k.ID})
	}
	return y
}

func status(s Status, reason string) func(*Credential) {
	return func(c *Credential) { c.Status, c.Reason = s, reason }
}
func created(at time.Time) func(*Credential) { return func(c *Credential) { c.CreatedAt = at } }
func expires(at time.Time) func(*Credential) { return func(c *Credential) { c.ExpiresAt = at } }
func routes(r ...string) func(*Key)          { return func(k *Key) { k.Routes = r } }
func scope(s Scope) func(*Key)               { return func(k *Key) { k.Scope = s } }
func policy(p UnmatchedPolicy) func(*Key)    { return func(k *Key) { k.Unmatched = p } }

func (y *yard) snapshot() *Snapshot {
	y.Helper()
	if y.snap == nil {
		y.snap = mustCompile(y, y.state)
	}
	return y.snap
}

// ask makes a question of the key called name; the policy is deny unless
// changed.
func (y *yard) ask(key, method, url string, change ...func(*Question)) Question {
	y.Helper()
	id, err := y.snapshot().IdentifyID("key_"+key, testNow)
	if err != nil {
		y.Fatal(err)
	}
	q := Question{Identity: id, Method: method, Target: mustURL(y, url), Unmatched: UnmatchedDeny, Now: testNow}
	for _, c := range change {
		c(&q)
	}
	return q
}

func (y *yard) decide(key, method, url string, change ...func(*Question)) Decision {
	y.Helper()
	return y.snapshot().Decide(y.ask(key, method, url, change...))
}

func pass(q *Question)   { q.Unmatched = UnmatchedPass }
func urlKey(q *Question) { q.Identity.ViaURLKey = true }
func boxed(t testing.TB, origin string) func(*Question) {
	return func(q *Question) { q.Boxed, q.Origin = true, mustURL(t, origin) }
}
func body(text string) func(*Question) {
	return func(q *Question) { q.Body, q.HasBody = []byte(text), true }
}

// injects checks that the credential called name is put on.
func (y *yard) injects(d Decision, name, rule string) {
	y.Helper()
	if d.Outcome != Inject || d.CredentialName != name || d.CredentialID != "cred_"+name || d.Rule != rule || d.Code != "" || d.Reason == "" || d.Version == 0 || d.Provider == nil || d.Signed {
		y.Errorf("got %v %q of %q by %q (%s: %s), want %q by %q", d.Outcome, d.CredentialID, d.CredentialName, d.Rule, d.Code, d.Reason, name, rule)
	}
}

// denies checks the code and that the reason holds every one of words.
func (y *yard) denies(d Decision, code Code, words ...string) {
	y.Helper()
	if d.Outcome != Deny || d.Code != code {
		y.Errorf("got %v %s (%s), want %s", d.Outcome, d.Code, d.Reason, code)
	}
	for _, w := range words {
		if !strings.Contains(d.Reason, w) {
			y.Errorf("reason %q does not say %q", d.Reason, w)
		}
	}
}

func (y *yard) bare(d Decision) {
	y.Helper()
	if d.Outcome != Bare || d.Code != "" || d.CredentialID != "" || d.Reason == "" {
		y.Errorf("got %v %q %s (%s), want allow bare", d.Outcome, d.CredentialID, d.Code, d.Reason)
	}
}
