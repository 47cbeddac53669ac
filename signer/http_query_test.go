package signer

import (
	"slices"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

func TestQueryParameterGoesOutOnce(t *testing.T) {
	p, _ := Lookup("http_query")
	for _, c := range []struct{ name, value, query, want string }{
		{"token", canary, "", "token=" + canary},
		{"token", canary, "?", "token=" + canary},
		{"token", canary, "?a=b%20c&d", "a=b%20c&d&token=" + canary},
		{"token", canary, "?token=mine&a=1&Token=2&%74oken=3&TOKE%4e", "a=1&token=" + canary},
		{"token", canary, "?mytoken=1&token2=2&token=3", "mytoken=1&token2=2&token=" + canary},
		{"X-Key", canary, "?x-key=1", "X-Key=" + canary},
		{"key", "a b+c/d=e&f%g#h?i~.-_;ü", "", "key=a%20b%2Bc%2Fd%3De%26f%25g%23h%3Fi~.-_%3B%C3%BC"},
	} {
		f := auth.Fields{"paramName": auth.NewSecret(c.name), "value": auth.NewSecret(c.value)}
		if err := p.Check(f); err != nil {
			t.Fatal(err)
		}
		out := sample(t, "GET", "https://models.example.com/a%2Fb"+c.query)
		applied, err := NewSet(&openVault{fields: f}, SetOptions{}).Sign(t.Context(), decide(p, "models.example.com/*"), out)
		if err != nil {
			t.Fatal(err)
		}
		if out.Target.RawQuery != c.want || !out.Target.HasQuery || out.Target.Path != "/a%2Fb" {
			t.Errorf("%s: %s, want %s", c.query, out.Target.RawQuery, c.want)
		}
		if got := reveal(applied); !slices.Equal(got, []string{c.value}) {
			t.Errorf("%s: %d masks", c.query, len(got))
		}
	}
	for _, f := range []map[string]string{{"paramName": "a=b"}, {"paramName": "a&b"}, {"paramName": "tök"}, {"value": " xxxxxxxx"}, {"value": "aaaaaaaa\x00b"}, {"value": "short12"}} {
		fields := sampleFields(p.Schema())
		for n, v := range f {
			fields[n] = auth.NewSecret(v)
		}
		if err := p.Check(fields); err == nil || strings.Count(err.Error(), ": ") != 2 {
			t.Errorf("%v: %v", f, err)
		}
	}
}
