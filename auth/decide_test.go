package auth

import (
	"slices"
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

func TestDecideInjectsTheLinkedCredential(t *testing.T) {
	y := newYard(t).credential("tok", "hub", []string{"hub.example/*"}).key("w", []string{"tok"})
	y.injects(y.decide("w", "GET", "https://hub.example/org/repo/resolve/main/x.safetensors"), "tok", "hub.example/*")
	y.injects(y.decide("w", "HEAD", "https://hub.example:443/org/repo/resolve/refs%2Fpr%2F1/x.safetensors?download=true"), "tok", "hub.example/*")
	y.denies(y.decide("w", "GET", "http://hub.example/org/x"), CodeNoCredentialMatched, `"w"`, "http://hub.example/org/x", "hub.example/*", "https only")
	y.denies(y.decide("w", "GET", "https://hub.example:8443/org/x?secret=1"), CodeNoCredentialMatched, "https://hub.example:8443/org/x,", "another port")
	y.denies(y.decide("w", "GET", "https://other.example/"), CodeNoCredentialMatched, `"w"`, "https://other.example/")
}

func TestDecisionZeroValuesDeny(t *testing.T) {
	var d Decision
	if d.Outcome != Deny || d.Outcome.String() != "deny" || Inject.String() != "allow" || Bare.String() != "allow bare" {
		t.Error("the zero decision does not deny")
	}
	if (ConnectDecision{}).Passage != Refuse {
		t.Error("the zero connect decision does not refuse")
	}
	y := newYard(t).credential("tok", "hub", []string{"hub.example/*"}).key("w", []string{"tok"})
	s := y.snapshot()
	u := mustURL(t, "https://hub.example/x")
	y.denies(s.Decide(Question{Method: "GET", Target: u, Now: testNow}), CodeKeyMissing)
	y.denies(s.Decide(Question{Method: "GET", Target: u, Now: testNow, Identity: Identity{KeyID: "key_gone", KeyName: "gone", TeamID: "t1"}}), CodeKeyInvalid, "gone")
	y.denies(s.Decide(Question{Method: "GET", Target: u, Now: testNow, Identity: Identity{KeyID: "key_w", TeamID: "t2"}}), CodeKeyInvalid)
	y.denies(y.decide("w", "GET", "https://hub.example/x", func(q *Question) { q.Now = time.Time{} }), CodeInternal, "time")
	for _, u := range []Target{
		{},
		{Scheme: "https", Host: "hub.example", Port: 443},
		{Scheme: "https", Host: "hub.example", Path: "/"},
		{Scheme: "ftp", Host: "hub.example", Port: 443, Path: "/"},
		{Scheme: "https", Host: "HUB.example", Port: 443, Path: "/"},
		{Scheme: "https", Host: "hub.example.", Port: 443, Path: "/"},
		{Scheme: "https", Host: "hub.example", Port: 443, Path: "/a/../b"},
		{Scheme: "https", Host: "[::1]", Port: 443, Path: "/"},
		{Scheme: "https", Host: "hub.example", Port: 443, Path: "/", RawQuery: "sig=x"},
	} {
		y.denies(y.decide("w", "GET", "https://hub.example/x", func(q *Question) { q.Target = u }), CodeBadTarget)
	}
	e := (&Decision{Code: CodeNotLinked, Reason: "r"}).Denial()
	if e.HTTPStatus() != 403 || e.Reason != "r" || e.NextStep() == "" {
		t.Errorf("denial %+v", e)
	}
}

func TestT18_LookalikesDoNotMatch(t *testing.T) {
	y := newYard(t).credential("tok", "hub", []string{"hub.example/*", "*.hub.example/*"}).credential("b", "bearer", []string{"*.reg.example/*"}).key("w", []string{"tok", "b"})
	for _, u := range []string{
		"https://evil.example/?next=hub.example", "https://evil.example/hub.example/org", "https://hub.example.evil.example/", "https://evilhub.example/", "https://evil-hub.example/",
		"https://hub.example.com/", "https://a.b.hub.example/", "https://reg.example/", "https://a.b.reg.example/", "https://areg.example/", "https://a.reg.example.evil.example/",
		"https://evil.example/https://hub.example/", "https://example/", "https://hub/", "https://xn--hub-example/", "https://evil.example//hub.example/",
	} {
		y.denies(y.decide("w", "GET", u), CodeNoCredentialMatched)
		y.bare(y.decide("w", "GET", u, pass))
	}
}

func TestT23_CredentialBoundToItsPort(t *testing.T) {
	y := newYard(t).
		credential("p443", "bearer", []string{"h.example/*"}).credential("p8443", "bearer", []string{"h.example:8443/*"}).
		credential("clear", "bearer", []string{"http://h.example/*"}).key("w", []string{"p443", "p8443", "clear"})
	for u, name := range map[string]string{
		"https://h.example/": "p443", "https://h.example:443/": "p443", "https://h.example:8443/": "p8443", "http://h.example/": "clear", "http://h.example:80/": "clear",
	} {
		if d := y.decide("w", "GET", u); d.CredentialName != name {
			t.Errorf("%s gets %q, want %q (%s)", u, d.CredentialName, name, d.Reason)
		}
	}
	for _, u := range []string{"https://h.example:80/", "http://h.example:443/", "http://h.example:8443/", "https://h.example:8444/"} {
		y.denies(y.decide("w", "GET", u), CodeNoCredentialMatched)
	}
}

// Two readings of one path must not choose different credentials.
func TestT25_EncodedSlashThatChangesTheCredential(t *testing.T) {
	y := newYard(t).
		credential("all", "hub", []string{"hub.example/*"}).credential("org", "hub", []string{"hub.example/org/*"}).
		credential("mid", "bearer", []string{"r.example/pub/*/f"}).
		key("both", []string{"all", "org"}).key("org", []string{"org"}).key("mid", []string{"mid"}).
		key("routed", []string{"all"}, routes("hub.example/org/*"))
	y.injects(y.decide("both", "GET", "https://hub.example/org/repo/resolve/refs%2Fpr%2F1/x"), "org", "hub.example/org/*")
	y.injects(y.decide("both", "GET", "https://hub.example/other/repo%2Fx"), "all", "hub.example/*")
	y.denies(y.decide("both", "GET", "https://hub.example/org%2Frepo/x"), CodeBadTarget, "%2F", "which credential applies")
	y.denies(y.decide("org", "GET", "https://hub.example/org%2frepo/x"), CodeBadTarget)
	y.denies(y.decide("org", "GET", "https://hub.example/org%2frepo/x", pass), CodeBadTarget)
	y.denies(y.decide("mid", "GET", "https://r.example/pub/a%2Fb/f"), CodeBadTarget)
	y.injects(y.decide("mid", "GET", "https://r.example/pub/a%20b/f"), "mid", "r.example/pub/*/f")
	y.denies(y.decide("routed", "GET", "https://hub.example/org%2Frepo/x"), CodeRouteForbidden)
	// The spelling of other characters changes nothing.
	for _, u := range []string{"https://hub.example/%6frg/x", "https://hub.example/%6F%72%67/x", "https://hub.example/org/%78"} {
		y.injects(y.decide("both", "GET", u), "org", "hub.example/org/*")
	}
}

func TestT27_WhatMustNotMatter(t *testing.T) {
	y := newYard(t).credential("all", "hub", []string{"hub.example/*"}).credential("org", "hub", []string{"hub.example/Org/*"}).key("w", []string{"all", "org"})
	for u, name := range map[string]string{
		"https://hub.example/Org/x": "org",
		// The case of a path is part of it (RFC 3986, section 6.2.2.1).
		"https://hub.example/org/x":                          "all",
		"https://hub.example/ORG/x":                          "all",
		"https://hub.example/Org;v=1/x":                      "all",
		"https://hub.example/Org/x;v=1":                      "org",
		"https://hub.example/;Org/x":                         "all",
		"https://hub.example/x?/Org/x":                       "all",
		"https://hub.example/Org/x?_method=PUT&_method=":     "org",
		"https://hub.example/Org/x?%4frg=1&a=1&a=2;b":        "org",
		"https://hub.example/x?host=hub.example&path=/Org/x": "all",
		"https://hub.example//Org/x":                         "all",
		"https://hub.example/Org//x":                         "org",
	} {
		if d := y.decide("w", "GET", u); d.Outcome != Inject || d.CredentialName != name {
			t.Errorf("%s gets %q, want %q (%s)", u, d.CredentialName, name, d.Reason)
		}
	}
}

func TestT28_MoreSpecificWins(t *testing.T) {
	// Each pattern beats all that follow it for the URL.
	order := []string{
		"r.example:443/a/b/c.bin", "r.example/a/b/c.*", "r.example/a/b/*.bin", "r.example/a/b/*", "r.example/a/**/c.bin",
		"r.example/a/*/*.bin", "r.example/*/*/*", "r.example/a/*", "r.example/*/*", "r.example/*",
	}
	ranks := make([]rank, len(order))
	for i, text := range order {
		ranks[i] = mustPattern(t, text).rank
		if !mustPattern(t, text).Matches(mustURL(t, "https://r.example/a/b/c.bin")) {
			t.Errorf("%s does not match", text)
		}
	}
	slices.SortFunc(order, func(a, b string) int {
		x, y := refSpecificity(mustPattern(t, a).String()), refSpecificity(mustPattern(t, b).String())
		return slices.Compare(y[:], x[:])
	})
	for i := range order {
		for j := i + 1; j < len(order); j++ {
			y := newYard(t).credential("strong", "bearer", []string{order[i]}, created(testNow.AddDate(-1, 0, 0))).
				credential("weak", "bearer", []string{order[j]}).key("w", []string{"weak", "strong"})
			a, b := mustPattern(t, order[i]), mustPattern(t, order[j])
			if a.rank <= b.rank {
				t.Errorf("%s does not rank above %s", a, b)
			}
			y.injects(y.decide("w", "GET", "https://r.example/a/b/c.bin"), "strong", a.String())
		}
	}
	// An exact host beats a wildcard with a longer path.
	y := newYard(t).credential("exact", "bearer", []string{"a.r.example/*"}).credential("wild", "bearer", []string{"*.r.example/a/b/*"}).key("w", []string{"exact", "wild"})
	y.injects(y.decide("w", "GET", "https://a.r.example/a/b/c"), "exact", "a.r.example/*")
	y.injects(y.decide("w", "GET", "https://b.r.example/a/b/c"), "wild", "*.r.example/a/b/*")
	// Fewer wildcards in the host.
	y = newYard(t).credential("one", "bearer", []string{"a.*.r.example/*"}).credential("two", "bearer", []string{"*.*.r.example/*"}).key("w", []string{"one", "two"})
	y.injects(y.decide("w", "GET", "https://a.b.r.example/"), "one", "a.*.r.example/*")
}

func TestT28_EqualSpecificity(t *testing.T) {
	same := []string{"r.example/a/*"}
	young, old := created(testNow.Add(-time.Hour)), created(testNow.AddDate(-1, 0, 0))
	for _, c := range []struct {
		name  string
		a, b  []func(*Credential)
		wants string
	}{
		{"the newest of two valid ones", []func(*Credential){old}, []func(*Credential){young}, "b"},
		{"the lower id of the same age", []func(*Credential){old}, []func(*Credential){old}, "a"},
		{"the valid one, though older", []func(*Credential){old}, []func(*Credential){young, status(StatusInvalid, "401")}, "a"},
		{"the valid one, not the pending one", []func(*Credential){old}, []func(*Credential){young, status(StatusPending, "")}, "a"},
		{"the one that has not expired", []func(*Credential){old}, []func(*Credential){young, expires(testNow)}, "a"},
		{"the one that expires later today", []func(*Credential){old}, []func(*Credential){young, expires(testNow.Add(time.Minute))}, "b"},
	} {
		y := newYard(t).credential("a", "bearer", same, c.a...).credential("b", "bearer", same, c.b...).key("w", []string{"a", "b"})
		if d := y.decide("w", "GET", "https://r.example/a/x"); d.Outcome != Inject || d.CredentialName != c.wants {
			t.Errorf("%s: got %q (%s), want %q", c.name, d.CredentialName, d.Reason, c.wants)
		}
	}
	// Equally specific by different texts: still one answer.
	y := newYard(t).credential("a", "bearer", []string{"r.example/ab*"}, old).credential("b", "bearer", []string{"r.example/*bc"}, young).key("w", []string{"a", "b"})
	y.injects(y.decide("w", "GET", "https://r.example/abc"), "b", "r.example/*bc")
}

func TestT28_UnusableNeverFallsBackToBroader(t *testing.T) {
	for _, c := range []struct {
		option func(*Credential)
		words  []string
	}{
		{status(StatusPending, ""), []string{"pending", "checked"}},
		{status(StatusInvalid, "the upstream answered 401"), []string{"invalid", "the upstream answered 401", "credential update"}},
		{status(StatusExpired, ""), []string{"expired", "credential update"}},
		{status(StatusRevoked, "by alice"), []string{"revoked", "by alice"}},
		{status("", ""), []string{"unknown"}},
		{status("disabled", ""), []string{"disabled"}},
		{expires(testNow), []string{"expired at 2026-03-01T12:00:00Z"}},
	} {
		y := newYard(t).credential("broad", "hub", []string{"hub.example/*"}).credential("narrow", "hub", []string{"hub.example/org/*"}, c.option).key("w", []string{"broad", "narrow"})
		for _, mode := range []func(*Question){func(*Question) {}, pass} {
			d := y.decide("w", "GET", "https://hub.example/org/repo/x?token=1", mode)
			y.denies(d, CodeCredentialNotUsable, append(c.words, `"narrow"`, "https://hub.example/org/repo/x ")...)
			if d.CredentialID != "cred_narrow" || d.Rule != "hub.example/org/*" {
				t.Errorf("the refusal names %q by %q", d.CredentialID, d.Rule)
			}
		}
		y.injects(y.decide("w", "GET", "https://hub.example/other/repo/x"), "broad", "hub.example/*")
	}
}

func TestUnmatchedPolicies(t *testing.T) {
	y := newYard(t).credential("tok", "hub", []string{"hub.example/org/*"}).
		key("inherit", []string{"tok"}).key("pass", []string{"tok"}, policy(UnmatchedPass)).key("deny", []string{"tok"}, policy(UnmatchedDeny))
	for _, c := range []struct {
		key      string
		listener UnmatchedPolicy
		passes   bool
	}{
		{"inherit", UnmatchedPass, true}, {"inherit", UnmatchedDeny, false}, {"inherit", UnmatchedInherit, false},
		{"pass", UnmatchedPass, true}, {"pass", UnmatchedDeny, false}, {"pass", UnmatchedInherit, false},
		{"deny", UnmatchedPass, false}, {"deny", UnmatchedDeny, false}, {"deny", UnmatchedInherit, false},
	} {
		d := y.decide(c.key, "GET", "https://hub.example/elsewhere/x", func(q *Question) { q.Unmatched = c.listener })
		if c.passes {
			y.bare(d)
		} else {
			y.denies(d, CodeNoCredentialMatched, "unmatched URLs are refused", "hub.example/org/*", "whose path does not match")
		}
		if d.Provider == nil || d.Provider.Schema().Name != "hub" {
			t.Errorf("the provider of the host is not given: %+v", d.Provider)
		}
	}
}

func TestNotLinked(t *testing.T) {
	y := newYard(t).credential("mine", "hub", []string{"hub.example/org/*"}).credential("theirs", "hub", []string{"hub.example/secret/*"}).
		credential("reg", "bearer", []string{"r.example/*"}).key("w", []string{"mine"}).key("none", nil)
	y.state.Credentials = append(y.state.Credentials, Credential{ID: "cred_t2", TeamID: "t2", Name: "t2", Provider: "bearer", Status: StatusValid, Patterns: []string{"t2.example/*"}})
	y.denies(y.decide("w", "GET", "https://hub.example/secret/x"), CodeNotLinked, `"theirs"`, "hub.example/secret/*", `"w"`)
	y.denies(y.decide("w", "GET", "https://r.example/x"), CodeNotLinked, `"reg"`)
	y.bare(y.decide("w", "GET", "https://hub.example/secret/x", pass))
	y.denies(y.decide("none", "GET", "https://hub.example/org/x"), CodeNotLinked, `"mine"`)
	y.denies(y.decide("none", "GET", "https://x.cdn.hb.example/x"), CodeNotLinked, "companion")
	// Another team's credential is not even named.
	y.denies(y.decide("w", "GET", "https://t2.example/x"), CodeNoCredentialMatched)
}

func TestT11_CompanionsGetNothing(t *testing.T) {
	y := newYard(t).credential("tok", "hub", []string{"hub.example/*", "*.hb.example/*", "lfs.hb.example/*", "*.hub.example/*"}).key("w", []string{"tok"}).key("other", nil)
	for _, u := range []string{
		"https://cas.store.hb.example/v1/x", "https://eu.cdn.hb.example/x", "https://a.b.cdn.hb.example/x", "https://lfs.hb.example/x", "https://old-lfs.hub.example/x",
	} {
		d := y.decide("w", "GET", u)
		y.bare(d)
		if !d.Companion || d.Provider == nil || d.Provider.Schema().Name != "hub" {
			t.Errorf("%s: companion %v of %v", u, d.Companion, d.Provider)
		}
		y.bare(y.decide("other", "GET", u, pass))
	}
	// A new host below the suffix is allowed bare, and never injected.
	d := y.decide("w", "GET", "https://new.hb.example/x")
	y.bare(d)
	if d.Companion || d.Rule != "*.hb.example/*" {
		t.Errorf("%+v", d)
	}
	y.denies(y.decide("w", "GET", "https://cdn.hb.example.evil.example/x"), CodeNoCredentialMatched)
	y.denies(y.decide("w", "GET", "http://eu.cdn.hb.example/x"), CodeNoCredentialMatched)
	y.denies(y.decide("w", "GET", "https://eu.cdn.hb.example:8443/x"), CodeNoCredentialMatched)
	// An unusable credential does not stand in the way of what needs none.
	y = newYard(t).credential("tok", "hub", []string{"hub.example/*", "*.hb.example/*"}, status(StatusInvalid, "")).key("w", []string{"tok"})
	y.bare(y.decide("w", "GET", "https://eu.cdn.hb.example/x"))
	y.bare(y.decide("w", "GET", "https://new.hb.example/x"))
}

func TestT08_SignedURLGetsNothingPutOn(t *testing.T) {
	const amz = "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=x&X-Amz-Signature=y"
	y := newYard(t).credential("tok", "hub", []string{"hub.example/*"}).credential("bad", "bearer", []string{"bad.example/*"}, status(StatusInvalid, "")).
		key("w", []string{"tok", "bad"})
	for _, c := range []struct {
		url    string
		bearer bool
	}{
		{"https://hub.example/org/x" + amz, false},
		{"https://eu.cdn.hb.example/x?Signature=a&Key-Pair-Id=b&Policy=c", false},
		{"https://hub.example/x?sv=1&sig=a%2Bb&se=2026", false},
		{"https://hub.example/x?sv=1&sig=a%2Bb&se=2026&sduoid=u", true},
		{"https://bad.example/x" + amz, false},
	} {
		d := y.decide("w", "GET", c.url)
		y.bare(d)
		if !d.Signed || d.KeepBearer != c.bearer {
			t.Errorf("%s: signed %v, bearer %v", c.url, d.Signed, d.KeepBearer)
		}
	}
	// A signature opens no door: what decides about any URL decides here.
	y.denies(y.decide("w", "GET", "https://elsewhere.example/x"+amz), CodeNoCredentialMatched)
	d := y.decide("w", "GET", "https://elsewhere.example/x"+amz, pass)
	y.bare(d)
	if !d.Signed {
		t.Error("the signature is not seen on an unmatched URL")
	}
	if d := y.decide("w", "GET", "https://elsewhere.example/x", pass); d.Signed || d.KeepBearer {
		t.Error("a signature is seen where there is none")
	}
	y.injects(y.decide("w", "GET", "https://hub.example/x?X-Amz-Signature=y"), "tok", "hub.example/*")
	y.denies(y.decide("w", "PUT", "https://hub.example/x"+amz), CodeScopeForbidden)
}

func TestRoutes(t *testing.T) {
	y := newYard(t).credential("tok", "hub", []string{"hub.example/*"}).credential("reg", "bearer", []string{"r.example/*"}).
		key("org", []string{"tok", "reg"}, routes("hub.example/org/*")).
		key("reg", []string{"tok", "reg"}, routes("r.example/models/*", "https://s.example/*"))
	y.injects(y.decide("org", "GET", "https://hub.example/org/repo/resolve/main/x"), "tok", "hub.example/*")
	y.injects(y.decide("org", "GET", "https://hub.example/api/models/org/repo"), "tok", "hub.example/*") // by expansion
	y.bare(y.decide("org", "GET", "https://eu.cdn.hb.example/x"))                                        // companion of a covered provider
	y.denies(y.decide("org", "GET", "https://hub.example/other/repo/x"), CodeRouteForbidden, `"org"`, "https://hub.example/other/repo/x")
	y.denies(y.decide("org", "GET", "https://hub.example/org"), CodeRouteForbidden)
	y.denies(y.decide("org", "GET", "http://hub.example/org/x", pass), CodeRouteForbidden)
	y.denies(y.decide("org", "GET", "https://r.example/models/x"), CodeRouteForbidden)
	y.denies(y.decide("org", "GET", "https://unmatched.example/", pass), CodeRouteForbidden)
	y.injects(y.decide("reg", "GET", "https://r.example/models/x"), "reg", "r.example/*")
	y.denies(y.decide("reg", "GET", "https://r.example/other/x"), CodeRouteForbidden)
	y.denies(y.decide("reg", "GET", "https://eu.cdn.hb.example/x"), CodeRouteForbidden)
	// A route grants no credential.
	y.denies(y.decide("reg", "GET", "https://s.example/x"), CodeNoCredentialMatched)
	y.bare(y.decide("reg", "GET", "https://s.example/x", pass))
}

func TestBoxedURLsAreCheckedByTheirOrigin(t *testing.T) {
	const signed = "https://bucket.r2.example/x?X-Amz-Algorithm=a&X-Amz-Signature=y"
	build := func(options ...func(*Credential)) *yard {
		return newYard(t).credential("tok", "hub", []string{"hub.example/*"}, options...).
			key("w", []string{"tok"}).key("routed", []string{"tok"}, routes("hub.example/org/*")).key("unlinked", nil)
	}
	y := build()
	d := y.decide("w", "GET", signed, boxed(t, "https://hub.example/org/x"))
	y.bare(d)
	if !d.Signed {
		t.Error("the signature is not seen")
	}
	y.denies(y.decide("w", "GET", signed), CodeNoCredentialMatched)
	// Routes are asked about the URL that led there.
	y.bare(y.decide("routed", "GET", signed, boxed(t, "https://hub.example/org/x")))
	y.denies(y.decide("routed", "GET", signed, boxed(t, "https://hub.example/other/x")), CodeRouteForbidden, "https://hub.example/other/x")
	// The link and the credential are asked for again.
	y.denies(y.decide("unlinked", "GET", signed, boxed(t, "https://hub.example/org/x")), CodeNotLinked, "https://hub.example/org/x")
	y.bare(y.decide("unlinked", "GET", signed, boxed(t, "https://hub.example/org/x"), pass))
	z := build(status(StatusRevoked, ""))
	z.denies(z.decide("w", "GET", signed, boxed(t, "https://hub.example/org/x")), CodeCredentialNotUsable)
	// A sealed URL to a host of a credential is matched afresh.
	y.injects(y.decide("w", "GET", "https://hub.example/api/token", boxed(t, "https://hub.example/org/x")), "tok", "hub.example/*")
	// A box without an origin is nothing.
	y.denies(y.decide("w", "GET", signed, func(q *Question) { q.Boxed = true }), CodeBoxInvalid)
	// The scope still holds.
	y.denies(y.decide("w", "PUT", signed, boxed(t, "https://hub.example/org/x")), CodeScopeForbidden)
}

func TestScope(t *testing.T) {
	y := newYard(t).credential("tok", "hub", []string{"hub.example/*"}).
		key("read", []string{"tok"}).key("write", []string{"tok"}, scope(ScopeWrite))
	type row struct {
		method, url         string
		read, write, viaURL bool
		why                 string
		body                string
	}
	for _, c := range []row{
		{method: "GET", url: "https://hub.example/x", read: true, write: true, viaURL: true},
		{method: "HEAD", url: "https://hub.example/x", read: true, write: true, viaURL: true},
		{method: "OPTIONS", url: "https://hub.example/x", read: true, write: true, viaURL: true},
		{method: "PUT", url: "https://hub.example/x", write: true, why: "is a write"},
		{method: "get", url: "https://hub.example/x", write: true, why: "is a write"},
		{method: "", url: "https://hub.example/x", write: true, why: "is a write"},
		{method: "GET", url: "https://hub.example/api/models/o/r/write-token/main", write: true, why: "mints write power"},
		{method: "GET", url: "https://hub.example/api/models/o/r/%77rite-token/main", write: true, why: "mints write power"},
		{method: "GET", url: "https://hub.example/api/models/o/r%2Fwrite-token%2Fmain", write: true, why: "mints write power"},
		{method: "GET", url: "https://hub.example/api/whoami-v2", why: "every scope"},
		{method: "GET", url: "https://hub.example/api/%77hoami-v2", why: "every scope"},
		{method: "GET", url: "https://hub.example/api%2Fwhoami-v2", why: "every scope"},
		{method: "GET", url: "https://hub.example/ap%69%2fwho%61mi-v2", why: "every scope"},
		{method: "POST", url: "https://hub.example/o/r/objects/batch", body: "download", read: true, write: true, viaURL: true},
		{method: "POST", url: "https://hub.example/o/r/objects/batch", body: "upload", write: true, why: "is a write"},
		{method: "POST", url: "https://hub.example/o/r/objects/batch", body: "garbage", why: "every scope"},
		{method: "POST", url: "https://hub.example/o/r/objects/batch", body: strings.Repeat("x", MaxClassifyBody+1), why: "every scope"},
		{method: "POST", url: "https://hub.example/o/r%2Fobjects%2Fbatch", body: "download", why: "every scope"},
	} {
		for _, k := range []struct {
			key     string
			change  func(*Question)
			allowed bool
		}{
			{"read", func(*Question) {}, c.read}, {"write", func(*Question) {}, c.write}, {"write", urlKey, c.viaURL},
			{"write", func(q *Question) { q.Identity.Scope = ScopeRead }, c.read},
		} {
			changes := []func(*Question){k.change}
			if c.body != "" {
				changes = append(changes, body(c.body))
			}
			d := y.decide(k.key, c.method, c.url, changes...)
			if k.allowed {
				y.injects(d, "tok", "hub.example/*")
			} else {
				y.denies(d, CodeScopeForbidden, c.why, "hub.example/")
			}
		}
	}
	// Without the body the question is put back, and nothing is allowed yet.
	d := y.decide("read", "POST", "https://hub.example/o/r/objects/batch")
	if !d.NeedBody || d.Outcome != Deny || d.CredentialName != "tok" {
		t.Errorf("%+v", d)
	}
	d = y.decide("read", "POST", "https://hub.example/o/r/objects/batch", body("download"), func(q *Question) { q.ContentEncoding = "gzip" })
	y.denies(d, CodeScopeForbidden)
	// A denied URL never asks for a body.
	if d := y.decide("read", "POST", "https://nowhere.example/o/r/objects/batch"); d.NeedBody {
		t.Errorf("%+v", d)
	}
}

func TestScopeOfBareRequests(t *testing.T) {
	y := newYard(t).credential("tok", "hub", []string{"hub.example/org/*"}).key("read", []string{"tok"}).key("write", []string{"tok"}, scope(ScopeWrite))
	y.bare(y.decide("read", "GET", "https://any.example/", pass))
	y.denies(y.decide("read", "POST", "https://any.example/", pass), CodeScopeForbidden, "POST https://any.example/")
	y.bare(y.decide("write", "POST", "https://any.example/", pass))
	// The provider of the host judges what no rule matches.
	y.denies(y.decide("write", "GET", "https://hub.example/api/whoami", pass), CodeScopeForbidden)
	y.denies(y.decide("read", "GET", "https://eu.cdn.hb.example/write-token/x", pass), CodeScopeForbidden)
	if d := y.decide("read", "POST", "https://eu.cdn.hb.example/objects/batch"); !d.NeedBody {
		t.Errorf("%+v", d)
	}
}

// bodyless classifies by a body that it cannot read.
type bodyless struct{ plain }

func (bodyless) Classify(string, Target) Class { return ClassBody }

func TestProviderThatCannotJudgeBodies(t *testing.T) {
	s, err := Compile(State{
		Credentials: []Credential{{ID: "c", TeamID: "t", Name: "c", Provider: "odd", Status: StatusValid, Patterns: []string{"h.example/*"}}},
		Keys:        []Key{{ID: "k", TeamID: "t", Name: "k", Scope: ScopeWrite}}, Links: []Link{{CredentialID: "c", KeyID: "k"}},
	}, Options{Providers: []Provider{bodyless{plain{"odd"}}}})
	if err != nil {
		t.Fatal(err)
	}
	id, _ := s.IdentifyID("k", testNow)
	d := s.Decide(Question{Identity: id, Method: "GET", Target: mustURL(t, "https://h.example/x"), Now: testNow, HasBody: true})
	if d.Outcome != Deny || d.Code != CodeScopeForbidden || d.NeedBody {
		t.Errorf("%+v", d)
	}
}

// An identity is checked again by every snapshot: what ended since refuses.
func TestOldIdentityIsCheckedAgain(t *testing.T) {
	y := newYard(t).credential("tok", "hub", []string{"hub.example/*"}).key("w", []string{"tok"}, scope(ScopeWrite))
	q := y.ask("w", "PUT", "https://hub.example/x")
	y.injects(y.snapshot().Decide(q), "tok", "hub.example/*")

	narrowed := y.state
	narrowed.Keys = []Key{{ID: "key_w", TeamID: "t1", Name: "w"}}
	y.denies(mustCompile(t, narrowed).Decide(q), CodeScopeForbidden)
	unlinked := y.state
	unlinked.Links = nil
	y.denies(mustCompile(t, unlinked).Decide(q), CodeNotLinked)
	revoked := y.state
	revoked.Keys = []Key{{ID: "key_w", TeamID: "t1", Name: "w", RevokedAt: testNow}}
	y.denies(mustCompile(t, revoked).Decide(q), CodeKeyRevoked, `"w"`)
	gone := y.state
	gone.Keys, gone.Links = nil, nil
	y.denies(mustCompile(t, gone).Decide(q), CodeKeyInvalid)
	moved := y.state
	moved.Keys, moved.Links = []Key{{ID: "key_w", TeamID: "t2", Name: "w"}}, nil
	y.denies(mustCompile(t, moved).Decide(q), CodeKeyInvalid)

	// The clock is asked at every request.
	expiring := y.state
	expiring.Keys = []Key{{ID: "key_w", TeamID: "t1", Name: "w", ExpiresAt: testNow.Add(time.Minute)}}
	s := mustCompile(t, expiring)
	id, err := s.IdentifyID("key_w", testNow)
	if err != nil {
		t.Fatal(err)
	}
	q = Question{Identity: id, Method: "GET", Target: q.Target, Now: testNow.Add(time.Minute)}
	y.denies(s.Decide(q), CodeKeyExpired, "2026-03-01T12:01:00Z")
}

// A reason is public: it holds no query and no userinfo, whatever was asked.
func TestReasonsHoldNoQuery(t *testing.T) {
	y := newYard(t).credential("tok", "hub", []string{"hub.example/org/*"}, status(StatusInvalid, "")).credential("other", "bearer", []string{"r.example/*"}).
		key("w", []string{"tok"}).key("routed", []string{"tok"}, routes("hub.example/org/*"))
	for _, u := range []string{
		"https://hub.example/org/x?token=canary-1234", "https://hub.example/x?token=canary-1234", "https://r.example/x?token=canary-1234", "https://n.example/?canary-1234",
		"http://hub.example/org/x?canary-1234", "https://hub.example/org%2Fx?canary-1234", "https://hub.example/api/whoami?canary-1234",
	} {
		for _, k := range []string{"w", "routed"} {
			for _, m := range []string{"GET", "PUT"} {
				for _, change := range []func(*Question){pass, func(*Question) {}, boxed(t, u)} {
					q := y.ask(k, m, u, change)
					e := y.snapshot().Explain(q)
					text := e.Reason + e.Connect + strings.Join(e.Hops, "")
					for _, c := range e.Runners {
						text += c.Lost
					}
					if strings.Contains(text, "canary-1234") {
						t.Errorf("%s: %s", u, text)
					}
				}
			}
		}
	}
}
