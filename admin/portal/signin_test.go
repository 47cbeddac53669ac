package portal

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/admin/session"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house/openid"
)

// Guessing gets slow, and the page says for how long, in words.
func TestTooManySignInsAreToldToWait(t *testing.T) {
	k := newKit(t, nil)
	k.owner()
	b := k.stranger()
	form := url.Values{"email": {ownerEmail}, "password": {"swordfish-canary"}}
	for range 8 {
		got := b.post("/sign-in", form)
		if got.status == http.StatusUnauthorized {
			continue
		}
		if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" ||
			!regexp.MustCompile(`Try again in \d+ seconds?\.`).MatchString(got.body) || strings.Contains(got.body, "swordfish") {
			t.Errorf("%d %v %s", got.status, got.header, got.body)
		}
		return
	}
	t.Error("nothing slows guessing")
}

// A session that has ended leads a page to the sign-in and back, a part of a page
// as a whole, and tells a stream not to come again.
func TestAnEndedSessionLeadsToTheSignIn(t *testing.T) {
	k := newKit(t, nil)
	b := k.user("bob@example.com", "", auth.RoleMember)
	b.page("/t/default")
	_, err := k.local.DisableUser(t.Context(), "bob@example.com")
	k.must(err)
	if got := b.get("/t/default/teams?x=1"); got.status != http.StatusSeeOther || got.location != "/sign-in?next="+url.QueryEscape("/t/default/teams?x=1") {
		t.Errorf("a page: %d to %q", got.status, got.location)
	}
	got := b.post("/t/default/teams?done=member-put", url.Values{"email": {"x@example.com"}})
	if got.status != http.StatusSeeOther || got.location != "/sign-in?next=%2Ft%2Fdefault%2Fteams&undone=1" {
		t.Errorf("a form: %d to %q", got.status, got.location)
	}
	shows(t, "the sign-in after a form", b.page(got.location), true, "what you sent was not done", `name="next" value="/t/default/teams"`)
	shows(t, "the sign-in", b.page("/sign-in"), false, "was not done")
	for at, want := range map[string]string{
		k.url + "/t/default/settings?a=b": "/sign-in?next=" + url.QueryEscape("/t/default/settings?a=b"), "": "/sign-in", "https://evil.example/x": "/sign-in?next=%2Fx", "//evil.example//": "/sign-in",
	} {
		got := b.send("GET", "/t/default/settings/kek", nil, func(h http.Header) {
			h.Set("Sec-Fetch-Site", "same-origin")
			h.Set("HX-Request", "true")
			h.Set("HX-Current-URL", at)
		})
		if got.header.Get("HX-Redirect") != want || got.body != "" {
			t.Errorf("a part of %q: %d to %q", at, got.status, got.header.Get("HX-Redirect"))
		}
	}
	if got := b.send("GET", "/t/default/live/transfers", nil, func(h http.Header) {
		h.Set("Sec-Fetch-Site", "same-origin")
		h.Set("Accept", "text/event-stream")
	}); got.status != http.StatusNoContent || got.header.Get("HX-Redirect") != "" {
		t.Errorf("a stream: %d", got.status)
	}
}

// newFirstUser is a kit in which nobody is a user yet, and the code by which the
// first one is made.
func newFirstUser(t *testing.T) (*kit, auth.Secret) {
	t.Helper()
	var signIn *session.Service
	k := newKit(t, func(o *admin.Options) {
		signIn = session.New(session.Options{Store: o.Store})
		o.SignIn = signIn
	})
	secret, err := signIn.OfferFirstUser(t.Context())
	k.must(err)
	return k, secret
}

// The first user is made by the code of the link, once; what is refused shows the
// form with what was typed but the secrets.
func TestTheFirstUserIsMadeOnce(t *testing.T) {
	k, secret := newFirstUser(t)
	b := k.stranger()
	b.page("/setup")
	form := url.Values{"secret": {"wbs_canary"}, "email": {ownerEmail}, "name": {"<Ada>"}, "password": {"canary horse battery"}}
	got := b.post("/setup", form)
	shows(t, "another code", got.body, true, "setup_invalid", `value="ada@example.com"`, `value="&lt;Ada&gt;"`)
	shows(t, "another code", got.body, false, "canary")
	form.Set("secret", secret.Reveal())
	if to := b.does("/setup", form); to != "/t/default/guide" {
		t.Errorf("to %q", to)
	}
	b.page("/t/default")
	form.Set("email", "eve@example.com")
	if got := k.stranger().post("/setup", form); got.status != http.StatusUnauthorized || len(got.header.Values("Set-Cookie")) > 0 {
		t.Errorf("the code is good twice: %d", got.status)
	}
}

