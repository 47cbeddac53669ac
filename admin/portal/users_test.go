package portal

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// A password that was made is in the answer that made it, opens the account,
// and is nowhere else; one that was typed is nowhere.
func TestANewUsersPasswordIsShownOnce(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	b.page("/t/default/teams/users/new")
	form := url.Values{"email": {"bob@example.com"}, "name": {"Bob"}, "team": {"default"}, "role": {"member"}, "how": {"generated"}, "once": {"one"}}
	got := b.post("/t/default/teams/users/new", form)
	made := regexp.MustCompile(`>([A-Z2-7]{5}(?:-[A-Z2-7]{5}){4})<`).FindStringSubmatch(got.body)
	if got.status != http.StatusCreated || made == nil || got.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	bob := k.stranger()
	if got := bob.post("/sign-in", url.Values{"email": {"bob@example.com"}, "password": {made[1]}}); got.status != http.StatusSeeOther {
		t.Errorf("it opens nothing: %d %s", got.status, got.body)
	}
	bob.page("/t/default/teams")
	again := b.refuses("/t/default/teams/users/new", form, http.StatusConflict, "exists")
	shows(t, "sent again", again.body, true, "the password that was made then stood in that answer alone", "<code>weighbridge user reset-password EMAIL</code>")
	if regexp.MustCompile(`[A-Z2-7]{5}-[A-Z2-7]{5}-`).MatchString(again.body + b.page("/t/default/teams/users") + b.page("/t/default/teams/users/"+k.userID("bob@example.com"))) {
		t.Error("a password is shown again")
	}

	form = url.Values{"email": {"eve@example.com"}, "team": {""}, "role": {"owner"}, "how": {"typed"}, "once": {"two"}}
	form.Set("password", "canary")
	got = b.refuses("/t/default/teams/users/new", form, http.StatusUnprocessableEntity, "password_refused")
	shows(t, "a refused password", got.body, true, `value="eve@example.com"`, `value="typed" checked`)
	shows(t, "a refused password", got.body, false, "canary")
	form.Set("password", "")
	b.refuses("/t/default/teams/users/new", form, http.StatusUnprocessableEntity, "password_refused")
	form.Set("password", "a long enough canary")
	form.Set("once", "three")
	to := b.does("/t/default/teams/users/new", form)
	if strings.Contains(to+b.page(to), "canary") || b.does("/t/default/teams/users/new", form) != to {
		t.Errorf("to %q", to)
	}
	k.stranger().does("/sign-in", url.Values{"email": {"eve@example.com"}, "password": {"a long enough canary"}})
	shows(t, "in no team", b.page(to), true, "none")

	to = b.does("/t/default/teams/users/new", url.Values{"email": {"oidc@example.com"}, "how": {"none"}, "password": {"a long enough canary"}, "once": {"four"}})
	shows(t, "without a password", b.page(to), true, "nothing yet")
}

func TestUsersAreShutOutAndDeleted(t *testing.T) {
	k := newKit(t, nil)
	_, _, owner, b := k.everybody()
	id := k.userID("owner@example.com")
	at := "/t/default/teams/users/" + id
	shows(t, "the list", b.page("/t/default/teams/users"), true, "viewer@example.com", "research", at)
	owner.refuses("/t/research/teams/users/"+id, url.Values{"email": {"x@example.com"}}, http.StatusForbidden, "forbidden")
	owner.refuses("/t/research/teams/users/new", url.Values{"email": {"x@example.com"}, "how": {"generated"}}, http.StatusForbidden, "forbidden")
	b.refuses(at, url.Values{"email": {"viewer@example.com"}}, http.StatusConflict, "exists")
	hostile := `"><img src=x onerror=alert(1)>`
	b.does(at, url.Values{"email": {"o'neil&co@example.com"}, "name": {hostile}})
	for _, page := range []string{b.page(at), b.page("/t/default/teams/users"), b.page(at + "/delete"), b.page(at + "/disable"), owner.page("/t/research/teams")} {
		shows(t, "a hostile name", page, false, "<img src=x")
		shows(t, "a hostile address", page, true, "o&#39;neil&amp;co@example.com")
	}
	name := url.Values{"name": {"o'neil&co@example.com"}}
	got := b.refuses(at+"/delete", name, http.StatusConflict, "conflict")
	shows(t, "the last owner of a team", got.body, true, "it would lose its last owner")
	viewer := k.userID("viewer@example.com")
	b.does("/t/default/teams/users/"+viewer+"/disable", url.Values{"name": {"viewer@example.com"}})
	shows(t, "disabled", b.page("/t/default/teams/users/"+viewer), true, "disabled", "Enable")
	b.does("/t/default/teams/users/"+viewer+"/enable", url.Values{})
	shows(t, "enabled", b.page("/t/default/teams/users/"+viewer), true, "active")
	b.refuses("/t/default/teams/users/"+viewer+"/delete", url.Values{"name": {"viewer"}}, http.StatusUnprocessableEntity, "not_confirmed")
	b.does("/t/default/teams/users/"+viewer+"/delete", url.Values{"name": {"viewer@example.com"}})
	if got := b.get("/t/default/teams/users/" + viewer); got.status != http.StatusNotFound {
		t.Errorf("deleted: %d", got.status)
	}
	// Oneself: the session ends with it.
	self := k.userID(ownerEmail)
	k.user("second@example.com", "", "owner")
	shows(t, "oneself", b.page("/t/default/teams/users/"+self), false, "/delete", "/disable")
	b.does("/t/default/teams/users/"+self+"/delete", url.Values{"name": {ownerEmail}})
	if got := b.get("/t/default/teams/users"); got.status != http.StatusSeeOther || !strings.HasPrefix(got.location, "/sign-in") {
		t.Errorf("%d to %q", got.status, got.location)
	}
}
