package admin_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/admin/session"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house/openid"
)

const (
	password    = "correct horse battery"
	newPassword = "staple correct horse"
)

// remotely is an API over TCP, whose users sign in.
func remotely(t *testing.T) *people {
	f := newFixture(t)
	return &people{fixture: f, remote: f.api.Remote(), teams: map[string]auth.Team{}, users: map[string]auth.User{}}
}

// want calls the API and checks the status.
func (p *people) want(status int, bearer, team, method, path, body string) map[string]any {
	p.t.Helper()
	got, out := p.as(bearer, team, method, path, body)
	if got != status {
		p.t.Fatalf("%s %s: %d, not %d: %v", method, path, got, status, out)
	}
	return out
}

func signInBody(email, password string) string {
	return fmt.Sprintf(`{"email":%q,"password":%q}`, email, password)
}

// in signs in and returns the JWT.
func (p *people) in(email string) string {
	p.t.Helper()
	return p.want(200, "", "", "POST", "/api/v1/auth/sign-in", signInBody(email, password))["access_token"].(string)
}

func TestAUserSignsInAndOut(t *testing.T) {
	p := remotely(t)
	p.must(201, "POST", "/api/v1/users", `{"email":"Ada@Example.com","name":"Ada","password":"`+password+`","role":"owner"}`)
	g := p.want(200, "", "", "POST", "/api/v1/auth/sign-in", signInBody("ada@example.com", password))
	jwt := g["access_token"].(string)
	me := p.want(200, jwt, "", "GET", "/api/v1/auth/me", "")
	if me["kind"] != "user" || me["user"].(map[string]any)["name"] != "ada@example.com" || me["operator"] != true {
		t.Errorf("me: %v", me)
	}
	// The next one, once.
	refresh := `{"refresh_token":"` + g["refresh_token"].(string) + `"}`
	next := p.want(200, "", "", "POST", "/api/v1/auth/refresh", refresh)
	if out := p.want(409, "", "", "POST", "/api/v1/auth/refresh", refresh); out["code"] != "refresh_raced" {
		t.Errorf("once more: %v", out)
	}
	jwt = next["access_token"].(string)
	// Sessions are one's own.
	p.must(201, "POST", "/api/v1/users", `{"email":"bob@example.com","password":"`+password+`"}`)
	bob, other := p.in("bob@example.com"), p.in("ada@example.com")
	rows := p.want(200, jwt, "", "GET", "/api/v1/auth/sessions", "")["sessions"].([]any)
	if len(rows) != 2 {
		t.Fatalf("sessions: %v", rows)
	}
	for _, row := range rows {
		r := row.(map[string]any)
		path := "/api/v1/auth/sessions/" + r["id"].(string)
		if current := r["id"] == g["session_id"]; r["current"] != current {
			t.Errorf("session: %v", r)
		} else if !current {
			p.want(404, bob, "", "DELETE", path, "")
			p.want(204, jwt, "", "DELETE", path, "")
		}
	}
	p.want(401, other, "", "GET", "/api/v1/auth/me", "")
	// Another password ends them all.
	out := p.want(403, jwt, "", "POST", "/api/v1/auth/password", `{"current_password":"`+newPassword+`","new_password":"`+newPassword+`"}`)
	if out["code"] != "sign_in_failed" {
		t.Errorf("wrong: %v", out)
	}
	if out := p.want(422, jwt, "", "POST", "/api/v1/auth/password", `{"current_password":"`+password+`","new_password":"short"}`); out["code"] != "password_refused" {
		t.Errorf("short: %v", out)
	}
	again := p.want(200, jwt, "", "POST", "/api/v1/auth/password", `{"current_password":"`+password+`","new_password":"`+newPassword+`"}`)["access_token"].(string)
	p.want(401, jwt, "", "GET", "/api/v1/auth/me", "")
	p.want(204, again, "", "POST", "/api/v1/auth/sign-out", "")
	if out := p.want(401, again, "", "GET", "/api/v1/auth/me", ""); out["code"] != "session_ended" {
		t.Errorf("after signing out: %v", out)
	}
	if strings.Contains(p.seen.String(), password) || strings.Contains(p.seen.String(), newPassword) || strings.Contains(p.seen.String(), "argon2") {
		t.Error("an answer holds a password")
	}
}

