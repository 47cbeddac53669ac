package portal

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// roles are what a member may be, the least first: what a form begins with.
var roles = [...]auth.Role{auth.RoleViewer, auth.RoleMember, auth.RoleOwner}

// membersData is the page of the team's members; Email and Role are what was
// typed for a new one.
type membersData struct {
	Members     []admin.Member
	Email, Role string
	Roles       []auth.Role
}

// teamPages are about the members of the team and, for who runs weighbridge, all
// teams and users.
func (p *Portal) teamPages() {
	p.page("GET", "/teams", func(v *visit) error {
		d, err := v.members()
		if err != nil {
			return err
		}
		return v.render("teams.html", d)
	})
	// Putting a user into the team and giving a member another role are one act.
	p.act("/teams", func(v *visit, form url.Values) error {
		email, role := form.Get("email"), form.Get("role")
		_, err := v.api.PutMember(v.ctx(), email, admin.PutMemberRequest{Role: role})
		if err != nil {
			d, failed := v.members()
			if failed != nil {
				return failed
			}
			if d.Role = role; !d.has(email) {
				d.Email = email
			}
			return v.refused(err, "teams.html", d)
		}
		return v.redirect(v.at("teams"), "member-put")
	})
	p.confirm("/teams/members/{user}/remove", func(v *visit) (confirmation, error) {
		m, err := v.member(v.r.PathValue("user"))
		if err != nil {
			return confirmation{}, err
		}
		return confirmation{
			Title: v.say("teams.remove.title", m.User.Name, v.me.Team.Name), Action: v.say("teams.remove"), Back: v.at("teams"), Name: m.User.Name, Needs: "remove-member",
			Happens: []string{v.say("teams.remove.now", m.User.Name, v.me.Team.Name), v.say("teams.remove.tokens"), v.say("teams.remove.keys"), v.say("teams.remove.again")},
		}, nil
	}, func(v *visit, _ url.Values) error {
		id := v.r.PathValue("user")
		if err := v.api.RemoveMember(v.ctx(), id); err != nil {
			return err
		}
		if id == v.me.User.ID {
			return v.redirect("/", "") // nothing here is theirs any more
		}
		return v.redirect(v.at("teams"), "member-removed")
	})
	p.allTeamPages()
	p.userPages()
}

func (v *visit) members() (membersData, error) {
	all, err := v.api.ListMembers(v.ctx())
	return membersData{Members: all, Role: string(auth.RoleMember), Roles: roles[:]}, err
}

func (d *membersData) has(email string) bool {
	return slices.ContainsFunc(d.Members, func(m admin.Member) bool { return m.User.Name == email || m.User.ID == email })
}

// member is one of the team's, by id.
func (v *visit) member(id string) (admin.Member, error) {
	all, err := v.api.ListMembers(v.ctx())
	if err != nil {
		return admin.Member{}, err
	}
	if i := slices.IndexFunc(all, func(m admin.Member) bool { return m.User.ID == id }); i >= 0 {
		return all[i], nil
	}
	return admin.Member{}, v.problem(http.StatusNotFound, "not_found", "teams.no-member", "teams.no-member.next")
}
