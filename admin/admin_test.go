package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/audit"
	"github.com/weighbridge/weighbridge/signer"
	"github.com/weighbridge/weighbridge/store"
)

const canary = "Canary-7c1f0c5b9e/+secret=value"

// fixture is an API over a real store, with everything it answered kept.
type fixture struct {
	t    *testing.T
	o    admin.Options
	api  *admin.API
	st   store.Store
	rec  *audit.Memory
	seen bytes.Buffer
	mu   sync.Mutex // requests may run side by side
	log  []error
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	kek, err := store.NewMemoryKEK()
	if err != nil {
		t.Fatal(err)
	}
	return newFixtureOn(t, kek, store.OpenMemory)
}

// newFixtureOn is newFixture over what open opens.
func newFixtureOn(t *testing.T, kek store.KEK, open func(store.Options) (store.Store, error)) *fixture {
	t.Helper()
	var snap atomic.Pointer[auth.Snapshot]
	compile := func(st auth.State) {
		s, err := auth.Compile(st, auth.Options{Providers: signer.Providers()})
		if err != nil {
			t.Errorf("compile: %v", err)
			return
		}
		snap.Store(s)
	}
	st, err := open(store.Options{KEK: kek, OnChange: compile, Check: func(st auth.State) error {
		_, err := auth.Compile(st, auth.Options{Providers: signer.Providers()})
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	team, err := st.EnsureTeam(context.Background(), auth.DefaultTeam)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, st: st, rec: audit.NewMemory(nil)}
	f.o = admin.Options{
		Store: st, TeamID: team.ID, Snapshot: snap.Load, Providers: signer.Providers(), Record: f.rec,
		Transfers: func() []admin.Transfer { return nil },
		System:    func() admin.System { return admin.System{Version: "test", Team: team.Name, TeamID: team.ID} },
		Unmatched: func() (auth.UnmatchedPolicy, auth.UnmatchedPolicy) { return auth.UnmatchedPass, auth.UnmatchedDeny },
		Ready:     func() error { return nil },
		Bundle:    func() ([]byte, error) { return nil, errors.New("none") },
		Log: func(err error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.log = append(f.log, err)
		},
	}
	f.api = admin.New(f.o)
	return f
}

// acts is how many events are on record.
func (f *fixture) acts() (n int) {
	f.t.Helper()
	must(f.t, f.st.Events(f.t.Context(), "", time.Time{}, func(auth.Event) bool { n++; return true }))
	return n
}

// call returns the status and the decoded object.
func (f *fixture) call(method, path, body string) (int, map[string]any) {
	f.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	f.api.Local().ServeHTTP(w, r)
	f.seen.Write(w.Body.Bytes())
	var out map[string]any
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			f.t.Fatalf("%s %s: %v in %q", method, path, err, w.Body)
		}
	}
	return w.Code, out
}

func (f *fixture) must(status int, method, path, body string) map[string]any {
	f.t.Helper()
	got, out := f.call(method, path, body)
	if got != status {
		f.t.Fatalf("%s %s: %d, not %d: %v", method, path, got, status, out)
	}
	return out
}

func (f *fixture) clean() {
	f.t.Helper()
	if bytes.Contains(f.seen.Bytes(), []byte(canary)) {
		f.t.Error("an answer holds the secret")
	}
}

