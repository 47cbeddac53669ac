package auth

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// broken expands badly, as asked.
type broken struct {
	plain
	rules []Rule
	err   error
	comp  []Companion
}

func (b broken) Expand(Pattern) ([]Rule, error) { return b.rules, b.err }
func (b broken) Companions() []Companion        { return b.comp }

type withHosts struct {
	plain
	hosts []string
}

func (w withHosts) Schema() Schema { return Schema{Name: w.name, Hosts: w.hosts} }

func TestCompileNamesEveryMistake(t *testing.T) {
	cred := func(id, name, provider string, patterns ...string) Credential {
		return Credential{ID: id, TeamID: "t", Name: name, Provider: provider, Patterns: patterns}
	}
	hash := func(key string) KeyHash {
		h, ok := HashAPIKey(key)
		if !ok {
			t.Fatal(key)
		}
		return h
	}
	a, b := hash("wbk_"+strings.Repeat("a", 43)), hash("hf_"+strings.Repeat("a", 43))
	for _, c := range []struct {
		name      string
		state     State
		providers []Provider
		want      []string
	}{
		{"unknown provider", State{Credentials: []Credential{cred("c", "tok", "nope", "h.example/*")}}, nil, []string{`"tok"`, `"nope"`}},
		{"bad pattern", State{Credentials: []Credential{cred("c", "tok", "bearer", "h.example/*", "*.com/*", "h.example/..")}}, nil, []string{`"tok"`, `"*.com/*"`, "public suffix", "dot segment"}},
		{"no patterns", State{Credentials: []Credential{cred("c", "tok", "bearer")}}, nil, []string{`"tok"`, "no patterns"}},
		{"no id", State{Credentials: []Credential{cred("", "tok", "bearer", "h.example/*")}, Keys: []Key{{Name: "w"}}}, nil, []string{`"tok"`, `"w"`, "no id"}},
		{"same credential id", State{Credentials: []Credential{cred("c", "one", "bearer", "h.example/*"), cred("c", "two", "bearer", "h.example/*")}}, nil, []string{`"one"`, `"two"`}},
		{"same key id", State{Keys: []Key{{ID: "k", Name: "one"}, {ID: "k", Name: "two"}}}, nil, []string{`"one"`, `"two"`}},
		{"same key value", State{Keys: []Key{{ID: "k1", Name: "one", Hash: a}, {ID: "k2", Name: "two", Hash: b}}}, nil, []string{`"one"`, `"two"`, "value"}},
		{"same URL key value", State{Keys: []Key{{ID: "k1", Name: "one", URLKeyHash: a}, {ID: "k2", Name: "two", URLKeyHash: b}}}, nil, []string{`"one"`, `"two"`, "URL key"}},
		{"bad route", State{Keys: []Key{{ID: "k", Name: "w", Routes: []string{"ftp://x"}}}}, nil, []string{`"w"`, "route", "ftp"}},
		{"bad scope", State{Keys: []Key{{ID: "k", Name: "w", Scope: "admin"}}}, nil, []string{`"w"`, `"admin"`}},
		{"bad policy", State{Keys: []Key{{ID: "k", Name: "w", Unmatched: "maybe"}}}, nil, []string{`"w"`, `"maybe"`}},
		{"link to nothing", State{Credentials: []Credential{cred("c", "tok", "bearer", "h.example/*")}, Keys: []Key{{ID: "k", TeamID: "t", Name: "w"}},
			Links: []Link{{CredentialID: "gone", KeyID: "k"}, {CredentialID: "c", KeyID: "lost"}}}, nil, []string{"gone", "lost", `"tok"`}},
		{"link across teams", State{Credentials: []Credential{cred("c", "tok", "bearer", "h.example/*")}, Keys: []Key{{ID: "k", TeamID: "other", Name: "w"}},
			Links: []Link{{CredentialID: "c", KeyID: "k"}}}, nil, []string{`"tok"`, `"w"`, "different teams"}},
		{"provider fails", State{Credentials: []Credential{cred("c", "tok", "odd", "h.example/*")}}, []Provider{broken{plain: plain{"odd"}, err: errors.New("canned")}}, []string{`"tok"`, `"odd"`, "canned"}},
		{"expansion without itself", State{Credentials: []Credential{cred("c", "tok", "odd", "h.example/*")}}, []Provider{broken{plain: plain{"odd"}}}, []string{`"tok"`, "not the pattern itself"}},
		{"expansion with nothing", State{Credentials: []Credential{cred("c", "tok", "odd", "h.example/*")}},
			[]Provider{broken{plain: plain{"odd"}, rules: []Rule{{Pattern: mustPattern(t, "h.example/*")}, {}}}}, []string{`"tok"`, "empty rule"}},
		{"provider twice", State{}, []Provider{plain{"odd"}, plain{"odd"}}, []string{`"odd"`}},
		{"provider without name", State{}, []Provider{plain{""}}, []string{"name is empty"}},
		{"bad companion", State{}, []Provider{broken{plain: plain{"odd"}, comp: []Companion{{Host: "*.x.example"}}}}, []string{`"odd"`, "companion"}},
		{"bad companion case", State{}, []Provider{broken{plain: plain{"odd"}, comp: []Companion{{Host: ".X.example"}}}}, []string{"lower-case"}},
		{"bad host", State{}, []Provider{withHosts{plain{"odd"}, []string{"x.example."}}}, []string{`"odd"`, "dot"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			providers := c.providers
			if providers == nil {
				providers = testProviders
			}
			snap, err := Compile(c.state, Options{Providers: providers})
			if err == nil || snap != nil {
				t.Fatal("compiled")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%v\ndoes not say %q", err, w)
				}
			}
		})
	}
}