// A refusal says how long to wait, and nothing of what was sent.
func TestSignInRefusals(t *testing.T) {
	p := remotely(t)
	p.must(201, "POST", "/api/v1/users", `{"email":"ada@example.com","password":"`+password+`"}`)
	body := signInBody("ada@example.com", canary)
	for range 5 {
		if out := p.want(401, "", "", "POST", "/api/v1/auth/sign-in", body); out["code"] != "sign_in_failed" {
			t.Fatalf("%v", out)
		}
	}
	r := httptest.NewRequest("POST", "http://127.0.0.1:8081/api/v1/auth/sign-in", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	p.remote.ServeHTTP(w, r)
	if w.Code != 429 || w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), "too_many_attempts") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	for _, bad := range []string{``, `{}`, `{"email":"ada@example.com","password":["` + canary + `"]}`, `{"email":"` + strings.Repeat("x", 400) + `","password":"` + canary + `"}`, `{"email":1,"password":"` + canary + `","x":2}`} {
		if status, out := p.as("", "", "POST", "/api/v1/auth/sign-in", bad); status != 422 && status != 400 {
			t.Errorf("%d %v", status, out)
		}
	}
	p.clean()
}

func TestTheFirstUserComesByTheLink(t *testing.T) {
	f := newFixture(t)
	f.o.SignIn = session.New(session.Options{Store: f.st})
	f.api = admin.New(f.o)
	p := &people{fixture: f, remote: f.api.Remote()}
	secret, err := f.o.SignIn.OfferFirstUser(t.Context())
	must(t, err)
	body := func(s auth.Secret) string {
		return fmt.Sprintf(`{"secret":%q,"email":"ada@example.com","password":%q}`, s.Reveal(), password)
	}
	if out := p.want(401, "", "", "POST", "/api/v1/auth/first-user", body(auth.NewSetupSecret())); out["code"] != "setup_invalid" {
		t.Errorf("%v", out)
	}
	g := p.want(201, "", "", "POST", "/api/v1/auth/first-user", body(secret))
	if me := p.want(200, g["access_token"].(string), f.o.TeamID, "GET", "/api/v1/auth/me", ""); me["role"] != "owner" || me["operator"] != true {
		t.Errorf("%v", me)
	}
	p.want(401, "", "", "POST", "/api/v1/auth/first-user", body(secret))
}

func TestUsersTeamsAndMembers(t *testing.T) {
	p := remotely(t)
	u := p.must(201, "POST", "/api/v1/users", `{"email":"ada@example.com","password":"`+password+`","team":"default","role":"owner"}`)
	if u["status"] != "active" || u["has_password"] != true || len(u["teams"].([]any)) != 1 {
		t.Errorf("created: %v", u)
	}
	p.must(409, "POST", "/api/v1/users", `{"email":"ADA@example.com"}`)
	p.must(422, "POST", "/api/v1/users", `{"email":"bob@example.com","password":"short"}`)
	p.must(404, "POST", "/api/v1/users", `{"email":"bob@example.com","team":"none"}`)
	p.must(201, "POST", "/api/v1/users", `{"email":"bob@example.com","password":"`+password+`"}`)
	if got := p.must(200, "PATCH", "/api/v1/users/bob@example.com", `{"name":"Bob"}`); got["name"] != "Bob" {
		t.Errorf("%v", got)
	}
	if n := len(p.must(200, "GET", "/api/v1/users", "")["users"].([]any)); n != 2 {
		t.Errorf("%d users", n)
	}
	ada, bob := p.in("ada@example.com"), p.in("bob@example.com")
	red := p.want(201, ada, "", "POST", "/api/v1/teams", `{"name":"red"}`)["id"].(string)
	if n := len(p.want(200, bob, "", "GET", "/api/v1/teams", "")["teams"].([]any)); n != 0 {
		t.Errorf("bob sees %d teams", n)
	}
	p.want(404, bob, "", "GET", "/api/v1/teams/red", "")
	p.want(404, bob, red, "GET", "/api/v1/members", "")
	p.want(200, ada, red, "PUT", "/api/v1/members/bob@example.com", `{"role":"viewer"}`)
	rows := p.want(200, bob, red, "GET", "/api/v1/members", "")["members"].([]any)
	if len(rows) != 2 || rows[1].(map[string]any)["role"] != "viewer" {
		t.Errorf("members: %v", rows)
	}
	p.want(403, bob, red, "PUT", "/api/v1/members/bob@example.com", `{"role":"owner"}`)
	p.want(409, ada, red, "DELETE", "/api/v1/members/ada@example.com", "")
	p.want(200, ada, "", "PATCH", "/api/v1/teams/red", `{"name":"crimson"}`)
	p.want(422, ada, "", "DELETE", "/api/v1/teams/default", "")
	p.want(204, ada, red, "DELETE", "/api/v1/members/bob@example.com", "")
	p.want(204, ada, "", "DELETE", "/api/v1/teams/crimson", "")
	// Shut out at once, and in again, but for the sessions of before.
	p.must(200, "POST", "/api/v1/users/bob@example.com/disable", "")
	p.want(401, bob, "", "GET", "/api/v1/auth/me", "")
	p.want(401, "", "", "POST", "/api/v1/auth/sign-in", signInBody("bob@example.com", password))
	if got := p.must(200, "POST", "/api/v1/users/bob@example.com/enable", ""); got["status"] != "active" {
		t.Errorf("%v", got)
	}
	p.want(401, bob, "", "GET", "/api/v1/auth/me", "")
	p.in("bob@example.com")
	p.must(200, "POST", "/api/v1/users/bob@example.com/password", `{"password":"`+newPassword+`"}`)
	p.want(200, "", "", "POST", "/api/v1/auth/sign-in", signInBody("bob@example.com", newPassword))
	p.must(409, "DELETE", "/api/v1/users/ada@example.com", "")
	p.must(204, "DELETE", "/api/v1/users/bob@example.com", "")
	p.must(404, "GET", "/api/v1/users/bob@example.com", "")
}

