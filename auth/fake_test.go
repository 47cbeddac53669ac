package auth

import (
	"strings"
	"testing"
	"time"
)

// hub is a provider in the manner of a model hub: expansion, companions, a
// read rule, bodies.
type hub struct{}

var (
	_ Provider       = hub{}
	_ BodyClassifier = hub{}
)

func (hub) Schema() Schema {
	return Schema{
		Name: "hub", DefaultPatterns: []string{"hub.example/*", "*.hb.example/*"},
		Hosts: []string{"hub.example", "hb.example"},
	}
}

func (hub) Check(Fields) error { return nil }

func (hub) Companions() []Companion {
	return []Companion{
		{Host: "cas.store.hb.example"},
		{Host: ".cdn.hb.example", Signed: true},
		{Host: "lfs.hb.example", Signed: true},
		{Host: "old-lfs.hub.example", Signed: true},
	}
}

func (hub) Expand(p Pattern) ([]Rule, error) {
	rules := []Rule{{Pattern: p, Bare: p.WildcardHost()}}
	if p.Host() != "hub.example" || p.WholeHost() {
		return rules, nil
	}
	path := p.Path()
	for _, family := range []string{"/datasets", "/api/models"} {
		q, err := ParsePattern("hub.example" + family + path)
		if err != nil {
			return nil, err
		}
		rules = append(rules, Rule{Pattern: q})
	}
	return rules, nil
}

func (hub) Classify(method string, t Target) Class {
	switch {
	case strings.HasPrefix(t.Path, "/api/whoami"):
		return ClassForbidden
	case strings.Contains(t.Path, "/write-token/"):
		return ClassWrite
	case method == "POST" && strings.HasSuffix(t.Path, "/objects/batch"):
		return ClassBody
	}
	return classifyMethod(method)
}

func (hub) ClassifyBody(_ string, _ Target, encoding string, body []byte) Class {
	switch {
	case encoding != "":
		return ClassForbidden
	case string(body) == "download":
		return ClassRead
	case string(body) == "upload":
		return ClassWrite
	}
	return ClassForbidden
}

// plain is a generic provider: no hosts, no companions, no expansion.
type plain struct{ name string }

var _ Provider = plain{}

func (p plain) Schema() Schema                  { return Schema{Name: p.name} }
func (plain) Check(Fields) error                { return nil }
func (plain) Companions() []Companion           { return nil }
func (plain) Expand(p Pattern) ([]Rule, error)  { return []Rule{{Pattern: p}}, nil }
func (plain) Classify(m string, _ Target) Class { return classifyMethod(m) }

var testProviders = []Provider{hub{}, plain{"bearer"}}

var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func mustCompile(t testing.TB, s State) *Snapshot {
	t.Helper()
	snap, err := Compile(s, Options{Providers: testProviders})
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

func mustURL(t testing.TB, raw string) Target {
	t.Helper()
	u, err := ParseURL(raw)
	if err != nil {
		t.Fatalf("ParseURL(%q): %v", raw, err)
	}
	return u
}
