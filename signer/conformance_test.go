package signer

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// forEach runs what every provider must hold, a new one included: it knows
// nothing about any of them but what they declare.
func forEach(t *testing.T, f func(t *testing.T, p auth.Provider)) {
	if len(Providers()) == 0 {
		t.Fatal("no provider is registered")
	}
	for _, p := range Providers() {
		t.Run(p.Schema().Name, func(t *testing.T) { f(t, p) })
	}
}

// forEachStateless leaves out the providers whose patterns mean more than one
// host and whose signatures depend on the request; they hold the same by tests
// of their own.
func forEachStateless(t *testing.T, f func(t *testing.T, p auth.Provider)) {
	forEach(t, func(t *testing.T, p auth.Provider) {
		if _, ok := p.(stateful); !ok {
			f(t, p)
		}
	})
}

func TestConformanceSchema(t *testing.T) {
	names := []string{}
	forEach(t, func(t *testing.T, p auth.Provider) {
		s := p.Schema()
		names = append(names, s.Name)
		if got, ok := Lookup(s.Name); !ok || got.Schema().Name != s.Name {
			t.Error("Lookup does not find it")
		}
		if !regexp.MustCompile(`^[a-z][a-z0-9_]*$`).MatchString(s.Name) || s.Title == "" || s.Help == "" {
			t.Errorf("name %q, title %q, help %q: incomplete", s.Name, s.Title, s.Help)
		}
		secrets := 0
		for _, f := range s.Fields {
			if f.Name == "" || f.Title == "" {
				t.Errorf("field %+v: incomplete", f)
			}
			if f.Secret {
				secrets++
			}
			if f.Preview && (!f.Secret || strings.Contains(strings.ToLower(f.Name), "password")) {
				t.Errorf("field %s: a preview of it must not be shown", f.Name)
			}
		}
		if secrets == 0 {
			t.Error("no field is secret")
		}
		for _, n := range p.(provider).needs() {
			_, chooses := p.(chooser)
			if !slices.ContainsFunc(s.Fields, func(f auth.Field) bool { return f.Name == n && (f.Required || chooses) }) {
				t.Errorf("it needs %s, which is no required field", n)
			}
		}
		// What Schema returns belongs to the caller.
		s.Fields[0].Name = "changed"
		if p.Schema().Fields[0].Name == "changed" {
			t.Error("Schema hands out its own memory")
		}
	})
	if !slices.IsSorted(names) {
		t.Errorf("Providers is not sorted: %v", names)
	}
}

func TestConformanceExpand(t *testing.T) {
	forEachStateless(t, func(t *testing.T, p auth.Provider) {
		rule, _ := samplePattern(t, p)
		patterns := append([]string{rule, "models.example.com/*", "http://models.example.com:8080/a/*"}, p.Schema().DefaultPatterns...)
		for _, text := range patterns {
			q := pattern(t, text)
			rules, err := p.Expand(q)
			if err != nil {
				t.Fatal(err)
			}
			if !rules[0].Pattern.Equal(q) {
				t.Errorf("%s: the first rule is %s", text, rules[0].Pattern)
			}
			for _, r := range rules {
				if r.Pattern.Host() != q.Host() || r.Pattern.Port() != q.Port() || r.Pattern.Scheme() != q.Scheme() {
					t.Errorf("%s expands to another server: %s", text, r.Pattern)
				}
			}
		}
	})
}

