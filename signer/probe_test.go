package signer

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// upstreams is every host there is, on one TLS server.
type upstreams struct {
	t      *testing.T
	set    *Set
	server *httptest.Server

	mu   sync.Mutex
	seen []*http.Request
}

func newUpstreams(t *testing.T, handler http.HandlerFunc) *upstreams {
	u := &upstreams{t: t}
	u.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		u.seen = append(u.seen, r.Clone(context.Background()))
		u.mu.Unlock()
		handler(w, r)
	}))
	t.Cleanup(u.server.Close)
	client := u.server.Client()
	tr := client.Transport.(*http.Transport).Clone()
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, u.server.Listener.Addr().String())
	}
	// The server's certificate is for example.com.
	tr.TLSClientConfig.ServerName = "example.com"
	tr.DisableKeepAlives = true
	client.Transport = tr
	u.set = NewSet(nil, SetOptions{Client: client, Now: fixedClock})
	t.Cleanup(u.set.Close)
	return u
}

// probe asks, and checks that nothing of the secret is in the report.
func (u *upstreams) probe(provider string, fields map[string]string, patterns []string, resource string) auth.Report {
	u.t.Helper()
	p, ok := Lookup(provider)
	if !ok {
		u.t.Fatal(provider)
	}
	q := auth.Inquiry{Credential: auth.Credential{Provider: provider, Patterns: patterns, Params: map[string]string{}}, Fields: auth.Fields{}, Resource: resource}
	for _, f := range p.Schema().Fields {
		if v := fields[f.Name]; v != "" {
			q.Fields[f.Name] = auth.NewSecret(v)
			if !f.Secret {
				q.Credential.Params[f.Name] = v
			}
		}
	}
	if patterns == nil {
		q.Credential.Patterns = p.Schema().DefaultPatterns
	}
	r := u.set.Probe(u.t.Context(), q)
	b, err := json.Marshal(r)
	if err != nil {
		u.t.Fatal(err)
	}
	noCanary(u.t, "the report", string(b))
	return r
}

func (u *upstreams) requests() []*http.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.seen
}

func hub(t *testing.T, answer string) *upstreams {
	return newUpstreams(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer "+canary:
			w.WriteHeader(401)
			_, _ = fmt.Fprintf(w, `{"error":"Invalid credentials in Authorization header: %s"}`, r.Header.Get("Authorization"))
		case r.URL.Path == "/api/whoami-v2":
			_, _ = w.Write([]byte(answer))
		case r.URL.Path == "/api/models/acme/gated/auth-check":
			w.Header().Set("X-Error-Code", "GatedRepo")
			w.WriteHeader(403)
		case r.URL.Path == "/api/datasets/acme/open/auth-check":
			_, _ = w.Write([]byte("{}"))
		default:
			w.WriteHeader(404)
		}
	})
}

func contains1(lines []string, want string) bool {
	return strings.Contains(strings.Join(lines, "\n"), want)
}

func TestProbe_HubToken(t *testing.T) {
	const head = `{"type":"user","name":"alice","auth":{"type":"access_token","accessToken":{"displayName":"ci",`
	for _, c := range []struct {
		name, answer, fact, warning string
	}{
		{"read", head + `"role":"read"}}}`, "role: read", ""},
		{"write", head + `"role":"write"}}}`, "role: write", "may write"},
		{"fine-grained", head + `"role":"fineGrained","fineGrained":{"canReadGatedRepos":true,"global":[],"scoped":[{"entity":{"type":"org","name":"acme"},"permissions":["repo.content.read"]}]}}}}`, "scope: org acme: repo.content.read", ""},
		{"fine-grained that writes", head + `"role":"fineGrained","fineGrained":{"canReadGatedRepos":true,"scoped":[{"entity":{"type":"org","name":"acme"},"permissions":["repo.write"]}]}}}}`, "repo.write", "may write"},
		{"fine-grained without gated", head + `"role":"fineGrained","fineGrained":{"canReadGatedRepos":false}}}}`, "account: alice", "may not read gated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := hub(t, c.answer)
			r := u.probe("huggingface", map[string]string{"token": canary}, nil, "")
			if r.Verdict != auth.VerdictValid || !contains1(r.Facts, c.fact) || (c.warning == "") != (len(r.Warnings) == 0) || !contains1(r.Warnings, c.warning) {
				t.Errorf("%+v", r)
			}
			if r.Asked != "GET https://huggingface.co/api/whoami-v2" || !r.At.Equal(fixedClock()) {
				t.Errorf("asked %q at %v", r.Asked, r.At)
			}
		})
	}
	u := hub(t, `{"name":"alice","auth":{"type":"oauth","expiresAt":"2026-11-22T08:00:00.000Z"}}`)
	if r := u.probe("huggingface", map[string]string{"token": canary}, nil, ""); !r.ExpiresAt.Equal(time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)) {
		t.Errorf("OAuth: %+v", r)
	}
	// The answer repeats the token, which is not shown.
	r := u.probe("huggingface", map[string]string{"token": "hf_another" + trace + "0000"}, nil, "")
	if r.Verdict != auth.VerdictInvalid || r.Next == "" || !strings.Contains(r.Answer, "401") {
		t.Errorf("%+v", r)
	}
	n := len(u.requests())
	r = u.probe("huggingface", map[string]string{"token": canary}, []string{"hub.corp.example.com/*"}, "")
	if r.Verdict != auth.VerdictUnasked || len(u.requests()) != n {
		t.Errorf("a token for another host: %+v", r)
	}
}

