//go:build realclients

package portal

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
)

// act is something that cannot be taken back.
type act struct {
	path string
	// stands reports whether it has not happened.
	stands func() bool
	// before fills in what the form asks for beside the name.
	before func()
}

// confirm goes through an act: going back, another name, and no name do nothing,
// also where the page is made to send them; the name does it.
func (b *tab) confirm(a act) {
	b.t.Helper()
	const button, name = "main form .danger", "main form [data-confirm]"
	undone := func(how string) {
		b.t.Helper()
		if !a.stands() {
			b.t.Fatalf("%s: it happened after %s", a.path, how)
		}
	}
	b.open(a.path)
	undone("looking")
	b.shows()
	b.follow("Cancel")
	undone("going back")

	b.open(a.path)
	// What is typed is what a person sees.
	wanted := eval[string](b, "/“([^]*)”/.exec(document.querySelector("+quote(name)+").labels[0].innerText)[1]")
	disabled := "document.querySelector(" + quote(button) + ").disabled"
	if wanted == "" || !eval[bool](b, disabled) {
		b.t.Errorf("%s: it can be sent before %q is typed", a.path, wanted)
	}
	if a.before != nil {
		a.before()
	}
	b.fillThe(name, wanted+"x")
	if !eval[bool](b, disabled) {
		b.t.Errorf("%s: it can be sent with another name", a.path)
	}
	b.landing("sending another name", evaluateLater("setTimeout(() => document.querySelector("+quote(name)+").form.submit())"))
	if !strings.Contains(b.text(), "not_confirmed") {
		b.t.Errorf("%s: another name is answered with %s", a.path, b.text())
	}
	undone("another name")

	if a.before != nil {
		a.before()
	}
	b.fillThe(name, wanted)
	b.followThe(button)
	b.shows()
	if a.stands() {
		b.fatal("%s: nothing happened", a.path)
	}
}