func TestCompileDefaultsAndRepeats(t *testing.T) {
	y := newYard(t).credential("tok", "hub", nil).key("w", []string{"tok", "tok"})
	y.state.Revision = 7
	if got := y.snapshot().Revision(); got != 7 {
		t.Errorf("revision %d", got)
	}
	y.injects(y.decide("w", "GET", "https://hub.example/x"), "tok", "hub.example/*")
	if n := len(y.snapshot().keys["key_w"].linked); n != 1 {
		t.Errorf("a repeated link counts %d times", n)
	}
	if s := mustCompile(t, State{}); s == nil {
		t.Error("an empty house does not compile")
	}
}

// A snapshot keeps nothing of the state that its maker could change.
func TestSnapshotIsItsOwn(t *testing.T) {
	y := newYard(t).credential("tok", "hub", []string{"hub.example/*"}).key("w", []string{"tok"})
	q := y.ask("w", "GET", "https://hub.example/x")
	y.state.Credentials[0].Status = StatusRevoked
	y.state.Credentials[0].Patterns[0] = "other.example/*"
	y.state.Keys[0].RevokedAt = testNow
	y.injects(y.snapshot().Decide(q), "tok", "hub.example/*")
}

func TestIdentify(t *testing.T) {
	key, urlKey := NewAPIKey(), NewURLKey()
	h, _ := HashAPIKey(key.Reveal())
	u, _ := HashURLKey(urlKey.Reveal())
	record := Key{ID: "k", TeamID: "t", Name: "w", Hash: h, URLKeyHash: u, Scope: ScopeWrite}
	s := mustCompile(t, State{Keys: []Key{record, {ID: "k2", TeamID: "t", Name: "bare"}}})
	for what, ask := range map[string]func() (Identity, error){
		"key": func() (Identity, error) { return s.Identify(h, testNow) },
		"hf form": func() (Identity, error) {
			h, _ := HashAPIKey("hf_" + strings.TrimPrefix(key.Reveal(), "wbk_"))
			return s.Identify(h, testNow)
		},
		"id": func() (Identity, error) { return s.IdentifyID("k", testNow) },
	} {
		id, err := ask()
		if err != nil || id.KeyID != "k" || id.TeamID != "t" || id.KeyName != "w" || id.Scope != ScopeWrite || id.ViaURLKey || id.Implied {
			t.Errorf("%s: %+v, %v", what, id, err)
		}
	}
	id, err := s.IdentifyURLKey(u, testNow)
	if err != nil || !id.ViaURLKey || id.KeyID != "k" {
		t.Errorf("URL key: %+v, %v", id, err)
	}
	if id, err := s.IdentifyID("k2", testNow); err != nil || id.Scope != ScopeRead {
		t.Errorf("a key without scope: %+v, %v", id, err)
	}
	refused := func(err error, code Code) {
		t.Helper()
		var e *Error
		if !errors.As(err, &e) || e.Code != code || e.Reason == "" {
			t.Errorf("%v, want %s", err, code)
		}
	}
	// A URL key is no API key, an API key no URL key, and no hash is nobody's.
	for _, ask := range []func() (Identity, error){
		func() (Identity, error) { return s.Identify(u, testNow) },
		func() (Identity, error) { return s.IdentifyURLKey(h, testNow) },
		func() (Identity, error) { return s.Identify(KeyHash{}, testNow) },
		func() (Identity, error) { return s.IdentifyURLKey(KeyHash{}, testNow) },
		func() (Identity, error) { return s.IdentifyID("", testNow) },
		func() (Identity, error) { return s.IdentifyID("gone", testNow) },
	} {
		id, err := ask()
		refused(err, CodeKeyInvalid)
		if id != (Identity{}) {
			t.Errorf("a refusal identifies %+v", id)
		}
	}
	record.ExpiresAt = testNow
	s = mustCompile(t, State{Keys: []Key{record}})
	ended, err := s.Identify(h, testNow)
	refused(err, CodeKeyExpired)
	// The identity of a key that has ended is for the record only.
	if d := s.Decide(Question{Identity: ended, Method: "GET", Target: mustURL(t, "https://h.example/"), Unmatched: UnmatchedPass, Now: testNow}); ended.KeyID != "k" || d.Code != CodeKeyExpired {
		t.Errorf("%+v gets %+v", ended, d)
	}
	if id, err := s.IdentifyURLKey(u, testNow); err == nil || id.ViaURLKey {
		t.Errorf("%+v, %v", id, err)
	}
	if _, err = s.Identify(h, testNow.Add(-time.Nanosecond)); err != nil {
		t.Errorf("just before it expires: %v", err)
	}
	record.RevokedAt = testNow
	_, err = mustCompile(t, State{Keys: []Key{record}}).Identify(h, testNow)
	refused(err, CodeKeyRevoked)
}