func TestConformanceCheck(t *testing.T) {
	forEach(t, func(t *testing.T, p auth.Provider) {
		s := p.Schema()
		if err := p.Check(sampleFields(s)); err != nil {
			t.Fatalf("good fields are refused: %v", err)
		}
		problems := func(f auth.Fields) []Problem {
			t.Helper()
			err := p.Check(f)
			var e *FieldsError
			if !errors.As(err, &e) {
				t.Fatalf("error %v, want *FieldsError", err)
			}
			noCanary(t, "the error", err.Error())
			return e.Problems
		}
		for _, field := range s.Fields {
			if field.Required {
				f := sampleFields(s)
				delete(f, field.Name)
				if got := problems(f); len(got) != 1 || got[0].Field != field.Name || got[0].Message != "is required" {
					t.Errorf("without %s: %v", field.Name, got)
				}
			}
			for what, value := range map[string]string{
				"a line end":    canary + "\r\nX-Evil: 1",
				"a final \\n":   canary + "\n",
				"a NUL":         canary + "\x00",
				"the redaction": auth.Redacted,
				"too much":      strings.Repeat(canary, 1000),
			} {
				f := sampleFields(s)
				f[field.Name] = auth.NewSecret(value)
				if got := problems(f); len(got) != 1 || got[0].Field != field.Name {
					t.Errorf("%s with %s: %v", field.Name, what, got)
				}
			}
		}
		// Everything wrong at once, an unknown name with the one it was for.
		first := s.Fields[0].Name
		wrong := auth.Fields{strings.ToUpper(first[:len(first)-1]): auth.NewSecret(canary), "zzzzqqqq": auth.NewSecret(canary)}
		got := problems(wrong)
		text := fmt.Sprint(got)
		if !strings.Contains(text, "did you mean "+first+"?") {
			t.Errorf("no suggestion for a slip of %s: %s", first, text)
		}
		required := 0
		for _, field := range s.Fields {
			if field.Required {
				required++
			}
		}
		if _, ok := p.(stateful); ok { // what is required depends on other fields
			required = len(problems(auth.Fields{}))
		}
		if strings.Count(text, "did you mean") != 1 || len(got) != required+2 {
			t.Errorf("not every mistake is named once: %s", text)
		}
	})
}

func TestConformanceSignIsDeterministicAndIdempotent(t *testing.T) {
	forEachStateless(t, func(t *testing.T, p auth.Provider) {
		rule, url := samplePattern(t, p)
		vault := &openVault{fields: sampleFields(p.Schema())}
		set := NewSet(vault, exchanging())
		first, second := sample(t, "GET", url), sample(t, "GET", url)
		a1, err := set.Sign(context.Background(), decide(p, rule), first)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := NewSet(vault, exchanging()).Sign(context.Background(), decide(p, rule), second); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(first, second) {
			t.Errorf("the same request signed differently: %v and %v", first, second)
		}
		a2, err := set.Sign(context.Background(), decide(p, rule), first)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(first, second) || !reflect.DeepEqual(reveal(a1), reveal(a2)) {
			t.Errorf("signing twice is not signing once: %v and %v", first, second)
		}
		if vault.id != "cred_1" || vault.ver != 7 || !slices.Equal(vault.asked, needsOf(p.(provider), decide(p, rule))) {
			t.Errorf("opened %v of %s, version %d", vault.asked, vault.id, vault.ver)
		}
		if unsigned := sample(t, "GET", url); first.Method != unsigned.Method || first.Target.Path != unsigned.Target.Path ||
			first.Target.Host != unsigned.Target.Host || first.Header.Get("Range") != "bytes=0-99" {
			t.Error("signing changed more than it may")
		}
	})
}

func needsOf(p provider, d auth.Decision) []string {
	if c, ok := p.(chooser); ok {
		return c.choose(d.Params)
	}
	return p.needs()
}

func reveal(a auth.Applied) []string {
	var out []string
	for _, s := range a.Mask {
		out = append(out, s.Reveal())
	}
	return out
}