func TestCredentialLife(t *testing.T) {
	f := newFixture(t)
	k := f.must(201, "POST", "/api/v1/keys", `{"name":"worker"}`)
	if !strings.HasPrefix(k["key"].(string), "wbk_") {
		t.Errorf("key: %v", k)
	}
	c := f.must(201, "POST", "/api/v1/credentials", `{"name":"reg","provider":"http_bearer","fields":{"token":"`+canary+`"},"patterns":["Models.Example.com:443/*"],"keys":["worker"]}`)
	if c["status"] != "valid" || c["patterns"].([]any)[0] != "models.example.com/*" || c["keys"].([]any)[0].(map[string]any)["name"] != "worker" {
		t.Errorf("created: %v", c)
	}
	got := f.must(200, "GET", "/api/v1/credentials/reg", "")
	if got["id"] != c["id"] {
		t.Errorf("by name: %v", got)
	}
	e := f.must(200, "POST", "/api/v1/explain", `{"url":"models.example.com/a.bin","key":"worker"}`)
	if e["outcome"] != "allow" {
		t.Errorf("explain: %v", e)
	}
	f.must(200, "DELETE", "/api/v1/links/reg/worker", "")
	e = f.must(200, "POST", "/api/v1/explain", `{"url":"models.example.com/a.bin","key":"worker","mode":"reverse"}`)
	if e["code"] != "not_linked" {
		t.Errorf("after unlink: %v", e)
	}
	f.must(204, "DELETE", "/api/v1/credentials/reg", "")
	f.must(404, "GET", "/api/v1/credentials/reg", "")
	events := f.must(200, "GET", "/api/v1/audit", "")["events"].([]any)
	var actions []string
	for _, e := range events {
		actions = append(actions, e.(map[string]any)["action"].(string))
	}
	for _, want := range []string{"key.create", "credential.create", "link.create", "link.delete", "credential.delete"} {
		if !strings.Contains(strings.Join(actions, " "), want) {
			t.Errorf("%s is not on record: %v", want, actions)
		}
	}
	f.clean()
}

// A secret must come again with every change that lets it reach a new host.
func TestSecretRequired(t *testing.T) {
	f := newFixture(t)
	f.must(201, "POST", "/api/v1/credentials", `{"name":"reg","provider":"http_bearer","fields":{"token":"`+canary+`"},"patterns":["models.example.com/a/*"]}`)
	for name, c := range map[string]struct {
		patterns string
		status   int
	}{
		"narrower path":  {`["models.example.com/a/b/*"]`, 200},
		"wider path":     {`["models.example.com/*"]`, 200},
		"another host":   {`["models.example.com/*","evil.example.com/*"]`, 409},
		"another port":   {`["models.example.com:8443/*"]`, 409},
		"cleartext":      {`["http://models.example.com/*"]`, 409},
		"wildcard":       {`["*.example.com/*"]`, 409},
		"back to itself": {`["models.example.com/a/*"]`, 200},
	} {
		status, out := f.call("PATCH", "/api/v1/credentials/reg", `{"patterns":`+c.patterns+`}`)
		if status != c.status {
			t.Errorf("%s: %d %v", name, status, out)
		}
		if c.status == 409 && out["code"] != "secret_required" {
			t.Errorf("%s: code %v", name, out["code"])
		}
	}
	f.must(200, "PATCH", "/api/v1/credentials/reg", `{"patterns":["evil.example.com/*"],"fields":{"token":"`+canary+`2"}}`)
	f.clean()
}

// T50: no error repeats what was sent, which may be a secret.
func TestT50_ErrorsRepeatNoValue(t *testing.T) {
	f := newFixture(t)
	for name, c := range map[string]struct {
		path, body string
		status     int
	}{
		"unknown field of the object": {"/api/v1/credentials", `{"name":"x","provider":"http_bearer","tokne":"` + canary + `","fields":{}}`, 422},
		"wrong type":                  {"/api/v1/credentials", `{"name":"x","provider":"http_bearer","fields":"` + canary + `"}`, 422},
		"wrong type inside":           {"/api/v1/credentials", `{"name":"x","provider":"http_bearer","fields":{"token":["` + canary + `"]}}`, 422},
		"not JSON":                    {"/api/v1/credentials", `{"fields":{"token":"` + canary, 400},
		"a broken value":              {"/api/v1/credentials", `{"name":"x","provider":"http_bearer","patterns":["a.example.com/*"],"fields":{"token":"` + canary + `\u0000"}}`, 422},
		"missing pattern":             {"/api/v1/credentials", `{"name":"x","provider":"http_bearer","fields":{"token":"` + canary + `"}}`, 422},
		"redaction text":              {"/api/v1/credentials", `{"name":"x","provider":"http_bearer","patterns":["a.example.com/*"],"fields":{"token":"[redacted]"}}`, 422},
		"key enum":                    {"/api/v1/keys", `{"name":"x","scope":"` + canary + `"}`, 422},
	} {
		status, out := f.call("POST", c.path, c.body)
		if status != c.status {
			t.Errorf("%s: %d, not %d: %v", name, status, c.status, out)
		}
		if out["code"] == nil || out["detail"] == nil {
			t.Errorf("%s: not a problem: %v", name, out)
		}
	}
	f.clean()
}