func TestAccessTokensAreShownOnce(t *testing.T) {
	p := remotely(t)
	for _, u := range []string{`"ada@example.com","role":"owner"`, `"bob@example.com","role":"member"`} {
		p.must(201, "POST", "/api/v1/users", `{"password":"`+password+`","email":`+u+`}`)
	}
	ada, bob, team := p.in("ada@example.com"), p.in("bob@example.com"), p.o.TeamID
	ends := func(d time.Duration) string {
		return `"expires_at":"` + time.Now().Add(d).UTC().Format(time.RFC3339) + `"`
	}
	for body, status := range map[string]int{
		`{"name":"t"}`: 422, `{"name":"t",` + ends(time.Hour) + `}`: 422, `{"name":"t",` + ends(366*24*time.Hour) + `}`: 422,
		`{"name":"t","route":"/metrics",` + ends(48*time.Hour) + `}`: 422, `{"name":"t","scope":"admin",` + ends(48*time.Hour) + `}`: 422,
		`{"name":"t","user":"ada@example.com",` + ends(48*time.Hour) + `}`: 422,
	} {
		if got, out := p.as(bob, team, "POST", "/api/v1/tokens", body); got != status {
			t.Errorf("%s: %d %v", body, got, out)
		}
	}
	made := p.want(201, bob, team, "POST", "/api/v1/tokens", `{"name":"ci","scope":"write",`+ends(48*time.Hour)+`}`)
	token := made["token"].(string)
	if !strings.HasPrefix(token, auth.TokenPrefix) || made["scope"] != "write" || strings.Contains(made["preview"].(string), token[12:30]) {
		t.Errorf("made: %v", made)
	}
	p.want(409, bob, team, "POST", "/api/v1/tokens", `{"name":"ci",`+ends(48*time.Hour)+`}`)
	me := p.want(200, token, "", "GET", "/api/v1/auth/me", "")
	if me["kind"] != "token" || me["role"] != "member" {
		t.Errorf("%v", me)
	}
	// It makes no other, signs nothing out, and sees its user's alone.
	p.want(403, token, "", "POST", "/api/v1/tokens", `{"name":"more",`+ends(48*time.Hour)+`}`)
	p.want(403, token, "", "POST", "/api/v1/auth/sign-out", "")
	hers := p.want(201, ada, team, "POST", "/api/v1/tokens", `{"name":"hers",`+ends(48*time.Hour)+`}`)["id"].(string)
	for bearer, n := range map[string]int{bob: 1, token: 1, ada: 2} {
		out := p.want(200, bearer, team, "GET", "/api/v1/tokens", "")
		if rows := out["tokens"].([]any); len(rows) != n || rows[0].(map[string]any)["token"] != nil {
			t.Errorf("%v", rows)
		}
	}
	there := p.want(404, bob, team, "GET", "/api/v1/tokens/"+hers, "")
	none := p.want(404, bob, team, "GET", "/api/v1/tokens/none", "")
	if strings.ReplaceAll(there["detail"].(string), hers, "none") != none["detail"] {
		t.Errorf("another's: %v, none: %v", there, none)
	}
	p.want(404, bob, team, "DELETE", "/api/v1/tokens/hers", "")
	p.want(204, ada, team, "DELETE", "/api/v1/tokens/ci", "")
	if out := p.want(401, token, "", "GET", "/api/v1/auth/me", ""); out["code"] != "token_invalid" {
		t.Errorf("deleted: %v", out)
	}
	// Over the socket it is said whose it is to be.
	p.must(422, "POST", "/api/v1/tokens", `{"name":"x",`+ends(48*time.Hour)+`}`)
	p.must(201, "POST", "/api/v1/tokens", `{"name":"x","user":"bob@example.com",`+ends(48*time.Hour)+`}`)
	// An operator's token sets nobody's password.
	boss := p.want(201, ada, team, "POST", "/api/v1/tokens", `{"name":"boss","scope":"write",`+ends(48*time.Hour)+`}`)["token"].(string)
	p.want(403, boss, "", "POST", "/api/v1/users", `{"email":"eve@example.com","password":"`+password+`"}`)
	p.want(403, boss, "", "POST", "/api/v1/users/bob@example.com/password", `{"password":"`+newPassword+`"}`)
	p.want(201, boss, "", "POST", "/api/v1/users", `{"email":"eve@example.com"}`)
}

