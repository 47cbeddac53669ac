package signer

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// canary is the secret of every test: it may appear in what is sent and
// nowhere else.
const canary = "hf_CanaryCanaryCanaryCanaryCanary1234"

// trace is in every secret of the tests, also where its form is given.
const trace = "CanaryCanaryCanary"

// plainText is a value for fields that are not secret; it is a user name and a
// header field name.
const plainText = "X-Sample-1"

// field is one line of a header.
type headerLines []auth.HeaderField

func (h *headerLines) Get(name string) string {
	for _, f := range *h {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

func (h *headerLines) Values(name string) []string {
	var out []string
	for _, f := range *h {
		if strings.EqualFold(f.Name, name) {
			out = append(out, f.Value)
		}
	}
	return out
}

func (h *headerLines) Set(name, value string) {
	h.Del(name)
	h.Add(name, value)
}

func (h *headerLines) Each(f func(name, value string)) {
	for _, l := range *h {
		f(l.Name, l.Value)
	}
}

func (h *headerLines) Add(name, value string) {
	*h = append(*h, auth.HeaderField{Name: name, Value: value})
}

func (h *headerLines) Del(name string) {
	kept := (*h)[:0]
	for _, f := range *h {
		if !strings.EqualFold(f.Name, name) {
			kept = append(kept, f)
		}
	}
	*h = kept
}

// sample is a request as the road hands it over: cleaned, not signed.
func sample(t testing.TB, method, url string) *auth.Outgoing {
	t.Helper()
	return &auth.Outgoing{Method: method, Target: target(t, url), Header: &headerLines{
		{Name: "User-Agent", Value: "worker/1"},
		{Name: "Accept", Value: "*/*"},
		{Name: "Range", Value: "bytes=0-99"},
	}}
}

func target(t testing.TB, url string) auth.Target {
	t.Helper()
	out, err := auth.ParseURL(url)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	return out
}

func pattern(t testing.TB, text string) auth.Pattern {
	t.Helper()
	p, err := auth.ParsePattern(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// decide is a decision that injects by one rule, written as it decided.
func decide(p auth.Provider, rule string) auth.Decision {
	s := p.Schema()
	params := map[string]string{}
	for name, v := range sampleFields(s) {
		if slices.ContainsFunc(s.Fields, func(f auth.Field) bool { return f.Name == name && !f.Secret }) {
			params[name] = v.Reveal()
		}
	}
	return auth.Decision{
		Outcome: auth.Inject, Reason: "test", Provider: p, Rule: rule, Written: rule, Params: params,
		CredentialID: "cred_1", CredentialName: "production", Version: 7,
	}
}

// openVault holds the fields of one credential and records what is asked.
type openVault struct {
	fields auth.Fields
	err    error
	asked  []string
	id     string
	ver    uint64
	calls  int
}

func (v *openVault) OpenFields(ctx context.Context, id string, version uint64, names ...string) (auth.Fields, error) {
	v.calls++
	v.id, v.ver, v.asked = id, version, append([]string(nil), names...)
	if v.err != nil {
		return nil, v.err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := auth.Fields{}
	for _, n := range names {
		if f, ok := v.fields[n]; ok {
			out[n] = f
		}
	}
	return out, nil
}

// samples are the fields of providers whose secret has a form of its own. The
// trace is in each of them.
var samples = map[string]map[string]string{
	"gcs":          {"serviceAccountJson": serviceAccountKey},
	"oci_registry": {"username": plainText, "password": canary},
	"azure_blob":   {"sasToken": "sv=2022-11-02&sr=c&sp=r&se=2030-01-01&sig=CanaryCanaryCanaryCanaryCanaryCanaryCanary0="},
}

// sampleFields fills every field of a provider, from its schema alone where
// the secret may be anything.
func sampleFields(s auth.Schema) auth.Fields {
	f := auth.Fields{}
	if own, ok := samples[s.Name]; ok {
		for name, v := range own {
			f[name] = auth.NewSecret(v)
		}
		return f
	}
	for _, field := range s.Fields {
		switch {
		case field.Secret:
			f[field.Name] = auth.NewSecret(canary)
		case field.Example != "":
			f[field.Name] = auth.NewSecret(field.Example)
		case len(field.Options) > 0:
			f[field.Name] = auth.NewSecret(field.Options[0])
		default:
			f[field.Name] = auth.NewSecret(plainText)
		}
	}
	return f
}

// samplePattern is a pattern that injects, and a URL that it matches.
func samplePattern(t testing.TB, p auth.Provider) (rule, url string) {
	t.Helper()
	patterns := p.Schema().DefaultPatterns
	if len(patterns) == 0 {
		patterns = []string{"models.example.com/*"}
	}
	for _, text := range patterns {
		text = strings.Replace(text, "*.", "acct.", 1)
		rules, err := p.Expand(pattern(t, text))
		if err != nil {
			t.Fatal(err)
		}
		if !rules[0].Bare {
			return text, "https://" + rules[0].Pattern.Host() + "/acme/weights/resolve/main/model.safetensors?download=true&x=%2B"
		}
	}
	t.Fatalf("%s: no default pattern injects", p.Schema().Name)
	return "", ""
}

func fixedClock() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

// wantRefusal checks that err is the one error of Sign, that it keeps the
// canary to itself, and that it says want.
func wantRefusal(t *testing.T, err error, want string) {
	t.Helper()
	var e *auth.Error
	if !errors.As(err, &e) || e.Code != auth.CodeCredentialFailed {
		t.Fatalf("error %v, want one with code %s", err, auth.CodeCredentialFailed)
	}
	if !strings.Contains(e.Reason, want) {
		t.Errorf("reason %q does not say %q", e.Reason, want)
	}
	noCanary(t, "reason", e.Error())
}

func noCanary(t *testing.T, what, text string) {
	t.Helper()
	if strings.Contains(text, trace) {
		t.Errorf("%s shows the secret", what)
	}
}
