package auth

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestExplain(t *testing.T) {
	young := created(testNow)
	y := newYard(t).
		credential("all", "hub", []string{"hub.example/*", "*.hb.example/*"}).
		credential("org", "hub", []string{"hub.example/org/*"}).
		credential("org-old", "hub", []string{"hub.example/org/*"}, created(testNow.AddDate(-2, 0, 0))).
		credential("org-new-bad", "hub", []string{"hub.example/org/*"}, young, status(StatusInvalid, "401")).
		credential("foreign", "hub", []string{"hub.example/org/repo/*"}).
		key("w", []string{"all", "org", "org-old", "org-new-bad"})
	e := y.snapshot().Explain(y.ask("w", "GET", "https://hub.example/org/repo/x"))
	if e.Outcome != "allow" || e.Code != "" || e.Chosen == nil || e.Chosen.CredentialName != "org" || !e.Chosen.Linked || e.Chosen.Rule != "hub.example/org/*" {
		t.Fatalf("%+v, chosen %+v", e, e.Chosen)
	}
	if !strings.HasPrefix(e.Connect, "intercepted: ") {
		t.Errorf("connect: %s", e.Connect)
	}
	var names []string
	for _, r := range e.Runners {
		names = append(names, r.CredentialName)
		want := map[string]string{
			"org-old":     `older than "org"`,
			"org-new-bad": "its credential is invalid",
			"all":         "literal path is shorter than that of hub.example/org/* (1 against 5 characters)",
			"foreign":     `not linked to the API key "w"`,
		}[r.CredentialName]
		if want == "" || !strings.Contains(r.Lost, want) {
			t.Errorf("%s lost: %q, want %q", r.CredentialName, r.Lost, want)
		}
		if shadowed := r.CredentialName == "org-old" || r.CredentialName == "org-new-bad"; r.Shadowed != shadowed {
			t.Errorf("%s: shadowed %v", r.CredentialName, r.Shadowed)
		}
	}
	if want := []string{"org-old", "org-new-bad", "all", "foreign"}; !slices.Equal(names, want) {
		t.Errorf("runners-up %q, want %q", names, want)
	}
	if len(e.Hops) != 4 || !slices.ContainsFunc(e.Hops, func(h string) bool {
		return strings.HasPrefix(h, "any host below cdn.hb.example: nothing is put on") && strings.Contains(h, "signed URLs")
	}) || !slices.ContainsFunc(e.Hops, func(h string) bool {
		return strings.HasPrefix(h, "cas.store.hb.example: nothing") && strings.Contains(h, "tunnelled")
	}) {
		t.Errorf("hops %q", e.Hops)
	}
	b, err := json.Marshal(e)
	if err != nil || !strings.Contains(string(b), `"runners_up"`) || strings.Contains(string(b), "Decision") {
		t.Errorf("%s, %v", b, err)
	}
}

// A request that its body decides is not called refused because nobody has
// looked at the body: what is said is what the proxy would do with a read.
func TestExplainWhatTheBodyDecides(t *testing.T) {
	y := newYard(t).
		credential("all", "hub", []string{"hub.example/*"}).
		credential("spent", "hub", []string{"hub.example/old/*"}, expires(testNow)).
		key("w", []string{"all", "spent"})
	q := y.ask("w", "POST", "https://hub.example/org/repo/objects/batch")
	e := y.snapshot().Explain(q)
	if !e.Decision.NeedBody || e.Outcome != "allow" || e.Code != "" || !strings.Contains(e.Reason, "its body is looked at first") || e.Chosen == nil {
		t.Errorf("%+v", e)
	}
	// What no body could change is refused as ever.
	e = y.snapshot().Explain(y.ask("w", "POST", "https://hub.example/old/repo/objects/batch"))
	if e.Outcome != "deny" || e.Code != CodeCredentialNotUsable {
		t.Errorf("%s %s: %s", e.Outcome, e.Code, e.Reason)
	}
}

