package auth

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// shop is a Canonicalizer: box b is known as b.shop.example/… and as
// shop.example/b/…, and, to a credential with an endpoint, at that.
type shop struct{ plain }

var _ Canonicalizer = shop{}

func (shop) Dialect(params map[string]string) string { return params["endpoint"] }

func (shop) base(dialect string) string {
	if dialect != "" {
		return dialect
	}
	return "shop.example"
}

// style rewrites a host and path into path style.
func (s shop) style(dialect, host, path string) (string, string, bool) {
	base := s.base(dialect)
	if host == base {
		return host, path, true
	}
	if box, ok := strings.CutSuffix(host, "."+base); ok && box != "" && !strings.ContainsAny(box, ".*") {
		return base, "/" + box + path, true
	}
	return "", "", false
}

func (s shop) ExpandIn(dialect string, p Pattern) ([]Rule, error) {
	rules := []Rule{{Pattern: p}}
	if host, path, ok := s.style(dialect, p.Host(), p.Path()); ok && host != p.Host() {
		q, err := ParsePattern(host + path)
		if err != nil {
			return nil, err
		}
		rules = append(rules, Rule{Pattern: q})
	}
	return rules, nil
}

func (s shop) Canonical(dialect, method string, t Target) (Canonical, bool) {
	host, path, ok := s.style(dialect, t.Host, t.Path)
	if !ok {
		return Canonical{}, false
	}
	t.Host, t.Path, t.RawQuery, t.HasQuery = host, path, "", false
	return Canonical{Match: []Target{t}, Container: 1, Class: s.Classify(method, t)}, true
}

// What is decided for a request of a service that knows one thing by several
// URLs is what the reference decides for the one form of it, whichever way it
// and the patterns are spelt, in each dialect.
func TestDialectsDecideLikeTheReference(t *testing.T) {
	providers := []Provider{shop{plain{"shop"}}, hub{}, plain{"bearer"}}
	rapid.Check(t, func(t *rapid.T) {
		dialect := rapid.SampledFrom([]string{"", "store.internal.example"}).Draw(t, "dialect")
		base := shop{}.base(dialect)
		spell := func(box, rest string, virtual bool) string {
			if virtual {
				return box + "." + base + "/" + rest
			}
			return base + "/" + box + "/" + rest
		}
		box := rapid.SampledFrom([]string{"models", "other"})
		given, same := State{Teams: []Team{{ID: "t1", Name: "default"}}}, State{}
		for i := range rapid.IntRange(1, 4).Draw(t, "credentials") {
			in, rest := box.Draw(t, "box"), rapid.SampledFrom([]string{"*", "sd/*", "sd/xl/*", "sd/k"}).Draw(t, "rest")
			c := Credential{
				ID: string(rune('a' + i)), Name: "cred" + string(rune('a'+i)), TeamID: "t1", Version: 1, Provider: "shop", CreatedAt: testNow.AddDate(0, 0, i),
				Status: rapid.SampledFrom([]Status{StatusValid, StatusValid, StatusInvalid}).Draw(t, "status"), Params: map[string]string{"endpoint": dialect},
			}
			r := c
			c.Patterns = []string{spell(in, rest, rapid.Bool().Draw(t, "virtual pattern"))}
			r.Provider, r.Patterns = "bearer", []string{spell(in, rest, false)}
			given.Credentials, same.Credentials = append(given.Credentials, c), append(same.Credentials, r)
			if rapid.IntRange(0, 3).Draw(t, "linked") > 0 {
				given.Links = append(given.Links, Link{CredentialID: c.ID, KeyID: "k"})
			}
		}
		given.Keys = []Key{{ID: "k", Name: "k", TeamID: "t1", Scope: ScopeRead}}
		same.Teams, same.Keys, same.Links = given.Teams, given.Keys, given.Links
		snap, err := Compile(given, Options{Providers: providers})
		if err != nil {
			t.Fatal(err)
		}
		id, err := snap.IdentifyID("k", testNow)
		if err != nil {
			t.Fatal(err)
		}
		in, rest := box.Draw(t, "asked box"), rapid.SampledFrom([]string{"sd/k", "sd/xl/k", "x", "sd"}).Draw(t, "asked")
		method := rapid.SampledFrom([]string{"GET", "PUT"}).Draw(t, "method")
		ask := func(virtual bool) Question {
			u, err := ParseURL("https://" + spell(in, rest, virtual))
			if err != nil {
				t.Fatal(err)
			}
			return Question{Identity: id, Method: method, Target: u, Unmatched: UnmatchedDeny, Now: testNow}
		}
		want := refDecide(same, "k", ask(false))
		for _, virtual := range []bool{false, true} {
			d := snap.Decide(ask(virtual))
			if d.Outcome != want.outcome || d.Code != want.code || d.Outcome == Inject && d.CredentialID != want.credential {
				t.Errorf("%s: %s %s %s, want %s %s %s", ask(virtual).Target, d.Outcome, d.Code, d.CredentialID, want.outcome, want.code, want.credential)
			}
		}
	})
}
