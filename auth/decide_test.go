package auth

import (
	"strings"
	"testing"
	"time"
)

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
	// What the key has no link to is named to operators alone.
	hidden := func(key, url, credential, pattern string) {
		t.Helper()
		d := y.decide(key, "GET", url)
		y.denies(d, CodeNotLinked, "a credential of the team matches "+url, quote(key))
		if want := "it is the credential " + quote(credential) + " by the pattern " + pattern; d.Detail != want {
			t.Errorf("the detail is %q, want %q", d.Detail, want)
		}
		e := d.Denial()
		if strings.Contains(e.Reason, credential) || strings.Contains(e.Reason, pattern) || e.Cause == nil || e.Cause.Error() != d.Detail {
			t.Errorf("the denial is %+v", e)
		}
	}
	hidden("w", "https://hub.example/secret/x", "theirs", "hub.example/secret/*")
	hidden("w", "https://r.example/x", "reg", "r.example/*")
	y.bare(y.decide("w", "GET", "https://hub.example/secret/x", pass))
	hidden("none", "https://hub.example/org/x", "mine", "hub.example/org/*")
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