// Everything that signing put on the request must be masked in answers, in
// the form in which it was put on.
func TestConformanceMaskCoversWhatWasPutOn(t *testing.T) {
	forEachStateless(t, func(t *testing.T, p auth.Provider) {
		rule, url := samplePattern(t, p)
		for _, u := range []string{url, strings.Replace(url, "/resolve/main/model.safetensors?", ".git/info/lfs/objects/batch?", 1)} {
			out := sample(t, "POST", u)
			before := fmt.Sprint(*out.Header.(*headerLines))
			query := out.Target.RawQuery
			set := NewSet(&openVault{fields: sampleFields(p.Schema())}, exchanging())
			applied, err := set.Sign(context.Background(), decide(p, rule), out)
			if err != nil {
				t.Fatal(err)
			}
			put := 0
			if sent := out.Target.RawQuery; sent != query {
				put++
				for _, m := range applied.Mask {
					sent = strings.ReplaceAll(sent, m.Reveal(), "")
				}
				if strings.Contains(sent, trace[:len(trace)/2]) {
					t.Error("the query is not masked")
				}
			}
			for _, f := range *out.Header.(*headerLines) {
				if strings.Contains(before, f.Value) {
					continue
				}
				put++
				rest := f.Value
				for _, m := range applied.Mask {
					rest = strings.ReplaceAll(rest, m.Reveal(), "")
				}
				if !regexp.MustCompile(`^([A-Z][a-z]+ )?$`).MatchString(rest) {
					t.Errorf("%s: %d bytes are not masked", f.Name, len(rest))
				}
			}
			if put == 0 {
				t.Error("nothing was put on")
			}
			if !strings.Contains(strings.Join(reveal(applied), " "), trace) {
				t.Error("the secret itself is not masked")
			}
		}
	})
}

func TestConformanceSignRefuses(t *testing.T) {
	forEachStateless(t, func(t *testing.T, p auth.Provider) {
		rule, url := samplePattern(t, p)
		host := pattern(t, rule).Host()
		good := decide(p, rule)
		change := func(f func(d *auth.Decision)) auth.Decision {
			d := good
			f(&d)
			return d
		}
		cases := []struct {
			name string
			d    auth.Decision
			url  string
			want string
		}{
			{"T18 another host", good, "https://evil.example.net/?next=" + host, "not one that the rule matches"},
			{"T18 a host that ends so", good, "https://" + host + ".evil.example.net/x", "not one that the rule matches"},
			{"T18 a host that begins so", good, "https://evil" + host + "/x", "not one that the rule matches"},
			{"a host below", good, "https://a." + host + "/x", "not one that the rule matches"},
			{"another port", good, "https://" + host + ":8443/x", "not one that the rule matches"},
			{"T07 cleartext", good, "http://" + host + "/x", "not https"},
			{"T07 cleartext on the port of TLS", good, "http://" + host + ":443/x", "not https"},
			{"TLS where the rule says cleartext", change(func(d *auth.Decision) { d.Rule, d.Written = "http://"+rule, "http://"+rule }), "https://" + host + "/x", "another scheme"},
			{"T08 signed", change(func(d *auth.Decision) { d.Signed = true }), url, "already carries a signature"},
			{"a companion", change(func(d *auth.Decision) { d.Companion = true }), url, "never gets a credential"},
			{"allowed bare", change(func(d *auth.Decision) { d.Outcome = auth.Bare }), url, "the decision was not to use it"},
			{"denied", change(func(d *auth.Decision) { d.Outcome = auth.Deny }), url, "the decision was not to use it"},
			{"no credential", change(func(d *auth.Decision) { d.CredentialID = "" }), url, "names no credential"},
			{"no provider", change(func(d *auth.Decision) { d.Provider = nil }), url, "names no provider"},
			{"a provider that decides only", change(func(d *auth.Decision) { d.Provider = struct{ auth.Provider }{p} }), url, "cannot sign"},
			{"no rule", change(func(d *auth.Decision) { d.Rule = "" }), url, "not a pattern"},
			{"a rule from nowhere", change(func(d *auth.Decision) { d.Written = "elsewhere.example.org/*" }), url, "does not follow"},
		}
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				vault := &openVault{fields: sampleFields(p.Schema())}
				out, untouched := sample(t, "GET", c.url), sample(t, "GET", c.url)
				applied, err := NewSet(vault, exchanging()).Sign(context.Background(), c.d, out)
				wantRefusal(t, err, c.want)
				if !reflect.DeepEqual(out, untouched) || len(applied.Mask) != 0 {
					t.Error("the request was changed")
				}
				if vault.calls != 0 {
					t.Error("the secret was opened for nothing")
				}
			})
		}
	})
}

