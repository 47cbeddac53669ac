package portal

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer"
)

// Nobody sees a page without signing in, and signing in leads back to it.
func TestPagesAreForWhoSignedIn(t *testing.T) {
	k := newKit(t, nil)
	b := k.stranger()
	for _, path := range []string{"/", "/t/default", "/t/default/credentials", "/t/default/keys?x=1"} {
		got := b.get(path)
		want := "/sign-in"
		if path != "/" {
			want += "?next=" + url.QueryEscape(path)
		}
		if got.status != http.StatusSeeOther || got.location != want {
			t.Errorf("%s: %d to %q, not to %q", path, got.status, got.location, want)
		}
	}
	b = k.owner()
	if got := b.get("/"); got.location != "/t/default" {
		t.Errorf("the start leads to %q", got.location)
	}
	b.page("/t/default")
	if got := b.get("/t/elsewhere"); got.status != http.StatusNotFound {
		t.Errorf("a team that is not there: %d", got.status)
	}
	if got := b.get("/t/default/elsewhere"); got.status != http.StatusNotFound || !strings.Contains(got.body, "there is no such page") {
		t.Errorf("a page that is not there: %d %s", got.status, got.body)
	}
	for _, c := range b.http.Jar.Cookies(mustURL(t, b.url)) {
		if c.Name == accessCookie {
			defer func() {
				if _, err := k.client(c.Value).GetCaller(t.Context()); err == nil {
					t.Error("the session outlives signing out")
				}
			}()
		}
	}
	if to := b.does("/sign-out", url.Values{}); to != "/sign-in?done=signed-out" {
		t.Errorf("signing out leads to %q", to)
	}
	if got := b.get("/t/default"); got.status != http.StatusSeeOther {
		t.Errorf("signed out: %d", got.status)
	}
}

// client is the API as a program that holds a JWT.
func (k *kit) client(jwt string) *admin.Client {
	c, err := admin.NewRemoteClient(k.url, "", auth.NewSecret(jwt))
	k.must(err)
	return c
}

