package admin_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// with calls the API with header fields, given as names and values in turn.
func (f *fixture) with(method, path, body string, header ...string) *httptest.ResponseRecorder {
	f.t.Helper()
	if body != "" {
		header = append(header, "Content-Type", "application/json")
	}
	return f.withOnly(method, path, body, header...)
}

// withOnly is with, of no type that is not said.
func (f *fixture) withOnly(method, path, body string, header ...string) *httptest.ResponseRecorder {
	f.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	f.api.Local().ServeHTTP(w, r)
	f.seen.Write(w.Body.Bytes())
	return w
}

// ofEach are one thing of each kind that has an ETag, by the path of it, with a
// change of it.
func (f *fixture) ofEach() map[string]string {
	f.must(201, "POST", "/api/v1/keys", `{"name":"k","url_key":true}`)
	f.must(201, "POST", "/api/v1/s3-keys", `{"name":"s"}`)
	f.must(201, "POST", "/api/v1/credentials", `{"name":"c","provider":"http_bearer","fields":{"token":"`+canary+`"},"patterns":["models.example.com/*"]}`)
	return map[string]string{"/api/v1/keys/k": "/regenerate", "/api/v1/s3-keys/s": "/regenerate", "/api/v1/credentials/c": "/revoke"}
}

// Who changes what somebody else has changed meanwhile is told, and nothing has
// happened.
func TestIfMatch(t *testing.T) {
	f := newFixture(t)
	for one, change := range f.ofEach() {
		seen := f.with("GET", one, "").Header().Get("ETag")
		if !strings.HasPrefix(seen, `"`) || f.with("GET", one, "").Header().Get("ETag") != seen {
			t.Fatalf("%s: ETag %q", one, seen)
		}
		refused := func(method, path string, header ...string) {
			t.Helper()
			if w := f.with(method, path, "", header...); w.Code != 412 || !strings.Contains(w.Body.String(), `"precondition_failed"`) {
				t.Errorf("%s %s %v: %d %s", method, path, header, w.Code, w.Body)
			}
		}
		refused("POST", one+change, "If-Match", `"another"`)
		refused("POST", one+change, "If-Match", "W/"+seen) // RFC 9110, section 13.1.1
		refused("DELETE", one, "If-Match", `"a","b"`)
		refused("DELETE", one, "If-None-Match", seen)
		w := f.with("POST", one+change, "", "If-Match", `"another"`, "If-Match", `"a,b", `+seen)
		now := w.Header().Get("ETag")
		if w.Code != 200 || now == seen || now != f.with("GET", one, "").Header().Get("ETag") {
			t.Errorf("%s: %d, ETag %s", one, w.Code, now)
		}
		refused("POST", one+change, "If-Match", seen)
		refused("DELETE", one, "If-Match", seen)
		if w := f.with("DELETE", one, "", "If-Match", "*"); w.Code != 204 {
			t.Errorf("%s: %d %s", one, w.Code, w.Body)
		}
		if w := f.with("DELETE", one, "", "If-Match", "*"); w.Code != 404 {
			t.Errorf("%s, which is gone: %d %s", one, w.Code, w.Body)
		}
	}
	// What has no state yet is in none.
	if w := f.with("POST", "/api/v1/keys", `{"name":"new"}`, "If-Match", "*"); w.Code != 412 {
		t.Errorf("create: %d %s", w.Code, w.Body)
	}
	f.must(404, "GET", "/api/v1/keys/new", "")
	f.clean()
}

// An ETag is of what a thing says: links and names of what it is linked to
// among it, and neither its last use nor the time that passes.
func TestETagIsOfWhatAThingSays(t *testing.T) {
	f := newFixture(t)
	used := time.Now()
	f.o.LastUsed = func(string) (time.Time, string, bool) { used = used.Add(time.Hour); return used, "192.0.2.1", true }
	f.api = admin.New(f.o)
	f.ofEach()
	tag := func(one string) string { return f.with("GET", one, "").Header().Get("ETag") }
	const key = "/api/v1/keys/k"
	seen := tag(key)
	for _, change := range []struct{ method, path, body string }{
		{"PUT", "/api/v1/links/c/k", ""},
		{"PATCH", "/api/v1/credentials/c", `{"name":"c2"}`},
		{"PATCH", key, `{"url_key":true}`},
		{"PATCH", key, `{"limits":{"rate":3}}`},
	} {
		if w := f.with("GET", key, "", "If-None-Match", `"x", W/`+seen); w.Code != 304 || w.Body.Len() > 0 || w.Header().Get("ETag") != seen {
			t.Errorf("before %s %s: %d", change.method, change.path, w.Code)
		}
		if w := f.with("HEAD", key, "", "If-None-Match", seen); w.Code != 304 { // RFC 9110, section 13.1.2
			t.Errorf("HEAD: %d", w.Code)
		}
		f.must(200, change.method, change.path, change.body)
		w := f.with("GET", key, "", "If-None-Match", seen)
		if now := w.Header().Get("ETag"); w.Code != 200 || now == seen {
			t.Errorf("after %s %s: %d", change.method, change.path, w.Code)
		} else {
			seen = now
		}
	}
	if w := f.with("GET", "/api/v1/keys", "", "If-None-Match", "*"); w.Code != 200 {
		t.Errorf("a list: %d", w.Code)
	}
	if w := f.with("GET", "/api/v1/keys/none", "", "If-None-Match", "*"); w.Code != 404 {
		t.Errorf("nothing: %d", w.Code)
	}
}

