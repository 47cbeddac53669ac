//go:build realclients

package realclouds

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin/session"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

const callback = "http://127.0.0.1:8081/api/v1/auth/oidc/callback"

// desk signs users in by a certified OpenID provider, oidc-provider.
type desk struct {
	*session.Service
	t     *testing.T
	store store.Store
	oidc  session.OIDC
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	port := freePort(t)
	serve(t, "127.0.0.1:"+port, []string{"NODE_PATH=" + filepath.Join(cloudDir, "node_modules")},
		"node", filepath.Join(scriptDir, "openid.cjs"), port, "weighbridge", "the secret of a client", callback)
	kek, err := store.NewMemoryKEK()
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, oidc: session.OIDC{Issuer: "http://127.0.0.1:" + port, ClientID: "weighbridge", ClientSecret: auth.NewSecret("the secret of a client"),
		RedirectURL: callback, Team: auth.DefaultTeam, Role: auth.RoleMember}}
	if d.store, err = store.OpenMemory(store.Options{KEK: kek}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.store.EnsureTeam(t.Context(), auth.DefaultTeam); err != nil {
		t.Fatal(err)
	}
	d.Service = session.New(session.Options{Store: d.store, OIDC: func() *session.OIDC { c := d.oidc; return &c }})
	return d
}

// step is where a page of the provider sends its form.
var step = regexp.MustCompile(`action="([^"]+)"`)

// visit is a browser in which who signs in at the provider; it returns the
// query with which it is sent back.
func (d *desk) visit(at, who string) url.Values {
	d.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		d.t.Fatal(err)
	}
	back := url.Values(nil)
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), callback) {
			back = r.URL.Query()
			return http.ErrUseLastResponse
		}
		return nil
	}}
	resp, err := browser.Get(at)
	for range 4 { // sign in, consent
		if err != nil {
			d.t.Fatal(err)
		}
		b, err2 := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err2 != nil {
			d.t.Fatal(err2)
		}
		if back != nil {
			return back
		}
		form := step.FindStringSubmatch(string(b))
		if form == nil {
			d.t.Fatalf("the provider shows %s %s", resp.Status, b)
		}
		fields := url.Values{"prompt": {"login"}, "login": {who}, "password": {"x"}}
		if strings.Contains(string(b), `value="consent"`) {
			fields = url.Values{"prompt": {"consent"}}
		}
		to, err3 := resp.Request.URL.Parse(form[1])
		if err3 != nil {
			d.t.Fatal(err3)
		}
		resp, err = browser.PostForm(to.String(), fields)
	}
	d.t.Fatal("the provider does not send the browser back")
	return nil
}

func (d *desk) signIn(who string) (session.Grant, error) {
	d.t.Helper()
	st, err := d.StartOIDC(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return d.FinishOIDC(d.t.Context(), d.visit(st.URL, who), st.Cookie, session.From{})
}

func TestACertifiedOpenIDProviderSignsUsersIn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	g, err := d.signIn("ada")
	if err != nil {
		t.Fatal(err)
	}
	if g.User.Email != "ada@example.com" || g.User.Name != "Name of ada" || g.User.Subject != "ada" || g.User.Issuer != d.oidc.Issuer {
		t.Errorf("%+v", g.User)
	}
	if u, _, err := d.Authenticate(t.Context(), g.Access.Reveal()); err != nil || u.ID != g.User.ID {
		t.Errorf("%+v, %v", u, err)
	}
	again, err := d.signIn("ada")
	if err != nil || again.User.ID != g.User.ID || again.Session.ID == g.Session.ID {
		t.Errorf("again: %+v, %v", again.User, err)
	}
	if _, err := d.signIn("unverified"); auth.AsError(err).Code != session.CodeSignInFailed {
		t.Errorf("an address that is not verified: %v", err)
	}
	// The provider takes a code once, and no other verifier than the one that
	// was announced: the cookie of another sign-in does not do.
	st, err := d.StartOIDC(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	q := d.visit(st.URL, "bob")
	if _, err := d.FinishOIDC(t.Context(), q, st.Cookie, session.From{}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.FinishOIDC(t.Context(), q, st.Cookie, session.From{}); auth.AsError(err).Code != session.CodeSignInFailed {
		t.Errorf("a code twice: %v", err)
	}
	d.oidc.ClientSecret = auth.NewSecret("another secret")
	if _, err := d.signIn("eve"); auth.AsError(err).Code != session.CodeSignInFailed {
		t.Errorf("with another secret: %v", err)
	}
}
