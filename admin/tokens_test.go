package admin_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// A new secret of an access token ends the old one at once, and all else stays.
// Only its user gets it, who signed in; and it is shown once.
func TestAnAccessTokenGetsANewSecret(t *testing.T) {
	p := remotely(t)
	for _, u := range []string{`"ada@example.com","role":"owner"`, `"bob@example.com","role":"viewer"`, `"eve@example.com","role":"member"`} {
		p.must(201, "POST", "/api/v1/users", `{"password":"`+password+`","email":`+u+`}`)
	}
	ada, bob, eve, team := p.in("ada@example.com"), p.in("bob@example.com"), p.in("eve@example.com"), p.o.TeamID
	end := time.Now().Add(48 * time.Hour).UTC().Format(time.RFC3339)
	const at = "/api/v1/tokens/ci/regenerate"
	was := p.want(201, bob, team, "POST", "/api/v1/tokens", `{"name":"ci","scope":"write","route":"/api/v1/tokens","expires_at":"`+end+`"}`)
	old := was["token"].(string)
	p.want(200, old, "", "GET", "/api/v1/tokens", "")
	// Neither a token, an owner nor another member gets the secret of bob.
	for who, c := range map[string]struct {
		bearer, code string
		status       int
	}{"the token itself": {old, "forbidden", 403}, "an owner": {ada, "forbidden", 403}, "a member": {eve, "not_found", 404}, "nobody": {"", "unauthenticated", 401}} {
		if out := p.want(c.status, c.bearer, team, "POST", at, ""); out["code"] != c.code {
			t.Errorf("%s: %v", who, out)
		}
	}
	p.want(200, old, "", "GET", "/api/v1/tokens", "")
	var fresh string
	for _, replayed := range []string{"", "true"} {
		r := httptest.NewRequest("POST", at, nil)
		for name, value := range map[string]string{"Authorization": "Bearer " + bob, "X-Team-ID": team, once: "r"} {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		p.remote.ServeHTTP(w, r)
		secret := strings.Contains(w.Body.String(), `"token":"`+auth.TokenPrefix)
		if w.Code != 200 || w.Header().Get("Idempotency-Replayed") != replayed || secret != (replayed == "") {
			t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
		}
		if secret {
			_, rest, _ := strings.Cut(w.Body.String(), `"token":"`)
			fresh, _, _ = strings.Cut(rest, `"`)
		}
	}
	if out := p.want(401, old, "", "GET", "/api/v1/tokens", ""); out["code"] != "token_invalid" || fresh == old {
		t.Errorf("the old secret: %v", out)
	}
	p.want(200, fresh, "", "GET", "/api/v1/tokens", "")
	now := p.want(200, bob, team, "GET", "/api/v1/tokens/ci", "")
	for _, name := range []string{"id", "name", "user", "scope", "route", "created_at", "expires_at", "status"} {
		if fmt.Sprint(now[name]) != fmt.Sprint(was[name]) {
			t.Errorf("%s was %v and is %v", name, was[name], now[name])
		}
	}
	if now["preview"] == was["preview"] || now["token"] != nil {
		t.Errorf("%v", now)
	}
	events := p.must(200, "GET", "/api/v1/audit?action="+auth.ActionTokenRegenerate, "")["events"].([]any)
	if one, _ := events[0].(map[string]any); len(events) != 1 || one["actor"] != "user:bob@example.com" || one["token_name"] != "ci" {
		t.Errorf("recorded: %v", events)
	}
	// The machine itself may; and what has ended stays so.
	again := p.must(200, "POST", at, "")["token"].(string)
	p.want(401, fresh, "", "GET", "/api/v1/tokens", "")
	p.want(200, again, "", "GET", "/api/v1/tokens", "")
	p.o.Now = func() time.Time { return time.Now().Add(72 * time.Hour) }
	p.api = admin.New(p.o)
	if out := p.must(409, "POST", at, ""); out["code"] != "conflict" {
		t.Errorf("expired: %v", out)
	}
}

// The last use of an access token is that of a request that it let in.
func TestAccessTokensShowTheirLastUse(t *testing.T) {
	p := newPeople(t)
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	used := map[string]string{}
	p.o.Seen = func(id, address string, _ time.Time) { used[id] = address }
	p.o.LastUsed = func(id string) (time.Time, string, bool) { address, ok := used[id]; return at, address, ok }
	p.api = admin.New(p.o)
	p.remote = p.api.Remote()
	bearer := p.token("viewer", "red", func(tok *auth.AccessToken) { tok.Name, tok.Route = "ci", "/api/v1/keys" })
	tok, err := p.st.Token(t.Context(), p.teams["red"].ID, "ci")
	must(t, err)
	p.want(403, bearer, "", "GET", "/api/v1/credentials", "")
	if len(used) != 0 {
		t.Errorf("used, although it opened nothing: %v", used)
	}
	p.want(200, bearer, "", "GET", "/api/v1/keys", "")
	if len(used) != 1 || used[tok.ID] != "192.0.2.1" {
		t.Errorf("used: %v", used)
	}
	reader := p.token("viewer", "red", func(tok *auth.AccessToken) { tok.Name = "reader" })
	out := p.want(200, reader, "", "GET", "/api/v1/tokens/ci", "")
	if got := fmt.Sprint(out["last_used_at"], " ", out["last_used_from"]); got != "2026-11-22T08:00:00Z 192.0.2.1" {
		t.Errorf("shown: %s", got)
	}
}
