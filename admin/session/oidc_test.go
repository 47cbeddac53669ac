package session

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house/openid"
)

const callback = "http://127.0.0.1:8081/api/v1/auth/oidc/callback"

func newProvider(t *testing.T) (*desk, *openid.Provider) {
	t.Helper()
	d, op := newDesk(t), openid.New(t, callback)
	op.Now = d.clock.Now
	op.Person = openid.Person{Subject: "s-1", Email: "Ada@example.com", Verified: true, Name: "Ada  Lovelace"}
	d.oidc = &OIDC{Issuer: op.URL, ClientID: op.ClientID, ClientSecret: auth.NewSecret(op.ClientSecret), RedirectURL: callback, Team: auth.DefaultTeam, Role: auth.RoleViewer}
	t.Cleanup(d.o.HTTP.CloseIdleConnections)
	return d, op
}

// visit goes to the provider and back.
func (d *desk) visit(op *openid.Provider) (Grant, error) {
	d.t.Helper()
	st, err := d.StartOIDC(d.t.Context())
	check(d.t, err)
	return d.FinishOIDC(d.t.Context(), op.Visit(st.URL), st.Cookie, from("192.0.2.1"))
}

func TestSigningInByOpenIDConnect(t *testing.T) {
	d, op := newProvider(t)
	g, err := d.visit(op)
	check(t, err)
	if g.User.Email != "ada@example.com" || g.User.Name != "Ada Lovelace" || g.User.Subject != "s-1" || !g.User.Password.IsZero() {
		t.Errorf("%+v", g.User)
	}
	ms, err := d.store.MembershipsOf(t.Context(), g.User.ID)
	check(t, err)
	if len(ms) != 1 || ms[0].TeamID != d.team.ID || ms[0].Role != auth.RoleViewer {
		t.Errorf("%+v", ms)
	}
	if _, _, err := d.Authenticate(t.Context(), g.Access.Reveal()); err != nil {
		t.Error(err)
	}
	// Again, under another address: the subject counts.
	op.Person.Email = "countess@example.com"
	again, err := d.visit(op)
	check(t, err)
	if again.User.ID != g.User.ID || again.User.Email != "ada@example.com" {
		t.Errorf("%+v", again.User)
	}
	if evs := d.events(auth.ActionSessionCreate); len(evs) != 2 || evs[0].Reason != "by OpenID Connect" {
		t.Errorf("on record: %+v", evs)
	}
	if c := op.Complaints(); len(c) > 0 {
		t.Errorf("the provider complains: %q", c)
	}
}

// A user who is there already is found by an address that the provider has
// verified, once; who gets the address later is somebody else.
func TestAVerifiedAddressTiesAUserOnce(t *testing.T) {
	d, op := newProvider(t)
	u := d.user("ada@example.com")
	for _, unverified := range []any{false, nil, "false", 1, "yes"} {
		op.Person.Verified = unverified
		_, err := d.visit(op)
		refused(t, err, CodeSignInFailed)
	}
	op.Person.Verified = "true"
	g, err := d.visit(op)
	check(t, err)
	if g.User.ID != u.ID || g.User.Password.IsZero() {
		t.Errorf("%+v", g.User)
	}
	op.Person.Subject = "s-2"
	_, err = d.visit(op)
	if e := refused(t, err, CodeSignInFailed); !strings.Contains(e.Reason, "another person") {
		t.Errorf("%v", e)
	}
	op.Person.Subject = "s-1"
	_, err = d.store.UpdateUser(t.Context(), u.ID, func(u *auth.User) error { u.DisabledAt = d.clock.Now(); return nil }, auth.Event{})
	check(t, err)
	_, err = d.visit(op)
	refused(t, err, CodeSignInFailed)
}

func TestWhoMayComeFromTheProvider(t *testing.T) {
	d, op := newProvider(t)
	d.oidc.Role = ""
	_, err := d.visit(op)
	if e := refused(t, err, CodeSignInFailed); !strings.Contains(e.Reason, "none is made") {
		t.Errorf("%v", e)
	}
	d.oidc.Role, d.oidc.Domains = auth.RoleMember, []string{"Example.org"}
	for email, ok := range map[string]bool{"ada@example.com": false, "ada@example.org": true, "ada@evil-example.org": false, "ada@example.org.evil.example": false, "": false, "ada@sub.example.org": false} {
		op.Person = openid.Person{Subject: "s " + email, Email: email, Verified: true}
		if _, err := d.visit(op); (err == nil) != ok {
			t.Errorf("%s: %v", email, err)
		}
	}
	d.oidc = nil
	_, err = d.StartOIDC(t.Context())
	if e := refused(t, err, CodeOIDCUnavailable); e.HTTPStatus() != 404 {
		t.Errorf("%v", e)
	}
}

