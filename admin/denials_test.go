package admin_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// denied are the refusals on record, by path and code.
func (p *people) denied() map[string]int {
	p.t.Helper()
	out := map[string]int{}
	must(p.t, p.st.Events(p.t.Context(), "", time.Time{}, func(ev auth.Event) bool {
		if ev.Action == auth.ActionAPIDenied {
			out[ev.Path+" "+string(ev.Code)]++
		}
		return true
	}))
	return out
}

// Every refusal is on record, also where no operation of the document refuses,
// or where one does only for what is asked of it.
func TestEveryRefusalIsOnRecord(t *testing.T) {
	p := newPeople(t)
	p.o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics") })
	p.remote = admin.New(p.o).Remote()
	at := func(path string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "http://weighbridge.example.com"+path, nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		r.RemoteAddr = "10.0.0.9:40000"
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 7), Port: 8081}))
		w := httptest.NewRecorder()
		p.remote.ServeHTTP(w, r)
		return w
	}
	if w := at("/metrics"); w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	at("/metrics", "Authorization", "Bearer "+auth.NewAPIKey().Reveal())
	at("/metrics", "Authorization", "Bearer jwt-boss")
	if w := at("/api/v1/keys/"+strings.ReplaceAll(canary, "/", "%2F"), "Origin", "https://evil.example.net"); w.Code != 403 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	p.as("jwt-owner", p.teams["red"].ID, "GET", "/api/v1/audit/export?all=true", "")
	p.as(p.token("boss", "default", nil), "", "POST", "/api/v1/users", `{"email":"new@example.com","password":"`+canary+`"}`)
	got := p.denied()
	for _, want := range []string{"/metrics unauthenticated", "/metrics wrong_credential", "/metrics forbidden", "/api/v1/keys/{ref} browser_forbidden",
		"/api/v1/audit/export forbidden", "/api/v1/users forbidden"} {
		if got[want] != 1 {
			t.Errorf("%s is %d times on record: %v", want, got[want], got)
		}
	}
	p.clean()
}

// However many strangers are turned away, what a user may not do is on record.
func TestStrangersHideNoRefusalOfAUser(t *testing.T) {
	p := newPeople(t)
	for range 200 {
		p.as("", "", "GET", "/api/v1/keys", "")
	}
	p.as("jwt-viewer", p.teams["red"].ID, "POST", "/api/v1/keys", `{"name":"k"}`)
	got := p.denied()
	if got["/api/v1/keys forbidden"] != 1 || got["/api/v1/keys unauthenticated"] > 100 {
		t.Errorf("%v", got)
	}
	if _, err := p.st.Key(t.Context(), p.teams["red"].ID, "k"); err == nil {
		t.Error("a viewer made a key")
	}
}