func TestKeyLife(t *testing.T) {
	f := newFixture(t)
	k := f.must(201, "POST", "/api/v1/keys", `{"name":"k","routes":["HuggingFace.co/acme/*"],"url_key":true,"unmatched":"deny"}`)
	if k["scope"] != "read" || k["routes"].([]any)[0] != "huggingface.co/acme/*" || !strings.HasPrefix(k["url_key"].(string), "wbu_") {
		t.Errorf("created: %v", k)
	}
	first := k["key"].(string)
	if shown := f.must(200, "GET", "/api/v1/keys/k", ""); shown["key"] != nil || shown["url_key"] != nil || shown["has_url_key"] != true {
		t.Errorf("shown twice: %v", shown)
	}
	again := f.must(200, "POST", "/api/v1/keys/k/regenerate", "")
	if again["key"] == first || again["key"] == nil {
		t.Error("regenerate gave no new secret")
	}
	past := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	f.must(422, "POST", "/api/v1/keys", `{"name":"late","expires_at":"`+past+`"}`)
	f.must(422, "POST", "/api/v1/keys", `{"name":"r","routes":["*/x"]}`)
	f.must(409, "POST", "/api/v1/keys", `{"name":"k"}`)
	if r := f.must(200, "POST", "/api/v1/keys/k/revoke", ""); r["status"] != "revoked" {
		t.Errorf("revoked: %v", r)
	}
	if p := f.must(409, "POST", "/api/v1/keys/k/regenerate", ""); p["code"] != "key_revoked" {
		t.Errorf("regenerate a revoked key: %v", p)
	}
	f.must(204, "DELETE", "/api/v1/keys/k", "")
	f.must(404, "POST", "/api/v1/keys/k/revoke", "")
}