// Only the browser that began a sign-in ends it, once and in time, with what
// the provider that was asked has signed for it.
func TestAForgedAnswerOfTheProviderOpensNothing(t *testing.T) {
	other := func(t *testing.T, d *desk) Start {
		st, err := d.StartOIDC(t.Context())
		check(t, err)
		return st
	}
	claim := func(name string, v any) func(_, claims map[string]any) string {
		return func(_, claims map[string]any) string {
			if claims[name] = v; v == nil {
				delete(claims, name)
			}
			return ""
		}
	}
	for what, c := range map[string]struct {
		answer func(t *testing.T, d *desk, q url.Values, st *Start)
		token  func(d *desk) func(header, claims map[string]any) string
	}{
		"no cookie": {answer: func(_ *testing.T, _ *desk, _ url.Values, st *Start) { st.Cookie = auth.Secret{} }},
		"a changed cookie": {answer: func(_ *testing.T, _ *desk, _ url.Values, st *Start) {
			st.Cookie = auth.NewSecret("A" + st.Cookie.Reveal()[1:])
		}},
		"another browser":  {answer: func(t *testing.T, d *desk, _ url.Values, st *Start) { *st = other(t, d) }},
		"no state":         {answer: func(_ *testing.T, _ *desk, q url.Values, _ *Start) { q.Del("state") }},
		"too late":         {answer: func(_ *testing.T, d *desk, _ url.Values, _ *Start) { d.clock.add(stateLife) }},
		"another provider": {answer: func(_ *testing.T, _ *desk, q url.Values, _ *Start) { q.Set("iss", "https://evil.example") }},
		"a refusal":        {answer: func(_ *testing.T, _ *desk, q url.Values, _ *Start) { q.Set("error", "access_denied") }},
		"no code":          {answer: func(_ *testing.T, _ *desk, q url.Values, _ *Start) { q.Del("code") }},
		"an unknown code":  {answer: func(_ *testing.T, _ *desk, q url.Values, _ *Start) { q.Set("code", "x") }},
		"a wrong issuer":   {token: func(*desk) func(_, _ map[string]any) string { return claim("iss", "https://evil.example") }},
		"a wrong audience": {token: func(*desk) func(_, _ map[string]any) string { return claim("aud", "another client") }},
		"an old token": {token: func(d *desk) func(_, _ map[string]any) string {
			return claim("exp", d.clock.Now().Add(-time.Hour).Unix())
		}},
		"no end":               {token: func(*desk) func(_, _ map[string]any) string { return claim("exp", nil) }},
		"another nonce":        {token: func(*desk) func(_, _ map[string]any) string { return claim("nonce", "x") }},
		"no nonce":             {token: func(*desk) func(_, _ map[string]any) string { return claim("nonce", nil) }},
		"no subject":           {token: func(*desk) func(_, _ map[string]any) string { return claim("sub", nil) }},
		"another access token": {token: func(*desk) func(_, _ map[string]any) string { return claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA") }},
		"not signed": {token: func(*desk) func(_, _ map[string]any) string {
			return func(h, c map[string]any) string { h["alg"] = "none"; return openid.Unsigned(h, c) + "." }
		}},
		"signed by HMAC": {token: func(*desk) func(_, _ map[string]any) string {
			return func(h, c map[string]any) string { h["alg"] = "HS256"; return openid.Unsigned(h, c) + ".AAAA" }
		}},
		"no token": {token: func(*desk) func(_, _ map[string]any) string { return func(_, _ map[string]any) string { return "x" } }},
	} {
		t.Run(what, func(t *testing.T) {
			d, op := newProvider(t)
			d.user("ada@example.com")
			if c.token != nil {
				op.Token = c.token(d)
			}
			st, err := d.StartOIDC(t.Context())
			check(t, err)
			q := op.Visit(st.URL)
			if c.answer != nil {
				c.answer(t, d, q, &st)
			}
			_, err = d.FinishOIDC(t.Context(), q, st.Cookie, from("192.0.2.1"))
			e := refused(t, err, CodeSignInFailed)
			if e.HTTPStatus() != 401 {
				t.Errorf("%v", e)
			}
			if text := e.Error(); q.Get("code") != "" && len(q.Get("code")) > 1 && strings.Contains(text, q.Get("code")) {
				t.Errorf("it repeats the code: %s", text)
			}
			if len(d.events(auth.ActionSessionDenied)) != 1 || len(d.events(auth.ActionSessionCreate)) != 0 {
				t.Error("the record says otherwise")
			}
		})
	}
}

// A code is good once, and a provider that cannot be asked lets nobody in.
func TestACodeIsGoodOnce(t *testing.T) {
	d, op := newProvider(t)
	st, err := d.StartOIDC(t.Context())
	check(t, err)
	q := op.Visit(st.URL)
	_, err = d.FinishOIDC(t.Context(), q, st.Cookie, from("192.0.2.1"))
	check(t, err)
	_, err = d.FinishOIDC(t.Context(), q, st.Cookie, from("192.0.2.1"))
	refused(t, err, CodeSignInFailed)
	d.oidc.Issuer = "http://127.0.0.1:1"
	_, err = d.StartOIDC(t.Context())
	if e := refused(t, err, CodeOIDCUnavailable); e.HTTPStatus() != 503 {
		t.Errorf("%v", e)
	}
}

// A provider that fails is not asked by everybody who begins a sign-in, and is
// asked again soon.
func TestAProviderThatFailsIsAskedNowAndThen(t *testing.T) {
	d := newDesk(t)
	t.Cleanup(d.o.HTTP.CloseIdleConnections)
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked++; w.WriteHeader(http.StatusBadGateway) }))
	t.Cleanup(srv.Close)
	d.oidc = &OIDC{Issuer: srv.URL, ClientID: "c", RedirectURL: callback}
	for want := 1; want <= 2; want++ {
		for range 3 {
			_, err := d.StartOIDC(t.Context())
			refused(t, err, CodeOIDCUnavailable)
		}
		if asked != want {
			t.Errorf("it was asked %d times, not %d", asked, want)
		}
		d.clock.add(discoveryPause)
	}
}
