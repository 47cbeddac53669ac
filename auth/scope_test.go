package auth

import (
	"strings"
	"testing"
)

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
				// Where no scope would help, nobody is sent to look for one.
				next := d.Denial().NextStep()
				if strings.Contains(d.Reason, "every scope") != strings.Contains(next, "No key of any scope") {
					t.Errorf("%s %s: %q, next %q", c.method, c.url, d.Reason, next)
				}
				if strings.Contains(d.Reason, "URL key") != strings.Contains(next, "URL key") {
					t.Errorf("%s %s: %q, next %q", c.method, c.url, d.Reason, next)
				}
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