// The TCP listener serves no operation to who does not say who calls, and says
// in one shape what it does not have.
func TestRemoteServesNobodyNothing(t *testing.T) {
	f := newFixture(t)
	for path, want := range map[string]int{"/api/v1/keys": 401, "/api/v1/credentials": 401, "/api/v1/system": 401, "/api/v1/nothing": 404, "/api/": 404} {
		w := httptest.NewRecorder()
		f.api.Remote().ServeHTTP(w, httptest.NewRequest("GET", "http://127.0.0.1:8081"+path, nil))
		if w.Code != want || w.Header().Get("Content-Type") != "application/problem+json" || want == 401 && w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %d %v %s", path, w.Code, w.Header(), w.Body)
		}
	}
	for _, path := range []string{"/healthz", "/readyz", "/openapi.json"} {
		w := httptest.NewRecorder()
		f.api.Remote().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// T34: metrics and readiness are for programs, not for a page that made a name
// of its own lead to a loopback listener.
func TestT34_MetricsAreNotForWebPages(t *testing.T) {
	f := newFixture(t)
	f.o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics") })
	f.o.Hosts = func() []string { return []string{"Weighbridge.internal"} }
	srv := httptest.NewServer(admin.New(f.o).Remote())
	defer srv.Close()
	own := strings.TrimPrefix(srv.URL, "http://")
	for _, c := range []struct {
		host, field, value string
		status             int
	}{
		{own, "", "", 200},
		{"localhost:9", "", "", 200},
		{"[::1]", "", "", 200},
		{"weighbridge.internal:9", "", "", 200},
		{own, "Sec-Fetch-Site", "none", 200},
		{"evil.example.net", "", "", 403},
		{"192.0.2.1", "", "", 403},
		{"127.0.0.1.evil.example.net", "", "", 403},
		{"127.1", "", "", 403},
		{own, "Origin", "https://evil.example.net", 403},
		{own, "Sec-Fetch-Site", "cross-site", 403},
	} {
		for _, path := range []string{"/metrics", "/readyz", "/healthz"} {
			r, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = c.host
			if c.field != "" {
				r.Header.Set(c.field, c.value)
			}
			resp, err := srv.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != c.status {
				t.Errorf("%s as %s with %s %s: %s", path, c.host, c.field, c.value, resp.Status)
			}
		}
	}
}

// Beyond loopback, metrics take an access token of the default team or the token
// that is declared for them, which opens nothing else, and the listener is
// called by names that we do not know.
func TestMetricsBeyondLoopback(t *testing.T) {
	p := newPeople(t)
	p.o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics") })
	declared := strings.Repeat("metrics0", 5)
	hash, _ := auth.HashMetricsToken(declared)
	p.o.MetricsToken = func() auth.KeyHash { return hash }
	api := admin.New(p.o)
	ask := func(path, field string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "http://weighbridge.monitoring.svc"+path, nil)
		r.RemoteAddr = "10.0.0.9:40000"
		r.Header.Set("Authorization", field)
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 7), Port: 8081}))
		api.Remote().ServeHTTP(w, r)
		return w
	}
	route := func(tok *auth.AccessToken) { tok.Route = "/api/v1/keys" }
	for bearer, want := range map[string]int{
		"": 401, auth.NewAccessToken().Reveal(): 401, "jwt-boss": 403,
		p.token("boss", "default", nil): 200, p.token("clerk", "default", nil): 200,
		p.token("boss", "default", route): 403, p.token("owner", "red", nil): 403,
		declared: 200, " " + declared: 200, declared + "0": 401, declared[1:]: 401, strings.ToUpper(declared): 401,
	} {
		if w := ask("/metrics", "Bearer "+bearer); w.Code != want || (w.Body.String() == "metrics") != (want == 200) {
			t.Errorf("%.8s: %d %s", bearer, w.Code, w.Body)
		}
	}
	for _, field := range []string{declared, "Basic " + declared, "Bearer x" + declared} {
		if w := ask("/metrics", field); w.Code != 401 {
			t.Errorf("%.8s: %d %s", field, w.Code, w.Body)
		}
	}
	for path, item := range api.OpenAPI().Paths {
		if item.Get == nil || strings.Contains(path, "/auth/") {
			continue
		}
		if w := ask(strings.NewReplacer("{", "", "}", "").Replace(path), "Bearer "+declared); w.Code != 401 {
			t.Errorf("the token for metrics opens %s: %d %s", path, w.Code, w.Body)
		}
	}
	hash = auth.KeyHash{}
	if w := ask("/metrics", "Bearer "+declared); w.Code != 401 {
		t.Errorf("where none is declared: %d", w.Code)
	}
}

func TestFollow(t *testing.T) {
	f := newFixture(t)
	srv := httptest.NewServer(f.api.Local())
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", srv.URL+"/api/v1/audit/follow?since=2001-01-01T00:00:00Z&key=late", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	f.must(201, "POST", "/api/v1/keys", `{"name":"other"}`)
	f.must(201, "POST", "/api/v1/keys", `{"name":"late"}`)
	var e auth.Event
	if err := json.NewDecoder(resp.Body).Decode(&e); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if e.Action != auth.ActionKeyCreate || e.KeyName != "late" {
		t.Errorf("followed %+v", e)
	}
}