// T60: of several people who have the link one makes the first user, and the
// others nothing.
func TestT60_TheLinkIsGoodForOne(t *testing.T) {
	k, secret := newFirstUser(t)
	got := make(chan answer)
	for _, email := range []string{"ada@example.com", "eve@example.com", "mallory@example.com"} {
		b := k.stranger()
		go func() {
			got <- b.post("/setup", url.Values{"secret": {secret.Reveal()}, "email": {email}, "password": {password}})
		}()
	}
	in := 0
	for range 3 {
		one := <-got
		switch cookies := len(one.header.Values("Set-Cookie")); {
		case one.status == http.StatusSeeOther && cookies == 3:
			in++
		case one.status != http.StatusUnauthorized || cookies > 0:
			t.Errorf("%d with %d cookies: %s", one.status, cookies, one.body)
		}
	}
	users, err := k.store.Users(t.Context())
	k.must(err)
	if in != 1 || len(users) != 1 {
		t.Errorf("%d came in, and there are %d users", in, len(users))
	}
}

// T60: signing in begins a session of its own, whatever cookies somebody has put
// into the browser before.
func TestT60_NoSessionIsFixed(t *testing.T) {
	k := newKit(t, nil)
	eve, u := k.user("eve@example.com", "", auth.RoleViewer), mustURL(t, k.url)
	k.owner()
	ada := k.stranger()
	planted := map[string]string{}
	for _, c := range eve.http.Jar.Cookies(u) {
		planted[c.Name] = c.Value
	}
	ada.http.Jar.SetCookies(u, eve.http.Jar.Cookies(u))
	ada.does("/sign-in", url.Values{"email": {ownerEmail}, "password": {password}})
	shows(t, "the account", ada.page("/t/default/account"), true, ownerEmail)
	for _, c := range ada.http.Jar.Cookies(u) {
		if c.Value == planted[c.Name] {
			t.Errorf("%s is the one that was there", c.Name)
		}
	}
	shows(t, "hers", eve.page("/t/default/account"), false, ownerEmail)
}

// oidcKit has an OpenID provider at which Ada is.
func oidcKit(t *testing.T) (*kit, *openid.Provider) {
	t.Helper()
	op := openid.New(t, "")
	op.Person = openid.Person{Subject: "s-1", Email: "ada@example.com", Verified: true, Name: "Ada"}
	k := newKit(t, func(o *admin.Options) {
		o.SignIn = session.New(session.Options{Store: o.Store, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, OIDC: func() *session.OIDC {
			return &session.OIDC{Issuer: op.URL, ClientID: op.ClientID, ClientSecret: auth.NewSecret(op.ClientSecret), RedirectURL: op.RedirectURL, Team: auth.DefaultTeam, Role: auth.RoleViewer}
		}})
	})
	op.RedirectURL = k.url + oidcCallback
	return k, op
}

// begin goes to the provider, which sends back with a query.
func (b *browser) begin(op *openid.Provider) url.Values {
	b.t.Helper()
	got := b.get("/api/v1/auth/oidc/start")
	if got.status != http.StatusSeeOther {
		b.t.Fatalf("%d %s", got.status, got.body)
	}
	return op.Visit(got.location)
}

// back comes from the provider, by its page.
func (b *browser) back(q url.Values) answer {
	b.t.Helper()
	return b.send("GET", oidcCallback+"?"+q.Encode(), nil, func(h http.Header) {
		h.Set("Sec-Fetch-Site", "cross-site")
		h.Set("Sec-Fetch-Mode", "navigate")
		h.Set("Sec-Fetch-Dest", "document")
	})
}

func TestSigningInByOpenIDConnect(t *testing.T) {
	k, op := oidcKit(t)
	b := k.stranger()
	shows(t, "the form", b.page("/sign-in"), true, `href="/api/v1/auth/oidc/start"`)
	q := b.begin(op)
	got := b.back(q)
	if got.status != http.StatusOK || !strings.Contains(got.body, `content="0;url=/"`) || got.header.Get("Content-Security-Policy") != policy {
		t.Fatalf("%d %s %v", got.status, got.body, got.header)
	}
	if n := len(got.header.Values("Set-Cookie")); n != 4 { // the session's three, and the one of the sign-in, which ends
		t.Errorf("%d cookies", n)
	}
	shows(t, "the page", got.body, false, "eyJ", "wbr_") // a JWT, a refresh token
	shows(t, "the account", b.page("/t/default/account"), true, "ada@example.com", "viewer")
	if c := op.Complaints(); len(c) > 0 {
		t.Errorf("the provider complains: %q", c)
	}
	// The same answer again is nobody's.
	if got := k.stranger().back(q); got.status != http.StatusUnauthorized || len(got.header.Values("Set-Cookie")) > 0 {
		t.Errorf("in another browser: %d", got.status)
	}
}