func mustURL(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// A wrong password is told in the words of the API, with what was typed but the
// password.
func TestARefusedSignInShowsTheForm(t *testing.T) {
	k := newKit(t, nil)
	got := k.stranger().post("/sign-in", url.Values{"email": {"eve@example.com"}, "password": {"swordfish-canary"}, "next": {"/t/default/keys"}})
	if got.status != http.StatusUnauthorized || !strings.Contains(got.body, "sign_in_failed") ||
		!strings.Contains(got.body, `value="eve@example.com"`) || !strings.Contains(got.body, `value="/t/default/keys"`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	if strings.Contains(got.body, "swordfish") {
		t.Error("the page holds the password")
	}
}

// What is refused is where a reader begins, before any field: on a page of its
// own, which is called so, and not in what a script puts into one.
func TestARefusalHasTheFocus(t *testing.T) {
	b := newKit(t, nil).owner()
	for path, form := range map[string]url.Values{
		"/sign-in": {"email": {"eve@example.com"}, "password": {"wrong"}}, "/t/default/keys/new": {"ends": {"never"}},
		"/t/default/s3-keys/new": {"ends": {"never"}}, "/t/default/tokens/new": {"ends": {"never"}},
	} {
		got := b.post(path, form)
		first := strings.Index(got.body, " autofocus")
		if got.status < 400 || !strings.Contains(got.body, "<title>Error: ") || first < 0 || first != strings.Index(got.body, `role="alert" tabindex="-1" autofocus`)+len(`role="alert" tabindex="-1"`) {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	part := b.send("GET", "/t/default/keys/none", nil, func(h http.Header) { h.Set("HX-Request", "true"); h.Set("Sec-Fetch-Site", "same-origin") })
	if part.status < 400 || strings.Contains(part.body, "autofocus") || !strings.Contains(part.body, `role="alert"`) {
		t.Errorf("a part: %d %s", part.status, part.body)
	}
}

// A password manager has no password of its user for a field that takes another
// secret: what it is told, off, browsers do not heed for passwords.
func TestNoPasswordIsFilledIntoAnotherSecret(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	paths := []string{"/sign-in", "/setup", "/t/default/account", "/t/default/cloud-providers", "/t/default/teams/users/new"}
	for _, p := range signer.Providers() {
		paths = append(paths, credentialsAt+"/new?provider="+p.Schema().Name)
	}
	b.does(credentialsAt+"/new", hub("hub"))
	paths = append(paths, credentialsAt+"/hub/rotate")
	input, heeded := regexp.MustCompile(`<input [^>]*type="password"[^>]*>`), regexp.MustCompile(` autocomplete="(new-password|current-password|one-time-code)"`)
	for _, path := range paths {
		for _, one := range input.FindAllString(b.page(path), -1) {
			if !heeded.MatchString(one) {
				t.Errorf("%s: %s", path, one)
			}
		}
	}
}

// Another look of a page is one of the same page, whatever was asked for, and is
// nothing that was just done.
func TestTheThemeKeepsThePage(t *testing.T) {
	b := newKit(t, nil).owner()
	for path, want := range map[string]string{
		"/t/default/audit?outcome=denied&key=a%26b": "/t/default/audit?outcome=denied&amp;key=a%26b", "/t/default/keys?done=key-changed": "/t/default/keys", "/t/default": "/t/default",
	} {
		if got := between(t, b.page(path), `name="next" value="`, `">`+"\n"+`<button name="theme"`); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// A name is confirmed as a page shows it, where several spaces are one.
func TestANameIsConfirmedAsItIsShown(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	key, err := k.local.CreateKey(t.Context(), admin.NewKey{Name: "gpu  1"})
	k.must(err)
	at := "/t/default/keys/" + key.ID + "/revoke"
	b.refuses(at, url.Values{"name": {"gpu1"}}, http.StatusUnprocessableEntity, "not_confirmed")
	b.does(at, url.Values{"name": {" gpu 1"}})
}

// T60: a page of another site changes nothing, opens nothing in a frame, and
// does not learn what is here under another name.
func TestT60_OtherSitesDoNothing(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	cases := []struct {
		name, method, path string
		header             map[string]string
		status             int
	}{
		{"a form of another site", "POST", "/sign-out", map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, 403},
		{"a form of a site beside", "POST", "/sign-out", map[string]string{"Origin": "http://127.0.0.1:9", "Sec-Fetch-Site": "same-site"}, 403},
		{"a form that hides where it comes from", "POST", "/sign-out", map[string]string{"Origin": "null"}, 403},
		{"a form that says nothing", "POST", "/sign-out", nil, 403},
		{"signing in as somebody else", "POST", "/sign-in", map[string]string{"Origin": "https://evil.example"}, 403},
		{"a frame", "GET", "/t/default", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403},
		{"a script", "GET", "/t/default", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, 403},
		{"an image", "GET", "/assets/0/icon.svg", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, 403},
		{"a link", "GET", "/t/default", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200},
		{"another name", "GET", "/t/default", map[string]string{"Host": "evil.example"}, 403},
		{"the API by a cookie", "GET", "/api/v1/auth/me", map[string]string{"Sec-Fetch-Site": "same-origin"}, 401},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), c.method, k.url+c.path, nil)
			k.must(err)
			for name, value := range c.header {
				if r.Header.Set(name, value); name == "Host" {
					r.Host = value
				}
			}
			resp, err := b.http.Do(r)
			k.must(err)
			defer func() { _ = resp.Body.Close() }()
			if resp.StatusCode != c.status {
				t.Errorf("%d, not %d", resp.StatusCode, c.status)
			}
		})
	}
	if b.get("/t/default").status != http.StatusOK {
		t.Error("one of them signed the user out")
	}
	denied := 0
	k.must(k.store.Events(t.Context(), "", time.Time{}, func(e auth.Event) bool {
		if e.Action == auth.ActionAPIDenied {
			denied++
		}
		return true
	}))
	if denied < 9 {
		t.Errorf("%d refusals are on record", denied)
	}
}

// T60: a link of another site leads to the page by way of one of ours, because
// a browser sends no strict cookie along at first.
func TestT60_ALinkFromElsewhereComesAgain(t *testing.T) {
	k := newKit(t, nil)
	got := k.stranger().send("GET", "/t/default/keys?q=%22%3E", nil, func(h http.Header) {
		h.Set("Sec-Fetch-Site", "cross-site")
		h.Set("Sec-Fetch-Mode", "navigate")
		h.Set("Sec-Fetch-Dest", "document")
	})
	if got.status != http.StatusOK || !strings.Contains(got.body, `content="0;url=/t/default/keys?q=%22%3E"`) {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// T60: no form and no link leads away from here.
func TestT60_NoOpenRedirect(t *testing.T) {
	for path, want := range map[string]string{
		"/t/default/keys?x=1": "/t/default/keys?x=1", "": "/", "https://evil.example": "/", "//evil.example": "/", "/\\evil.example": "/",
		"///evil.example": "/", "/\t/evil.example": "/", "javascript:alert(1)": "/", "evil": "/", "/%2fevil.example": "/%2fevil.example", "http:/x": "/",
	} {
		if got := local(path); got != want {
			t.Errorf("%q leads to %q, not %q", path, got, want)
		}
	}
}

// The cookies of a session are for this server's requests alone, and a policy
// stands over every page and asset.
func TestCookiesAndPolicy(t *testing.T) {
	k := newKit(t, nil)
	_, err := k.local.CreateUser(t.Context(), admin.NewUser{Email: ownerEmail, Password: password, Role: "owner"})
	k.must(err)
	b := k.stranger()
	got := b.post("/sign-in", url.Values{"email": {ownerEmail}, "password": {password}})
	if n := len(got.header.Values("Set-Cookie")); n != 3 {
		t.Errorf("%d cookies", n)
	}
	for _, c := range got.header.Values("Set-Cookie") {
		if !strings.Contains(c, "; HttpOnly; SameSite=Strict") || !strings.Contains(c, "Path=/;") {
			t.Errorf("%s", strings.SplitN(c, "=", 2)[0])
		}
	}
	for _, path := range []string{"/sign-in", "/t/default", newAssets().url("portal.css")} {
		h := b.get(path).header
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'; script-src 'self'; style-src 'self'") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") ||
			h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

// Requests of one page that come when the JWT has ended share one exchange of
// the refresh token: the API would end the session otherwise.
func TestAPageRefreshesOnce(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	u := mustURL(t, b.url)
	var held []*http.Cookie
	for _, c := range b.http.Jar.Cookies(u) {
		if c.Name != accessCookie {
			held = append(held, c)
		}
	}
	var all sync.WaitGroup
	for range 8 {
		one := k.stranger()
		one.http.Jar.SetCookies(u, held)
		all.Go(func() {
			if got := one.get("/t/default"); got.status != http.StatusOK {
				t.Errorf("%d to %q", got.status, got.location)
			}
		})
	}
	all.Wait()
	// Long after, the token that was exchanged is a copy, and nobody's.
	late := k.stranger()
	late.http.Jar.SetCookies(u, []*http.Cookie{{Name: refreshCookie, Value: "wbr_nonsense"}})
	if got := late.get("/t/default"); got.status != http.StatusSeeOther {
		t.Errorf("a refresh token of nobody: %d", got.status)
	}
}
