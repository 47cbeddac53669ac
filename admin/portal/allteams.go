package portal

import (
	"net/url"
	"slices"

	"github.com/weighbridge/weighbridge/admin"
)

// allTeamsData is the page of all teams; Name and Owner are what was typed for a
// new one.
type allTeamsData struct {
	Teams       []admin.Team
	Name, Owner string
}

// teamData is the page of one team; Name is what was typed.
type teamData struct {
	Team admin.Team
	Name string
}

// allTeamPages are about teams as such, for who runs weighbridge.
func (p *Portal) allTeamPages() {
	show := func(v *visit, d allTeamsData, refused error) (err error) {
		if d.Teams, err = v.api.ListTeams(v.ctx()); err != nil {
			return err
		}
		if refused != nil {
			return v.refused(refused, "all-teams.html", d)
		}
		return v.render("all-teams.html", d)
	}
	p.page("GET", "/teams/all", func(v *visit) error { return show(v, allTeamsData{}, nil) })
	p.act("/teams/all", func(v *visit, form url.Values) error {
		in := admin.NewTeam{Name: form.Get("name"), Owner: form.Get("owner")}
		if _, err := v.api.Once(form.Get("once")).CreateTeam(v.ctx(), in); err != nil {
			return show(v, allTeamsData{Name: in.Name, Owner: in.Owner}, err)
		}
		return v.redirect(v.at("teams", "all"), "team-created")
	})
	p.page("GET", "/teams/all/{id}", func(v *visit) error {
		t, err := v.api.GetTeam(v.ctx(), v.r.PathValue("id"))
		if err != nil {
			return err
		}
		return v.render("team.html", teamData{t, t.Name})
	})
	p.page("POST", "/teams/all/{id}", renameTeam)
	p.confirm("/teams/all/{id}/delete", func(v *visit) (confirmation, error) {
		t, err := v.api.GetTeam(v.ctx(), v.r.PathValue("id"))
		return confirmation{
			Title: v.say("all-teams.delete.title", t.Name), Action: v.say("all-teams.delete"), Back: v.at("teams", "all", t.ID), Name: t.Name, Needs: "delete-team",
			Happens: []string{v.say("all-teams.delete.empty"), v.say("all-teams.delete.members"), v.say("all-teams.delete.record")},
		}, err
	}, func(v *visit, _ url.Values) error {
		id := v.r.PathValue("id")
		if err := v.api.DeleteTeam(v.ctx(), id); err != nil {
			return err
		}
		if id == v.me.Team.ID {
			return v.redirect("/", "")
		}
		return v.redirect(v.at("teams", "all"), "team-deleted")
	})
}

func renameTeam(v *visit) error {
	form, err := v.form()
	if err != nil {
		return err
	}
	t, err := v.api.GetTeam(v.ctx(), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	name := form.Get("name")
	if _, err := v.api.UpdateTeam(v.ctx(), t.ID, admin.UpdateTeamRequest{Name: name}); err != nil {
		return v.refused(err, "team.html", teamData{t, name})
	}
	if t.ID == v.me.Team.ID {
		return v.redirect(teamPath(name, "teams", "all"), "team-renamed")
	}
	return v.redirect(v.at("teams", "all"), "team-renamed")
}

// Mine reports whether the visitor is in a team, and may open its pages.
func (w *view) Mine(id string) bool {
	return slices.ContainsFunc(w.Me.Teams, func(t admin.MyTeam) bool { return t.ID == id })
}