// Users, teams, members and access tokens have an ETag as well.
func TestIfMatchOfAccounts(t *testing.T) {
	f := newFixture(t)
	f.must(201, "POST", "/api/v1/users", `{"email":"u@example.com"}`)
	f.must(201, "POST", "/api/v1/teams", `{"name":"t"}`)
	f.must(200, "PUT", "/api/v1/members/u@example.com", `{"role":"viewer"}`)
	end := time.Now().Add(48 * time.Hour).UTC().Format(time.RFC3339)
	made := f.with("POST", "/api/v1/tokens", `{"name":"ci","user":"u@example.com","expires_at":"`+end+`"}`)
	if tag := f.with("GET", "/api/v1/tokens/ci", "").Header().Get("ETag"); tag == "" || tag != made.Header().Get("ETag") {
		t.Errorf("a token as it was made %q, as it is shown %q", made.Header().Get("ETag"), tag)
	}
	for _, c := range []struct{ see, method, path, body string }{
		{"GET /api/v1/users/u@example.com", "PATCH", "/api/v1/users/u@example.com", `{"name":"U"}`},
		{"GET /api/v1/users/u@example.com", "POST", "/api/v1/users/u@example.com/disable", ""},
		{"GET /api/v1/teams/t", "PATCH", "/api/v1/teams/t", `{"name":"t"}`},
		{"PUT /api/v1/members/u@example.com", "PUT", "/api/v1/members/u@example.com", `{"role":"member"}`},
		{"GET /api/v1/tokens/ci", "POST", "/api/v1/tokens/ci/regenerate", ""},
		{"GET /api/v1/tokens/ci", "DELETE", "/api/v1/tokens/ci", ""},
		{"GET /api/v1/teams/t", "DELETE", "/api/v1/teams/t", ""},
	} {
		method, path, _ := strings.Cut(c.see, " ")
		body := map[string]string{"PUT": `{"role":"viewer"}`}[method]
		seen := f.with(method, path, body).Header().Get("ETag")
		if w := f.with(c.method, c.path, c.body, "If-Match", `"x"`); w.Code != 412 {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
		if w := f.with(c.method, c.path, c.body, "If-Match", seen); w.Code >= 300 {
			t.Errorf("%s %s with %s: %d %s", c.method, c.path, seen, w.Code, w.Body)
		}
	}
}

// Of many who change what they have all seen, one does.
func TestIfMatchHasNoRace(t *testing.T) {
	f := newFixture(t)
	f.must(201, "POST", "/api/v1/keys", `{"name":"k"}`)
	seen := f.with("GET", "/api/v1/keys/k", "").Header().Get("ETag")
	const callers = 16
	h := f.api.Local()
	codes := make([]int, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			r := httptest.NewRequest("POST", "/api/v1/keys/k/regenerate", nil)
			r.Header.Set("If-Match", seen)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			codes[i] = w.Code
		})
	}
	all.Wait()
	n := map[int]int{}
	for _, c := range codes {
		n[c]++
	}
	if n[http.StatusOK] != 1 || n[http.StatusPreconditionFailed] != callers-1 {
		t.Errorf("%v", n)
	}
}

// Every operation that takes a condition says so in the document.
func TestConditionsAreDocumented(t *testing.T) {
	f := newFixture(t)
	n := 0
	for path, item := range f.api.OpenAPI().Paths {
		if item.Patch != nil && item.Patch.Responses["412"] != nil {
			n++
		}
		if strings.HasSuffix(path, "/revoke") && item.Post.Responses["412"] == nil || path == "/api/v1/keys/{ref}" && item.Get.Responses["304"] == nil {
			t.Errorf("%s", path)
		}
	}
	if n < 2 {
		t.Errorf("%d", n)
	}
}

// The client sees the state of what it reads, and changes what is still in it.
func TestTheClientChangesWhatItHasSeen(t *testing.T) {
	f := newFixture(t)
	f.must(201, "POST", "/api/v1/keys", `{"name":"k"}`)
	c := admin.NewInsideClient(f.api.Local(), httptest.NewRequest("GET", "/", nil), "", auth.Secret{})
	var seen string
	if _, err := c.ETag(&seen).GetKey(t.Context(), "k"); err != nil || seen == "" || seen != f.with("GET", "/api/v1/keys/k", "").Header().Get("ETag") {
		t.Fatalf("%q %v", seen, err)
	}
	write, read := "write", "read"
	_, err := c.IfMatch(seen).UpdateKey(t.Context(), "k", admin.KeyPatch{Scope: &write})
	must(t, err)
	_, err = c.IfMatch(seen).UpdateKey(t.Context(), "k", admin.KeyPatch{Scope: &read})
	if p, ok := errors.AsType[*admin.Problem](err); !ok || p.Status != 412 || p.Code != "precondition_failed" {
		t.Errorf("what it has not seen: %v", err)
	}
	if k, err := c.GetKey(t.Context(), "k"); err != nil || k.Scope != write {
		t.Errorf("%s %v", k.Scope, err)
	}
}
