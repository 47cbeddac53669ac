package admin_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// While it is not known who may do what, nobody is answered who could have lost
// the right to it: no token, no session, nor is that a denial to put on record.
// The machine's own socket, health and readiness are answered.
func TestNobodyIsAnsweredWhileNothingIsKnown(t *testing.T) {
	p := newPeople(t)
	token := p.token("owner", "red", nil)
	var away error
	p.o.Sessions, p.o.Known = p.sessions, func() error { return away }
	p.api = admin.New(p.o)
	p.remote = p.api.Remote()
	ask := func(want int, code string) {
		t.Helper()
		for _, bearer := range []string{token, "jwt-owner"} {
			for _, path := range []string{"/api/v1/keys", "/api/v1/auth/me", "/api/v1/audit"} {
				status, out := p.as(bearer, p.teams["red"].ID, http.MethodGet, path, "")
				if got, _ := out["code"].(string); status != want || got != code {
					t.Errorf("%s with %.4s: %d %s", path, bearer, status, got)
				}
			}
		}
	}
	ask(200, "")
	before := p.acts()
	away = auth.NewError(auth.CodeStoreUnavailable, "the database is away", nil)
	ask(503, string(auth.CodeStoreUnavailable))
	for _, path := range []string{"/api/v1/keys", "/api/v1/system"} {
		if status, _ := p.through(p.api.Local(), "", "", http.MethodGet, path, ""); status != 200 {
			t.Errorf("%s by the socket: %d", path, status)
		}
	}
	w := httptest.NewRecorder()
	p.remote.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8081/healthz", nil))
	if w.Code != 200 {
		t.Errorf("healthz: %d", w.Code)
	}
	if after := p.acts(); after != before {
		t.Errorf("%d events more", after-before)
	}
	away = nil
	ask(200, "")
}
