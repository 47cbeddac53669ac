package portal

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// everybody is a user of each kind in the team research, and one who runs
// weighbridge and is in the default team alone.
func (k *kit) everybody() (viewer, member, owner, operator *browser) {
	k.t.Helper()
	operator = k.owner()
	k.team("research")
	return k.user("viewer@example.com", "research", auth.RoleViewer), k.user("member@example.com", "research", auth.RoleMember),
		k.user("owner@example.com", "research", auth.RoleOwner), operator
}

// team makes one of a name.
func (k *kit) team(name string) admin.Team {
	k.t.Helper()
	t, err := k.local.CreateTeam(k.t.Context(), admin.NewTeam{Name: name})
	k.must(err)
	return t
}

// userID is a user's, by e-mail address.
func (k *kit) userID(email string) string {
	k.t.Helper()
	u, err := k.local.GetUser(k.t.Context(), email)
	k.must(err)
	return u.ID
}

// refuses posts what the API has to refuse, by its code.
func (b *browser) refuses(path string, form url.Values, status int, code string) answer {
	b.t.Helper()
	got := b.post(path, form)
	if got.status != status || !strings.Contains(got.body, "<code>"+code+"</code>") {
		b.t.Errorf("%s: %d %s", path, got.status, got.body)
	}
	return got
}

// shows compares what a page has, by its text or source.
func shows(t *testing.T, where, body string, want bool, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if strings.Contains(body, part) != want {
			t.Errorf("%s: %q is there: %v", where, part, !want)
		}
	}
}

// Who may change members is offered it, and nobody else gets it by asking.
func TestMembersAreForOwnersToChange(t *testing.T) {
	k := newKit(t, nil)
	viewer, member, owner, operator := k.everybody()
	id := k.userID("member@example.com")
	for name, b := range map[string]*browser{"viewer": viewer, "member": member} {
		page := b.page("/t/research/teams")
		shows(t, name, page, true, "viewer@example.com", "owner@example.com")
		shows(t, name, page, false, "Add a member", "/remove", `<select`, "All teams")
		b.refuses("/t/research/teams", url.Values{"email": {"viewer@example.com"}, "role": {"owner"}}, http.StatusForbidden, "forbidden")
		b.refuses("/t/research/teams/members/"+id+"/remove", url.Values{"name": {"member@example.com"}}, http.StatusForbidden, "forbidden")
		if got := b.get("/t/research/teams/members/" + id + "/remove"); got.status != http.StatusForbidden {
			t.Errorf("%s is asked whether to remove: %d", name, got.status)
		}
		for _, path := range []string{"/t/research/teams/users", "/t/research/teams/users/new", "/t/research/teams/users/" + id} {
			if got := b.get(path); got.status != http.StatusForbidden {
				t.Errorf("%s: %s: %d", name, path, got.status)
			}
		}
	}
	shows(t, "owner", owner.page("/t/research/teams"), true, "Add a member", "/remove", `<select`)
	shows(t, "owner", owner.page("/t/research/teams"), false, "All teams", "New user")
	shows(t, "operator", operator.page("/t/default/teams"), true, "All teams", "New user")
	if got := operator.get("/t/research/teams"); got.status != http.StatusNotFound {
		t.Errorf("a team that the operator is not in: %d", got.status)
	}
	if to := owner.does("/t/research/teams", url.Values{"email": {ownerEmail}, "role": {"viewer"}}); to != "/t/research/teams?done=member-put" {
		t.Errorf("to %q", to)
	}
	shows(t, "added", owner.page("/t/research/teams?done=member-put"), true, ownerEmail, "has that role now")
	owner.does("/t/research/teams", url.Values{"email": {id}, "role": {"viewer"}})
	member.refuses("/t/research/teams", url.Values{"email": {id}, "role": {"member"}}, http.StatusForbidden, "forbidden")
	owner.refuses("/t/research/teams/members/"+id+"/remove", url.Values{"name": {"viewer@example.com"}}, http.StatusUnprocessableEntity, "not_confirmed")
	owner.does("/t/research/teams/members/"+id+"/remove", url.Values{"name": {"member@example.com"}})
	if got := member.get("/t/research/teams"); got.status != http.StatusNotFound {
		t.Errorf("who was removed still sees the team: %d", got.status)
	}
	if got := member.get("/"); got.location != "/no-team" {
		t.Errorf("who is in no team is led to %q", got.location)
	}
	member.page("/no-team")
}