func TestProbe_HubRepository(t *testing.T) {
	u := hub(t, `{"name":"alice","auth":{"accessToken":{"role":"read"}}}`)
	for _, c := range []struct {
		resource, says, next string
		reached              bool
	}{
		{"acme/gated", "licence is not accepted", "https://huggingface.co/acme/gated", false},
		{"datasets/acme/open", "may be read", "", true},
		{"acme/none", "there is no repository", "https://huggingface.co/acme/none", false},
		{"../../api/x", "is not named as", "", false},
	} {
		r := u.probe("huggingface", map[string]string{"token": canary}, nil, c.resource)
		if r.Verdict != auth.VerdictValid || r.Reached != c.reached || r.Resource != c.resource ||
			!contains1(append(r.Facts, r.Warnings...), c.says) || !strings.Contains(r.Next, c.next) {
			t.Errorf("%s: %+v", c.resource, r)
		}
	}
}

func TestProbe_Generic(t *testing.T) {
	for _, c := range []struct {
		provider string
		fields   map[string]string
		header   string
		value    string
	}{
		{"http_bearer", map[string]string{"token": canary}, "Authorization", "Bearer " + canary},
		{"http_basic", map[string]string{"username": "alice", "password": canary}, "Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("alice:"+canary))},
		{"http_api_key", map[string]string{"headerName": "X-Key", "headerValue": canary}, "X-Key", canary},
	} {
		t.Run(c.provider, func(t *testing.T) {
			status, headers, body := 206, http.Header{}, ""
			u := newUpstreams(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method != "GET" || r.Host != "models.example.com" || r.URL.Path != "/private/file" || r.Header.Get("Range") != "bytes=0-0" || r.Header.Get(c.header) != c.value {
					t.Errorf("%s %s%s %v", r.Method, r.Host, r.URL, r.Header)
				}
				for k, v := range headers {
					w.Header()[k] = v
				}
				w.WriteHeader(status)
				_, _ = w.Write([]byte(body))
			})
			patterns := []string{"models.example.com/*"}
			if r := u.probe(c.provider, c.fields, patterns, ""); r.Verdict != auth.VerdictUnasked || len(u.requests()) != 0 {
				t.Errorf("without a URL: %+v", r)
			}
			c.fields["validationUrl"] = "https://models.example.com/private/file"
			ask := func() auth.Report { return u.probe(c.provider, c.fields, patterns, "") }
			if r := ask(); r.Verdict != auth.VerdictValid || r.Asked != "GET https://models.example.com/private/file" {
				t.Errorf("%+v", r)
			}
			for _, s := range []int{401, 403} {
				status, body = s, `{"message":"no such key in the realm"}`
				if r := ask(); r.Verdict != auth.VerdictInvalid || !strings.Contains(r.Answer, "no such key in the realm") {
					t.Errorf("%d: %+v", s, r)
				}
			}
			// The upstream's words are not shown where they hold a part of it.
			for _, words := range []string{canary, "bad key …" + canary[len(canary)-9:], base64.StdEncoding.EncodeToString([]byte("x" + canary)), c.value} {
				body = fmt.Sprintf(`{"error":%q}`, words)
				if r := ask(); r.Verdict != auth.VerdictInvalid || !strings.Contains(r.Answer, "not shown") {
					t.Errorf("%+v", r)
				}
			}
			body = ""
			for _, s := range []int{404, 500, 502, 503, 429} {
				status = s
				headers.Set("Retry-After", "77")
				r := ask()
				if r.Verdict != auth.VerdictUnknown || (r.Wait == 77*time.Second) != (s == 429 || s == 503) {
					t.Errorf("%d: %+v", s, r)
				}
			}
			patterns = []string{"models.example.com/other/*"}
			n := len(u.requests())
			if r := ask(); r.Verdict != auth.VerdictUnasked || len(u.requests()) != n {
				t.Errorf("a URL outside of the patterns: %+v", r)
			}
			u.server.Close()
			patterns = []string{"models.example.com/*"}
			if r := ask(); r.Verdict != auth.VerdictUnknown || !strings.Contains(r.Meaning, "could not be reached") {
				t.Errorf("unreachable: %+v", r)
			}
		})
	}
}