// What fails at the provider is told in the words of the API, and signs nobody in.
func TestAFailedOpenIDConnectSignInIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		lie  func(*openid.Provider)
		with func(url.Values)
	}{
		"the person said no":      {with: func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") }},
		"another state":           {with: func(q url.Values) { q.Set("state", "canary") }},
		"another code":            {with: func(q url.Values) { q.Set("code", "canary") }},
		"an address not verified": {lie: func(op *openid.Provider) { op.Person.Verified = false }},
	} {
		t.Run(name, func(t *testing.T) {
			k, op := oidcKit(t)
			if c.lie != nil {
				c.lie(op)
			}
			b := k.stranger()
			q := b.begin(op)
			if c.with != nil {
				c.with(q)
			}
			got := b.back(q)
			if got.status < 400 || !strings.Contains(got.body, `class="problem" role="alert"`) || !strings.Contains(got.body, `action="/sign-in"`) {
				t.Errorf("%d %s", got.status, got.body)
			}
			for _, line := range got.header.Values("Set-Cookie") {
				if cookie, _ := http.ParseSetCookie(line); cookie == nil || cookie.Name == accessCookie || cookie.Name == refreshCookie || cookie.Name == deviceCookie {
					t.Errorf("a cookie: %s", strings.SplitN(line, "=", 2)[0])
				}
			}
			shows(t, "the page", got.body, false, "canary")
			if got := b.get("/t/default"); got.status != http.StatusSeeOther {
				t.Errorf("signed in: %d", got.status)
			}
			k.mu.Lock()
			defer k.mu.Unlock()
			k.log = nil // a lie of the provider is logged
		})
	}
}

// T60: behind something that ends TLS, pages of its name are the portal's own and
// cookies are for TLS alone; pages from anywhere else are foreign as ever.
func TestT60_BehindAFront(t *testing.T) {
	k := newKit(t, func(o *admin.Options) { o.URL = func() string { return "https://weights.example.com" } })
	_, err := k.store.CreateUser(t.Context(), auth.User{Email: ownerEmail, Password: cheap(password)}, nil, auth.Event{Action: auth.ActionUserCreate, Time: time.Now()})
	k.must(err)
	here := strings.TrimPrefix(k.url, "http://")
	for name, c := range map[string]struct {
		host, origin, site string
		status             int
	}{
		"by its name":                      {"weights.example.com", "https://weights.example.com", "same-origin", 303},
		"of a browser of yesterday":        {"weights.example.com", "https://weights.example.com", "", 303},
		"the front names the listener":     {here, "https://weights.example.com", "same-origin", 303},
		"at the listener itself":           {here, k.url, "same-origin", 303},
		"another site":                     {"weights.example.com", "https://evil.example", "cross-site", 403},
		"another site, and yesterday":      {"weights.example.com", "https://evil.example", "", 403},
		"a site beside":                    {"weights.example.com", "https://x.weights.example.com", "same-site", 403},
		"another port":                     {"weights.example.com", "https://weights.example.com:8443", "", 403},
		"the same name in the clear":       {"weights.example.com", "http://weights.example.com", "", 403},
		"the listener's port, by its name": {here, "https://" + here, "", 403},
		"hides where it comes from":        {"weights.example.com", "null", "", 403},
		"a name that is not ours":          {"evil.example", "https://evil.example", "same-origin", 403},
		"a name that is not ours, by http": {"evil.example", "http://evil.example", "same-origin", 403},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, k.url+"/sign-in", strings.NewReader(url.Values{"email": {ownerEmail}, "password": {password}}.Encode()))
			k.must(err)
			r.Host = c.host
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Origin", c.origin)
			if c.site != "" {
				r.Header.Set("Sec-Fetch-Site", c.site)
			}
			resp, err := k.stranger().http.Do(r)
			k.must(err)
			defer func() { _ = resp.Body.Close() }()
			cookies := resp.Cookies()
			if resp.StatusCode != c.status || (len(cookies) == 3) != (c.status == 303) {
				t.Errorf("%d, with %d cookies", resp.StatusCode, len(cookies))
			}
			for _, one := range cookies {
				if !one.Secure || !one.HttpOnly || !strings.HasPrefix(one.Name, "__Host-") || one.SameSite != http.SameSiteStrictMode || one.Path != "/" || one.Domain != "" {
					t.Errorf("the cookie %s", one.Name)
				}
			}
		})
	}
}