// Tables are built on first use; any number of goroutines may be first.
func TestSnapshotIsSafeForConcurrentUse(t *testing.T) {
	y := newYard(t).credential("tok", "hub", []string{"hub.example/*"}).key("w", []string{"tok"})
	q := y.ask("w", "GET", "https://hub.example/x")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if d := y.snap.Decide(q); d.Outcome != Inject {
				t.Errorf("%+v", d)
			}
			y.snap.Connect(q.Identity, "hub.example", 443, UnmatchedDeny, testNow)
			y.snap.InterceptHosts("t1")
			y.snap.Explain(q)
		})
	}
	wg.Wait()
}

// A decision that allows allocates nothing.
func TestDecideDoesNotAllocate(t *testing.T) {
	y := newYard(t).credential("tok", "hub", []string{"hub.example/*", "*.hb.example/*"}).credential("w", "bearer", []string{"*.w.example/a/*/b*/**/c"}).
		key("w", []string{"tok", "w"}).key("routed", []string{"tok"}, routes("hub.example/*"))
	for _, c := range []struct{ key, url string }{
		{"w", "https://hub.example/org/repo/resolve/main/x.safetensors?download=true"},
		{"w", "https://a.w.example/a/x/bb/1/2/3/c"},
		{"w", "https://eu.cdn.hb.example/x?X-Amz-Signature=a&X-Amz-Credential=b"},
		{"w", "https://unmatched.example/x"},
		{"routed", "https://hub.example/org/x"},
	} {
		q := y.ask(c.key, "GET", c.url, pass)
		s := y.snapshot()
		if d := s.Decide(q); d.Outcome == Deny {
			t.Fatalf("%s: %s", c.url, d.Reason)
		}
		if n := testing.AllocsPerRun(100, func() { s.Decide(q) }); n != 0 {
			t.Errorf("%s: %v allocations", c.url, n)
		}
	}
}

// What is taken over from a snapshot before changes nothing: the same pattern
// is another one for another provider.
func TestCompileAfterAnother(t *testing.T) {
	state := func(hub, bearer string) State {
		return State{
			Credentials: []Credential{
				{ID: "c1", TeamID: "t", Name: "one", Provider: "hub", Patterns: []string{hub}, Status: StatusValid},
				{ID: "c2", TeamID: "t", Name: "two", Provider: "bearer", Patterns: []string{bearer}, Status: StatusValid},
			},
			Keys:  []Key{{ID: "k", TeamID: "t", Name: "w"}},
			Links: []Link{{CredentialID: "c1", KeyID: "k"}, {CredentialID: "c2", KeyID: "k"}},
		}
	}
	const a, b = "huggingface.co/acme/*", "models.example.com/acme/*"
	var before *Snapshot
	for i, st := range []State{state(a, b), state(a, b), state(b, a), state(a, a), state(b, b)} {
		providers := []Provider{hub{}, plain{name: "bearer"}}
		alone, err := Compile(st, Options{Providers: providers})
		if err != nil {
			t.Fatal(err)
		}
		if before, err = Compile(st, Options{Providers: providers, Previous: before}); err != nil {
			t.Fatal(err)
		}
		for _, url := range []string{"https://huggingface.co/acme/x", "https://huggingface.co/datasets/acme/x/y", "https://models.example.com/acme/x", "https://models.example.com/datasets/acme/x/y"} {
			decide := func(s *Snapshot) Decision {
				id, err := s.IdentifyID("k", time.Time{})
				if err != nil {
					t.Fatal(err)
				}
				return s.Decide(Question{Identity: id, Method: "GET", Target: mustURL(t, url)})
			}
			if want, got := decide(alone), decide(before); got.Outcome != want.Outcome || got.CredentialID != want.CredentialID || got.Rule != want.Rule || got.Code != want.Code {
				t.Errorf("state %d, %s: %v by %q, not %v by %q", i, url, got.Outcome, got.Rule, want.Outcome, want.Rule)
			}
		}
		if len(before.expanded) != len(alone.expanded) {
			t.Errorf("state %d: %d expansions are kept, not %d", i, len(before.expanded), len(alone.expanded))
		}
	}
}
