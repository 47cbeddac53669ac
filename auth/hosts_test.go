package auth

import (
	"testing"

	"pgregory.net/rapid"
)

func TestMeets(t *testing.T) {
	for _, c := range []struct {
		pattern, entry string
		want           bool
	}{
		{"hub.example", "hub.example", true},
		{"*.hub.example", "a.hub.example", true},
		{"*.hub.example", "hub.example", false},
		{"a.hub.example", ".hub.example", true},
		{"*.hub.example", ".hub.example", true},
		{"*.*.hub.example", ".hub.example", true},
		{"hub.example", ".hub.example", false},
		{"a.*.example.com", ".hub.example.com", true},
		{"a.*.example.com", ".x.a.hub.example.com", false},
		{"a.evilhub.example", ".hub.example", false},
	} {
		if got := meets(c.pattern, c.entry); got != c.want {
			t.Errorf("meets(%q, %q) = %v", c.pattern, c.entry, got)
		}
	}
}

// Routes to a provider that names its hosts by a suffix are expanded by it and
// bring its companions along.
func TestProviderWithSuffixHosts(t *testing.T) {
	p := broken{plain: plain{"cloud"}, comp: []Companion{{Host: ".cdn.cloud.example", Signed: true}}}
	s, err := Compile(State{
		Credentials: []Credential{{ID: "c", TeamID: "t", Name: "c", Provider: "bearer", Status: StatusValid, Patterns: []string{"a.cloud.example/*"}}},
		Keys:        []Key{{ID: "k", TeamID: "t", Name: "k", Routes: []string{"a.cloud.example/x/*"}}},
	}, Options{Providers: []Provider{plain{"bearer"}, suffixed{p, []string{".cloud.example"}}}})
	if err != nil {
		t.Fatal(err)
	}
	id, _ := s.IdentifyID("k", testNow)
	for u, want := range map[string]Outcome{
		"https://a.cloud.example/x/y": Bare, "https://eu.cdn.cloud.example/y": Bare, "https://a.cloud.example/y": Deny, "https://cdn.cloud.example/y": Deny,
	} {
		d := s.Decide(Question{Identity: id, Method: "GET", Target: mustURL(t, u), Unmatched: UnmatchedPass, Now: testNow})
		if d.Outcome != want || d.Provider == nil || d.Provider.Schema().Name != "cloud" {
			t.Errorf("%s: %v %s, provider %v", u, d.Outcome, d.Reason, d.Provider)
		}
	}
}

type suffixed struct {
	broken
	hosts []string
}

func (s suffixed) Schema() Schema                   { return Schema{Name: s.name, Hosts: s.hosts} }
func (s suffixed) Expand(p Pattern) ([]Rule, error) { return []Rule{{Pattern: p}}, nil }

// The exact companion counts before a suffix, the longer suffix before the
// shorter.
func TestCompanionPrecedence(t *testing.T) {
	p, err := newProvider(broken{plain: plain{"odd"}, comp: []Companion{
		{Host: ".x.example"}, {Host: "signed.x.example", Signed: true}, {Host: ".deep.x.example", Signed: true}, {Host: "blind.deep.x.example"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"a.x.example": false, "signed.x.example": true, "a.signed.x.example": false, "a.deep.x.example": true, "b.a.deep.x.example": true, "blind.deep.x.example": false, "deep.x.example": false,
	} {
		if c, ok := p.companion(host); !ok || c.Signed != want {
			t.Errorf("%s: %+v, %v; want signed %v", host, c, ok, want)
		}
	}
	for _, host := range []string{"x.example", "ax.example", "x.example.evil.example", "example"} {
		if c, ok := p.companion(host); ok {
			t.Errorf("%s is taken for a companion: %+v", host, c)
		}
	}
}

func TestWider(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		host := rapid.StringMatching(`[a-z]{1,3}(\.[a-z]{1,3}){0,5}`).Draw(t, "host")
		n := 0
		for h := host; h != ""; h = wider(h) {
			if n > 0 && (h[0] != '.' || host[len(host)-len(h):] != h) {
				t.Fatalf("%q is no suffix of %q", h, host)
			}
			n++
		}
		if n > 7 {
			t.Fatalf("%d steps for %q", n, host)
		}
	})
}