func TestConformanceCleartextWhereThePatternSaysSo(t *testing.T) {
	forEachStateless(t, func(t *testing.T, p auth.Provider) {
		rule, _ := samplePattern(t, p)
		d := decide(p, "http://"+rule)
		set := NewSet(&openVault{fields: sampleFields(p.Schema())}, exchanging())
		if _, err := set.Sign(context.Background(), d, sample(t, "GET", "http://"+pattern(t, rule).Host()+"/x")); err != nil {
			t.Error(err)
		}
	})
}

// A companion never gets the credential, even where a rule names it.
func TestT11_CompanionsNeverGetTheCredential(t *testing.T) {
	forEach(t, func(t *testing.T, p auth.Provider) {
		for _, c := range p.Companions() {
			host := c.Host
			if strings.HasPrefix(host, ".") {
				host = "a.b" + host
			}
			rules, err := p.Expand(pattern(t, host+"/*"))
			if err != nil {
				t.Fatal(err)
			}
			if !rules[0].Bare {
				t.Errorf("a pattern for %s injects", host)
			}
			vault := &openVault{fields: sampleFields(p.Schema())}
			_, err = NewSet(vault, exchanging()).Sign(context.Background(), decide(p, host+"/*"), sample(t, "GET", "https://"+host+"/x"))
			wantRefusal(t, err, "without a credential")
			// Nor by the check of the target itself.
			a := &audience{provider: p.(provider), pattern: pattern(t, host+"/*"), companions: p.Companions()}
			to := target(t, "https://"+host+"/x")
			if why := a.refuses("GET", &to, false); !strings.Contains(why, "never") {
				t.Errorf("%s: %q", host, why)
			}
		}
	})
}

// T15: an error of the vault is a refusal, never a request without credential.
func TestT15_VaultErrorIsARefusal(t *testing.T) {
	forEachStateless(t, func(t *testing.T, p auth.Provider) {
		rule, url := samplePattern(t, p)
		cause := errors.New("the row does not open")
		vaults := map[string]Vault{
			"could not be opened": &openVault{err: cause},
			"is missing":          &openVault{fields: auth.Fields{}},
			"there is no vault":   nil,
		}
		for want, v := range vaults {
			out, untouched := sample(t, "GET", url), sample(t, "GET", url)
			_, err := NewSet(v, exchanging()).Sign(context.Background(), decide(p, rule), out)
			wantRefusal(t, err, want)
			if want == "could not be opened" && !errors.Is(err, cause) {
				t.Error("the cause is lost")
			}
			if !reflect.DeepEqual(out, untouched) {
				t.Error("the request was changed")
			}
		}
		// A stored value that would break the header is not sent either.
		for _, bad := range []string{canary + "\r\nX-Evil: 1", canary + "\x00", canary + "\n"} {
			f := sampleFields(p.Schema())
			for _, field := range p.Schema().Fields {
				if field.Secret {
					f[field.Name] = auth.NewSecret(bad)
				}
			}
			out, untouched := sample(t, "GET", url), sample(t, "GET", url)
			_, err := NewSet(&openVault{fields: f}, exchanging()).Sign(context.Background(), decide(p, rule), out)
			wantRefusal(t, err, "could not be put on the request")
			if !reflect.DeepEqual(out, untouched) {
				t.Error("the request was changed")
			}
		}
	})
}

type endingVault struct {
	Vault
	end context.CancelFunc
}