// What the API refuses is told in its words, with what was typed.
func TestTheLastOwnerStays(t *testing.T) {
	k := newKit(t, nil)
	_, _, owner, _ := k.everybody()
	id := k.userID("owner@example.com")
	got := owner.refuses("/t/research/teams", url.Values{"email": {id}, "role": {"viewer"}}, http.StatusConflict, "conflict")
	shows(t, "another role", got.body, true, "it would lose its last owner")
	got = owner.refuses("/t/research/teams/members/"+id+"/remove", url.Values{"name": {"owner@example.com"}}, http.StatusConflict, "conflict")
	shows(t, "removing", got.body, true, "it would lose its last owner")
	got = owner.refuses("/t/research/teams", url.Values{"email": {"nobody@example.com"}, "role": {"viewer"}}, http.StatusNotFound, "not_found")
	shows(t, "a stranger", got.body, true, `value="nobody@example.com"`, "makes users")
	owner.refuses("/t/research/teams", url.Values{"email": {"viewer@example.com"}, "role": {"king"}}, http.StatusUnprocessableEntity, "invalid")
}

// Teams are made, renamed and deleted by who runs weighbridge.
func TestTeamsAreForWhoRunsWeighbridge(t *testing.T) {
	k := newKit(t, nil)
	_, _, owner, b := k.everybody()
	shows(t, "owner", owner.page("/t/research/teams/all"), false, "New team", "Manage", "default")
	owner.refuses("/t/research/teams/all", url.Values{"name": {"mine"}, "once": {"a"}}, http.StatusForbidden, "forbidden")
	form := url.Values{"name": {"art & <b>craft</b>"}, "owner": {"owner@example.com"}, "once": {"one"}}
	b.does("/t/default/teams/all", form)
	b.does("/t/default/teams/all", form) // sent twice, it happens once
	all, err := k.local.ListTeams(t.Context())
	k.must(err)
	if len(all) != 3 {
		t.Errorf("%d teams", len(all))
	}
	team, err := k.local.GetTeam(t.Context(), "art & <b>craft</b>")
	k.must(err)
	page := b.page("/t/default/teams/all")
	shows(t, "teams", page, true, "art &amp; &lt;b&gt;craft", "/t/default/teams/all/"+team.ID)
	shows(t, "teams", page, false, "<b>craft")
	b.refuses("/t/default/teams/all", url.Values{"name": {"research"}, "once": {"two"}}, http.StatusConflict, "exists")
	b.refuses("/t/default/teams/all/"+team.ID, url.Values{"name": {"research"}}, http.StatusConflict, "exists")
	b.does("/t/default/teams/all/"+team.ID, url.Values{"name": {"art"}})
	at := "/t/default/teams/all/" + team.ID + "/delete"
	b.page(at)
	if got := owner.get("/t/research/teams/all/" + team.ID + "/delete"); got.status != http.StatusForbidden {
		t.Errorf("an owner is asked whether to delete: %d", got.status)
	}
	owner.refuses("/t/research/teams/all/"+team.ID+"/delete", url.Values{"name": {"art"}}, http.StatusForbidden, "forbidden")
	b.refuses(at, url.Values{"name": {"craft"}}, http.StatusUnprocessableEntity, "not_confirmed")
	if to := b.does(at, url.Values{"name": {"art"}}); to != "/t/default/teams/all?done=team-deleted" {
		t.Errorf("to %q", to)
	}
	first, err := k.local.GetTeam(t.Context(), auth.DefaultTeam)
	k.must(err)
	shows(t, "the first team", b.page("/t/default/teams/all/"+first.ID), false, "Rename", "/delete")
	b.does("/t/default/teams/all", url.Values{"name": {"a"}, "once": {"three"}})
	hostile, err := k.local.GetTeam(t.Context(), "a")
	k.must(err)
	if to := b.does("/t/a/teams/all/"+hostile.ID, url.Values{"name": {"a/b?c#d"}}); to != "/t/a%2Fb%3Fc%23d/teams/all?done=team-renamed" {
		t.Errorf("to %q", to)
	}
	shows(t, "a team of a hostile name", b.page("/t/a%2Fb%3Fc%23d/teams"), true, `href="/t/a%2Fb%3Fc%23d/teams" aria-current="page"`, "a/b?c#d")
	b.does("/t/a%2Fb%3Fc%23d/teams/all/"+hostile.ID+"/delete", url.Values{"name": {"a/b?c#d"}})
}