// T60: who opened the portal past what ends TLS is told so, and not led to the
// sign-in again and again: the browser would keep no cookie. The code of the
// first-run link stays good.
func TestT60_WhoCameInTheClearIsTold(t *testing.T) {
	var signIn *session.Service
	k := newKit(t, func(o *admin.Options) {
		o.URL = func() string { return "https://weights.example.com" }
		o.Hosts = func() []string { return []string{"weights.lan"} }
		signIn = session.New(session.Options{Store: o.Store})
		o.SignIn = signIn
	})
	secret, err := signIn.OfferFirstUser(t.Context())
	k.must(err)
	send := func(path, origin string, form url.Values) (int, string, int) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, k.url+path, strings.NewReader(form.Encode()))
		k.must(err)
		r.Host = strings.TrimPrefix(strings.TrimPrefix(origin, "http://"), "https://")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", origin)
		resp, err := k.stranger().http.Do(r)
		k.must(err)
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		k.must(err)
		return resp.StatusCode, string(body), len(resp.Cookies())
	}
	setup := url.Values{"secret": {secret.Reveal()}, "email": {ownerEmail}, "password": {password}}
	for _, path := range []string{"/setup", "/sign-in"} {
		status, body, cookies := send(path, "http://weights.lan:8081", setup)
		if status != http.StatusForbidden || cookies != 0 {
			t.Errorf("%s in the clear: %d with %d cookies", path, status, cookies)
		}
		shows(t, path, body, true, "tls_required", "begins with https", ownerEmail)
	}
	if status, body, cookies := send("/setup", "https://weights.example.com", setup); status != http.StatusSeeOther || cookies != 3 {
		t.Errorf("by TLS: %d with %d cookies: %s", status, cookies, body)
	}
}

// T60: behind a front the cookie of a sign-in at the provider is for TLS alone, too.
func TestT60_BehindAFrontTheProvidersCookieIsSecure(t *testing.T) {
	op := openid.New(t, "https://weights.example.com"+oidcCallback)
	k := newKit(t, func(o *admin.Options) {
		o.URL = func() string { return "https://weights.example.com" }
		o.SignIn = session.New(session.Options{Store: o.Store, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, OIDC: func() *session.OIDC {
			return &session.OIDC{Issuer: op.URL, ClientID: op.ClientID, ClientSecret: auth.NewSecret(op.ClientSecret), RedirectURL: op.RedirectURL, Role: auth.RoleViewer, Team: auth.DefaultTeam}
		}})
	})
	op.Person = openid.Person{Subject: "s-1", Email: "ada@example.com", Verified: true}
	got := k.stranger().get("/api/v1/auth/oidc/start")
	set := got.header.Get("Set-Cookie")
	if !strings.HasPrefix(set, "__Host-weighbridge-oidc=") || !strings.Contains(set, "; Secure") {
		t.Fatalf("%d %s", got.status, strings.SplitN(set, "=", 2)[0])
	}
	held, err := http.ParseSetCookie(set)
	k.must(err)
	back := k.stranger().send("GET", oidcCallback+"?"+op.Visit(got.location).Encode(), nil, func(h http.Header) {
		h.Set("Sec-Fetch-Mode", "navigate")
		h.Set("Cookie", held.Name+"="+held.Value)
	})
	if back.status != http.StatusOK || !strings.Contains(back.header.Values("Set-Cookie")[0], "__Host-weighbridge-oidc=;") {
		t.Errorf("%d %s", back.status, back.body)
	}
}

// T60: who signs in at the OpenID provider comes to the page that was wanted,
// once; a page elsewhere is not one.
func TestT60_ThePageThatWasWantedWaitsForTheProvider(t *testing.T) {
	k, op := oidcKit(t)
	b := k.stranger()
	b.page("/sign-in?next=%2Ft%2Fdefault%2Fkeys%3Fq%3Da%2Cb")
	b.back(b.begin(op))
	if got := b.get("/"); got.location != "/t/default/keys?q=a,b" {
		t.Errorf("to %q", got.location)
	}
	if got := b.get("/"); got.location != "/t/default" {
		t.Errorf("again to %q", got.location)
	}
	b.page("/sign-in?next=https%3A%2F%2Fevil.example%2F")
	b.http.Jar.SetCookies(mustURL(t, b.url), []*http.Cookie{{Name: nextCookie, Value: "%2F%2Fevil.example", Path: "/"}})
	if got := b.get("/"); got.location != "/t/default" {
		t.Errorf("elsewhere: to %q", got.location)
	}
}