func (v endingVault) OpenFields(ctx context.Context, id string, version uint64, names ...string) (auth.Fields, error) {
	f, err := v.Vault.OpenFields(ctx, id, version, names...)
	v.end()
	return f, err
}

func TestConformanceObeysContext(t *testing.T) {
	forEachStateless(t, func(t *testing.T, p auth.Provider) {
		rule, url := samplePattern(t, p)
		vault := &openVault{fields: sampleFields(p.Schema())}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := NewSet(vault, exchanging()).Sign(ctx, decide(p, rule), sample(t, "GET", url))
		wantRefusal(t, err, "the request has ended")
		if !errors.Is(err, context.Canceled) || vault.calls != 0 {
			t.Errorf("error %v after %d calls", err, vault.calls)
		}
		ctx, cancel = context.WithCancel(context.Background())
		defer cancel()
		out, untouched := sample(t, "GET", url), sample(t, "GET", url)
		_, err = NewSet(endingVault{vault, cancel}, exchanging()).Sign(ctx, decide(p, rule), out)
		wantRefusal(t, err, "the request has ended")
		if !reflect.DeepEqual(out, untouched) {
			t.Error("the request was signed after its end")
		}
	})
}

func TestT55_SecretStaysOutOfText(t *testing.T) {
	forEachStateless(t, func(t *testing.T, p auth.Provider) {
		rule, url := samplePattern(t, p)
		fields := sampleFields(p.Schema())
		set := NewSet(&openVault{}, exchanging())
		set.vault = &openVault{fields: fields}
		d := decide(p, rule)
		applied, err := set.Sign(context.Background(), d, sample(t, "GET", url))
		if err != nil {
			t.Fatal(err)
		}
		pair := base64.StdEncoding.EncodeToString([]byte(plainText + ":" + canary))
		for _, v := range []any{applied, &applied, fields, d, set, p, p.Schema()} {
			text := fmt.Sprintf("%v %+v %#v %s %q", v, v, v, v, v)
			if b, err := json.Marshal(v); err == nil {
				text += string(b)
			}
			noCanary(t, fmt.Sprintf("%T", v), text)
			if strings.Contains(text, pair) {
				t.Errorf("%T shows the pair", v)
			}
		}
	})
}

func TestConformanceConcurrent(t *testing.T) {
	var wg sync.WaitGroup
	for _, p := range Providers() {
		if _, ok := p.(stateful); ok {
			continue
		}
		set := NewSet(readyVault{sampleFields(p.Schema())}, exchanging())
		for range 4 {
			wg.Go(func() {
				rule, url := samplePattern(t, p)
				for range 50 {
					if _, err := set.Sign(context.Background(), decide(p, rule), sample(t, "GET", url)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
}

// sharedVault gives every field that is asked for and keeps no record.
type sharedVault struct{}

func (sharedVault) OpenFields(_ context.Context, _ string, _ uint64, names ...string) (auth.Fields, error) {
	f := auth.Fields{}
	for _, n := range names {
		f[n] = auth.NewSecret(canary)
	}
	return f, nil
}

func TestAudiencesAreBounded(t *testing.T) {
	p, _ := Lookup("http_bearer")
	set := NewSet(sharedVault{}, exchanging())
	full := make(map[audienceKey]*audience)
	for i := range maxAudiences {
		full[audienceKey{rule: fmt.Sprint(i)}] = &audience{}
	}
	set.audiences.Store(&full)
	if _, err := set.Sign(context.Background(), decide(p, "models.example.com/*"), sample(t, "GET", "https://models.example.com/x")); err != nil {
		t.Fatal(err)
	}
	if n := len(*set.audiences.Load()); n != 1 {
		t.Errorf("%d audiences remembered after the bound was met, want 1", n)
	}
}

func TestRegisterRefusesDuplicates(t *testing.T) {
	defer func() {
		if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "two providers") {
			t.Errorf("panic %v, want one that says so", r)
		}
	}()
	register(httpBearer{})
}