// What shuts people and programs out, and what is about the whole.
func TestActsOnPeople(t *testing.T) {
	t.Parallel()
	vault := house.NewVault(t)
	s := newSite(t, house.Options{Environ: vault.Environ()})
	s.user(owner, "", auth.RoleOwner)
	ctx, api := t.Context(), s.API()
	ids := map[string]string{}
	for _, who := range []string{"member@example.com", "disabled@example.com", "deleted@example.com"} {
		s.user(who, "", auth.RoleMember)
		u, err := api.GetUser(ctx, who)
		s.must(err)
		ids[who] = u.ID
	}
	team, err := api.CreateTeam(ctx, admin.NewTeam{Name: "empty", Owner: owner})
	s.must(err)
	b := s.signedIn(owner)
	b.open("/t/default/tokens")
	b.follow("New access token")
	b.fill("Name", "ci")
	b.follow("Create and show it once")
	token := b.revealed()
	b.confirm(act{path: "/t/default/tokens/ci/delete", stands: func() bool { return s.tokenWorks(token) }})

	// Whoever is shut out sees it with the next click.
	member := s.signedIn("member@example.com")
	member.open("/t/default/teams") // which asks for nothing by itself
	b.confirm(act{path: "/t/default/teams/members/" + ids["member@example.com"] + "/remove", stands: func() bool {
		members, err := api.ListMembers(ctx)
		s.must(err)
		for _, m := range members {
			if m.User.ID == ids["member@example.com"] {
				return true
			}
		}
		return false
	}})
	member.follow("Credentials")
	member.lacks("Add credential")
	for _, how := range []string{"disable", "delete"} {
		email := how + "d@example.com"
		other := s.signedIn(email)
		other.open("/t/default/teams")
		b.confirm(act{path: "/t/default/teams/users/" + ids[email] + "/" + how, stands: func() bool {
			u, err := api.GetUser(ctx, ids[email])
			return err == nil && u.Status == "active"
		}})
		other.follow("Credentials")
		other.at("/sign-in")
	}
	b.confirm(act{path: "/t/default/teams/all/" + team.ID + "/delete", stands: func() bool { _, err := api.GetTeam(ctx, team.ID); return err == nil }})

	other, third := s.signedIn(owner), s.signedIn(owner)
	third.open("/t/default/teams")
	// One of them, and not one's own: the newest is the third's.
	sessions := func() int { return eval[int](b, `document.querySelectorAll("main tbody tr").length`) }
	b.open("/t/default/account")
	was := sessions()
	b.followThe("main tbody tr:not(:has(.good)) a.button")
	b.follow("Cancel")
	if n := sessions(); n != was {
		t.Errorf("%d sessions after looking at the end of one, want %d", n, was)
	}
	b.followThe("main tbody tr:not(:has(.good)) a.button")
	b.followThe("main form button")
	b.shows()
	b.sees("The session was ended.")
	if n := sessions(); n != was-1 {
		t.Errorf("%d sessions after the end of one, want %d", n, was-1)
	}
	ended, stays := third, other
	if stays.open("/t/default/account"); strings.HasPrefix(stays.path(), "/sign-in") {
		ended, stays = other, third
	}
	ended.open("/t/default/teams")
	ended.at("/sign-in")
	stays.open("/t/default/teams")
	stays.at("/t/default/teams")

	b.open("/t/default/account")
	b.follow("End all others")
	b.followThe("main form button")
	b.shows()
	stays.follow("Credentials")
	stays.at("/sign-in")
	b.open("/t/default/account")

	roots := func() int { r, err := api.ListRoots(ctx); s.must(err); return len(r.Roots) }
	published := roots()
	b.confirm(act{path: "/t/default/settings/ca/rotate", stands: func() bool { return roots() == published }})

	vault.HoldAfter(2) // by which the store tries whether it wraps and unwraps
	key := func() string { k, err := api.GetKEK(ctx); s.must(err); return k.KEK }
	first := key()
	b.confirm(act{path: "/t/default/settings/kek/rotate", before: func() { b.fillThe("main form [name=to]", house.VaultURI) }, stands: func() bool {
		if !strings.HasSuffix(b.path(), "done=kek-rotating") {
			return key() == first
		}
		b.watchesTheRotation(vault.Release)
		return key() == first
	}})
}

// watchesTheRotation asserts that how far a rotation is stands there while it
// cannot be asked for, with why, and moves on when it can, to the end.
func (b *tab) watchesTheRotation(goOn func()) {
	b.t.Helper()
	const part, problem = "/t/default/settings/kek", `document.querySelector("#kek-problem").innerText.includes("down")`
	b.until("it runs", `document.querySelector("#kek progress")`)
	b.front.refusals(true)
	b.front.down.Store(part)
	b.until("that it cannot be asked for is said", problem)
	b.front.down.Store("")
	b.until("it is said no more", "!"+problem)
	b.front.refusals(false)
	if !eval[bool](b, `Boolean(document.querySelector("#kek progress"))`) {
		b.t.Error("how far it is stands there no more")
	}
	goOn()
	b.until("it is done", `document.querySelector("#kek") && !document.querySelector("#kek").hasAttribute("hx-get")`)
}

// tokenWorks reports whether the API takes an access token.
func (s *site) tokenWorks(token string) bool {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.Bridge.AdminURL()+"/api/v1/keys", nil)
	s.must(err)
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	s.must(err)
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusUnauthorized {
		s.t.Errorf("the API answers %s", answer.Status)
	}
	return answer.StatusCode == http.StatusOK
}

// revealed is the first secret of a page that shows one once; nothing shows it
// from here on.
func (b *tab) revealed() string {
	b.t.Helper()
	secret := b.words(".reveal pre")
	if eval[bool](b, "(() => { const copy = document.documentElement.cloneNode(true); for (const e of copy.querySelectorAll('.reveal, .copy')) e.remove(); return copy.outerHTML.includes("+quote(secret)+"); })()") {
		b.t.Errorf("%s: the secret stands beside the place where it is revealed", b.path())
	}
	b.s.secretOf(secret)
	return secret
}