// A policy is changed without the secret, and renewing the secret keeps it.
func TestPoliciesOfACredential(t *testing.T) {
	f := newFixture(t)
	token := "hf_" + strings.Repeat("Aa1", 12)
	f.must(201, "POST", "/api/v1/credentials", `{"name":"hub","provider":"huggingface","fields":{"token":"`+token+`","xet":"hide"}}`)
	xet := func(want string) {
		t.Helper()
		st, err := f.st.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c := st.Credentials[0]
		if c.Params["xet"] != want || c.Status != auth.StatusValid {
			t.Errorf("xet %q, status %s, want %q", c.Params["xet"], c.Status, want)
		}
		got, err := f.st.OpenFields(t.Context(), c.ID, c.Version, "token")
		if err != nil || got["token"].Reveal() != token {
			t.Errorf("the token: %v", err)
		}
	}
	xet("hide")
	if got := f.must(200, "GET", "/api/v1/credentials/hub", ""); got["fields"].(map[string]any)["xet"] != "hide" {
		t.Errorf("shown: %v", got)
	}
	for _, body := range []string{
		`{"fields":{"token":"` + token + `"}}`, `{"fields":{"xet":"hide"}}`, `{"fields":{"token":"` + token + `","xet":"hide"}}`, `{"name":"hub"}`,
	} {
		f.must(200, "PATCH", "/api/v1/credentials/hub", body)
		xet("hide")
	}
	f.must(200, "PATCH", "/api/v1/credentials/hub", `{"fields":{"xet":"pass"}}`)
	xet("pass")
	f.must(200, "PATCH", "/api/v1/credentials/hub", `{"fields":{"xet":""}}`)
	xet("")
	f.must(422, "PATCH", "/api/v1/credentials/hub", `{"fields":{"xet":"never"}}`)
	f.must(422, "POST", "/api/v1/credentials", `{"name":"b","provider":"huggingface","fields":{"token":"`+token+`","xet":"Hide"}}`)
	f.must(422, "PATCH", "/api/v1/credentials/hub", `{"fields":{"xet":"hide","other":"x"}}`)
	// It is not the secret: a new host still asks for that.
	if got := f.must(409, "PATCH", "/api/v1/credentials/hub", `{"fields":{"xet":"hide"},"patterns":["hub.example.com/*"]}`); got["code"] != "secret_required" {
		t.Errorf("%v", got)
	}
	xet("")
}

func TestXetOfAKey(t *testing.T) {
	f := newFixture(t)
	if k := f.must(201, "POST", "/api/v1/keys", `{"name":"a","xet":"hide"}`); k["xet"] != "hide" {
		t.Errorf("%v", k)
	}
	f.must(422, "POST", "/api/v1/keys", `{"name":"b","xet":"never"}`)
	if k := f.must(200, "PATCH", "/api/v1/keys/a", `{"name":"a2"}`); k["xet"] != "hide" {
		t.Errorf("%v", k)
	}
	if k := f.must(200, "PATCH", "/api/v1/keys/a2", `{"xet":""}`); k["xet"] != nil {
		t.Errorf("%v", k)
	}
}

// What is running says whether the data plane serves.
func TestSystemSaysWhetherItServes(t *testing.T) {
	f := newFixture(t)
	var err error
	f.o.Ready = func() error { return err }
	f.api = admin.New(f.o)
	if s := f.must(200, "GET", "/api/v1/system", ""); s["ready"] != true || s["not_ready"] != nil {
		t.Errorf("%v", s)
	}
	err = auth.NewError(auth.CodeAuditUnavailable, "the record cannot be written", errors.New("a cause that nobody is shown"))
	if s := f.must(200, "GET", "/api/v1/system", ""); s["ready"] != false || s["not_ready"] != "the record cannot be written" {
		t.Errorf("%v", s)
	}
}