// TestT12_AProbeFollowsNoRedirect: neither to another host nor on the same one.
func TestT12_AProbeFollowsNoRedirect(t *testing.T) {
	for _, c := range []struct {
		provider string
		fields   map[string]string
		patterns []string
	}{
		{"huggingface", map[string]string{"token": canary}, nil},
		{"civitai", map[string]string{"token": canary}, nil},
		{"comfy_cloud", map[string]string{"api_key": canary}, nil},
		{"http_bearer", map[string]string{"token": canary, "validationUrl": "https://a.example.com/x"}, []string{"a.example.com/*"}},
		{"http_basic", map[string]string{"username": "u", "password": canary, "validationUrl": "https://a.example.com/x"}, []string{"a.example.com/*"}},
		{"http_api_key", map[string]string{"headerName": "X-Key", "headerValue": canary, "validationUrl": "https://a.example.com/x"}, []string{"a.example.com/*"}},
	} {
		for _, to := range []string{"https://sink.example.net/", "/elsewhere"} {
			u := newUpstreams(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", to)
				w.WriteHeader(307)
			})
			r := u.probe(c.provider, c.fields, c.patterns, "")
			if r.Verdict != auth.VerdictUnknown || !strings.Contains(r.Meaning, "redirect") || len(u.requests()) != 1 {
				t.Errorf("%s to %s: %+v after %d requests", c.provider, to, r, len(u.requests()))
			}
		}
	}
}

func TestProbe_CivitaiAndComfy(t *testing.T) {
	u := newUpstreams(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host == "civitai.red" && r.URL.Path == "/api/v1/me" && r.Header.Get("Authorization") == "Bearer "+canary:
			_, _ = w.Write([]byte(`{"id":1,"username":"bob","tier":"free","status":"banned"}`))
		case r.Host == "cloud.comfy.org" && r.URL.Path == "/api/user" && r.Header.Get("X-API-Key") == canary:
			_, _ = w.Write([]byte(`{"status":"active"}`))
		default:
			w.WriteHeader(401)
			_, _ = w.Write([]byte(`{"error":"Unauthorized"}`))
		}
	})
	if r := u.probe("civitai", map[string]string{"token": canary}, []string{"civitai.red/*"}, ""); r.Verdict != auth.VerdictValid || !contains1(r.Facts, "account: bob") || !contains1(r.Warnings, "banned") {
		t.Errorf("%+v", r)
	}
	if r := u.probe("civitai", map[string]string{"token": canary}, nil, ""); r.Verdict != auth.VerdictInvalid {
		t.Errorf("%+v", r)
	}
	if r := u.probe("comfy_cloud", map[string]string{"api_key": canary}, nil, ""); r.Verdict != auth.VerdictValid || !contains1(r.Facts, "active") {
		t.Errorf("%+v", r)
	}
	if r := u.probe("comfy_cloud", map[string]string{"api_key": "x" + canary}, nil, ""); r.Verdict != auth.VerdictInvalid {
		t.Errorf("%+v", r)
	}
}

func TestProbe_AnAnswerWithoutEndIsNotReadWhole(t *testing.T) {
	u := newUpstreams(t, func(w http.ResponseWriter, r *http.Request) {
		piece := []byte(strings.Repeat("x", 64<<10))
		for range 10_000 {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	})
	r := u.probe("http_bearer", map[string]string{"token": canary, "validationUrl": "https://a.example.com/x"}, []string{"a.example.com/*"}, "")
	if r.Verdict != auth.VerdictValid {
		t.Errorf("%+v", r)
	}
}

func TestJWT_ExpiryIsRead(t *testing.T) {
	jwt := func(payload string) string {
		enc := base64.RawURLEncoding.EncodeToString
		return enc([]byte(`{"alg":"RS256"}`)) + "." + enc([]byte(payload)) + ".c2ln"
	}
	p, _ := Lookup("http_bearer")
	for payload, want := range map[string]int64{
		`{"exp":1800000000}`: 1800000000, `{"exp":1800000000.5}`: 1800000000, `{"sub":"x"}`: 0, `{"exp":"soon"}`: 0, `{"exp":-1}`: 0, `{"exp":1e300}`: 0,
	} {
		r := auth.Read(p, auth.Fields{"token": auth.NewSecret(jwt(payload))}, nil, fixedClock())
		if want == 0 && !r.ExpiresAt.IsZero() || want != 0 && r.ExpiresAt.Unix() != want {
			t.Errorf("%s: %v", payload, r.ExpiresAt)
		}
	}
	if r := auth.Read(p, auth.Fields{"token": auth.NewSecret(canary)}, nil, fixedClock()); len(r.Facts) != 0 {
		t.Errorf("an opaque token: %+v", r)
	}
}