// Why a tunnel is opened is said of each kind of host in words of its own.
func TestExplainWhyATunnelIsOpened(t *testing.T) {
	y := newYard(t).credential("all", "hub", []string{"hub.example/*", "*.hb.example/*"}).key("w", []string{"all"})
	for url, want := range map[string]string{
		"https://hub.example/x":        "a credential of the team could apply",
		"https://eu.cdn.hb.example/x":  "signed URLs of hub",
		"https://other.hb.example/x":   "puts nothing on",
		"https://cas.store.hb.example": "companion of hub",
	} {
		if e := y.snapshot().Explain(y.ask("w", "GET", url)); !strings.Contains(e.Connect, want) {
			t.Errorf("%s: %s", url, e.Connect)
		}
	}
}

func TestExplainRefusals(t *testing.T) {
	y := newYard(t).
		credential("bad", "hub", []string{"hub.example/org/*"}, expires(testNow)).
		credential("wild", "bearer", []string{"*.r.example/*"}).credential("deep", "bearer", []string{"a.r.example/*/*"}).credential("many", "bearer", []string{"a.r.example/x*/*"}).
		credential("twin1", "bearer", []string{"twin.example/*"}).credential("twin2", "bearer", []string{"twin.example/*"}).
		key("w", []string{"bad", "wild", "deep", "many", "twin1", "twin2"}).key("none", nil)
	s := y.snapshot()

	e := s.Explain(y.ask("w", "GET", "https://hub.example/org/x"))
	if e.Code != CodeCredentialNotUsable || e.Chosen == nil || e.Chosen.CredentialName != "bad" {
		t.Errorf("%+v", e)
	}
	e = s.Explain(y.ask("w", "GET", "https://a.r.example/xy/z"))
	if e.Chosen == nil || e.Chosen.CredentialName != "many" || len(e.Runners) != 2 {
		t.Fatalf("%+v", e)
	}
	if e.Runners[0].CredentialName != "deep" || !strings.Contains(e.Runners[0].Lost, "shorter") || e.Runners[0].Shadowed ||
		e.Runners[1].CredentialName != "wild" || !strings.Contains(e.Runners[1].Lost, "host is a wildcard") || e.Runners[1].Shadowed {
		t.Errorf("%+v", e.Runners)
	}
	e = s.Explain(y.ask("w", "GET", "https://twin.example/"))
	if e.Chosen.CredentialName != "twin1" || !strings.Contains(e.Runners[0].Lost, "sorts first") || !e.Runners[0].Shadowed {
		t.Errorf("%+v", e)
	}
	e = s.Explain(y.ask("w", "GET", "https://hub.example/org%2Fx"))
	if e.Code != CodeBadTarget || e.Chosen != nil {
		t.Errorf("%+v", e)
	}
	e = s.Explain(y.ask("none", "GET", "https://hub.example/org/x"))
	if e.Code != CodeNotLinked || e.Chosen != nil || len(e.Runners) != 1 || e.Runners[0].Linked || e.Runners[0].Shadowed || !strings.Contains(e.Hops[0], "counts as unmatched") {
		t.Errorf("%+v", e)
	}
	e = s.Explain(y.ask("w", "GET", "https://other.example/x"))
	if e.Connect == "" || !strings.HasPrefix(e.Connect, "refused (no_credential_matched)") || e.Hops != nil {
		t.Errorf("%+v", e)
	}
	e = s.Explain(y.ask("w", "GET", "https://other.example/x", pass))
	if !strings.HasPrefix(e.Connect, "tunnelled: ") || e.Outcome != "allow bare" {
		t.Errorf("%+v", e)
	}
	e = s.Explain(y.ask("w", "GET", "http://other.example/x", pass))
	if !strings.HasPrefix(e.Connect, "none: ") {
		t.Errorf("%+v", e)
	}
	q := y.ask("w", "GET", "https://hub.example/org/x")
	q.Identity = Identity{}
	if e = s.Explain(q); e.Code != CodeKeyMissing || !strings.Contains(e.Connect, "key_missing") {
		t.Errorf("%+v", e)
	}
	q = y.ask("w", "GET", "https://hub.example/org/x")
	q.Target.Path = "/../x"
	if e = s.Explain(q); e.Code != CodeBadTarget || !strings.Contains(e.Connect, "bad_target") {
		t.Errorf("%+v", e)
	}
}
