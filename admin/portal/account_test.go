package portal

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// A new password ends every session but the browser's own, which goes on with
// new cookies; none of the three fields is in any page.
func TestChangingOnesPassword(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	other := k.stranger()
	other.does("/sign-in", url.Values{"email": {ownerEmail}, "password": {password}})
	const at = "/t/default/account"
	shows(t, "the account", b.page(at), true, ownerEmail, "this one", "End all others", "You run weighbridge")
	form := func(present, next, again string) url.Values {
		return url.Values{"present": {present}, "new": {next}, "again": {again}}
	}
	for _, c := range []struct {
		form   url.Values
		status int
		code   string
	}{
		{form(password, "canary one two three", "canary one two four"), http.StatusUnprocessableEntity, "invalid"},
		{form(password, "canary", "canary"), http.StatusUnprocessableEntity, "password_refused"},
		{form("canary is not it", "canary one two three", "canary one two three"), http.StatusForbidden, "sign_in_failed"},
	} {
		got := b.refuses(at+"/password", c.form, c.status, c.code)
		shows(t, c.code, got.body, false, "canary", password)
	}
	if to := b.does(at+"/password", form(password, "canary one two three", "canary one two three")); to != at+"?done=password-changed" {
		t.Errorf("to %q", to)
	}
	b.page(at)
	if got := other.get(at); got.status != http.StatusSeeOther {
		t.Errorf("the other session goes on: %d", got.status)
	}
	k.stranger().does("/sign-in", url.Values{"email": {ownerEmail}, "password": {"canary one two three"}})
}

// Sessions are ended one by one or all but one's own, by whose they are.
func TestEndingSessions(t *testing.T) {
	k := newKit(t, nil)
	b, eve := k.owner(), k.user("eve@example.com", "", auth.RoleViewer)
	const at = "/t/default/account"
	signIn := func(agent string) *browser {
		one := k.stranger()
		form := url.Values{"email": {ownerEmail}, "password": {password}}
		got := one.send(http.MethodPost, "/sign-in", form, func(h http.Header) {
			h.Set("Origin", k.url)
			h.Set("User-Agent", agent)
		})
		if got.status != http.StatusSeeOther {
			t.Fatalf("%d %s", got.status, got.body)
		}
		return one
	}
	phone := signIn("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1")
	hostile := signIn("<script>alert(1)</script>")
	page := b.page(at)
	shows(t, "sessions", page, true, "Safari on iOS", "&lt;script&gt;")
	shows(t, "sessions", page, false, "<script>alert")
	all, err := k.store.Sessions(t.Context(), k.userID(ownerEmail))
	k.must(err)
	for _, s := range all {
		if !strings.Contains(s.Agent, "iPhone") {
			continue
		}
		end := at + "/sessions/" + s.ID + "/end"
		if got := eve.get(end); got.status != http.StatusNotFound {
			t.Errorf("eve is asked: %d", got.status)
		}
		eve.refuses(end, url.Values{}, http.StatusNotFound, "not_found")
		shows(t, "asked", b.page(end), true, "Safari on iOS")
		b.does(end, url.Values{})
	}
	if got := phone.get(at); got.status != http.StatusSeeOther {
		t.Errorf("the session goes on: %d", got.status)
	}
	b.page(at + "/sessions/end-others")
	b.does(at+"/sessions/end-others", url.Values{})
	if got := hostile.get(at); got.status != http.StatusSeeOther {
		t.Errorf("another session goes on: %d", got.status)
	}
	eve.page(at)
	page = b.page(at)
	shows(t, "alone", page, false, "End all others")
	_, rest, _ := strings.Cut(page, "/account/sessions/")
	id, _, _ := strings.Cut(rest, "/end")
	if to := b.does(at+"/sessions/"+id+"/end", url.Values{}); to != "/sign-in?done=signed-out" {
		t.Errorf("ending one's own leads to %q", to)
	}
	if got := b.get(at); got.status != http.StatusSeeOther {
		t.Errorf("one's own session goes on: %d", got.status)
	}
}

func TestProgramsInFewWords(t *testing.T) {
	said := newText()
	for agent, want := range map[string]string{
		"":                          "unknown program",
		"curl/8.5.0":                "curl",
		"wbtool/1.0 (plan9; amd64)": "wbtool",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36 Edg/130.0": "Edge on Windows",
		"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0":                            "Firefox on Linux",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/605 Version/17 Safari/605":               "Safari on macOS",
	} {
		if got := agentName(said, agent); got != want {
			t.Errorf("%q is %q", agent, got)
		}
	}
}