// A browser goes to the OpenID provider and comes back with the cookie that it
// was given; another one has none.
func TestABrowserSignsInByOpenIDConnect(t *testing.T) {
	f := newFixture(t)
	const self = "http://127.0.0.1:8081"
	op := openid.New(t, self+"/api/v1/auth/oidc/callback")
	op.Person = openid.Person{Subject: "s", Email: "ada@example.com", Verified: true}
	f.o.SignIn = session.New(session.Options{Store: f.st, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, OIDC: func() *session.OIDC {
		return &session.OIDC{Issuer: op.URL, ClientID: op.ClientID, ClientSecret: auth.NewSecret(op.ClientSecret), RedirectURL: op.RedirectURL, Team: auth.DefaultTeam, Role: auth.RoleMember}
	}})
	remote := admin.New(f.o).Remote()
	ask := func(path string, cookies []*http.Cookie, site string) *http.Response {
		r := httptest.NewRequest("GET", self+path, nil)
		r.Header.Set("Sec-Fetch-Site", site)
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		remote.ServeHTTP(w, r)
		return w.Result()
	}
	start := ask("/api/v1/auth/oidc/start", nil, "none")
	if start.StatusCode != 303 || len(start.Cookies()) != 1 {
		t.Fatalf("%s %v", start.Status, start.Header)
	}
	if c := start.Cookies()[0]; !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.MaxAge != 600 {
		t.Errorf("cookie %v", c)
	}
	back := "/api/v1/auth/oidc/callback?" + op.Visit(start.Header.Get("Location")).Encode()
	if resp := ask(back, nil, "cross-site"); resp.StatusCode != 401 {
		t.Errorf("another browser: %s", resp.Status)
	}
	resp := ask(back, start.Cookies(), "cross-site")
	b, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode != 200 || !strings.Contains(string(b), "refresh_token") || len(resp.Cookies()) != 1 || resp.Cookies()[0].MaxAge != -1 {
		t.Errorf("%s %v %s", resp.Status, resp.Header, b)
	}
	if resp := ask("/api/v1/auth/me", start.Cookies(), "cross-site"); resp.StatusCode != 403 {
		t.Errorf("a page asks for something else: %s", resp.Status)
	}
	if resp := ask("/api/v1/auth/oidc/callback?"+url.Values{"code": {"x"}}.Encode(), start.Cookies(), "none"); resp.StatusCode != 401 {
		t.Errorf("without a state: %s", resp.Status)
	}
}
