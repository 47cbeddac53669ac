package store

import (
	"context"
	"slices"

	"github.com/weighbridge/weighbridge/auth"
)

// Teams implements Accounts.
func (c *core) Teams(ctx context.Context) (out []auth.Team, err error) {
	err = c.view(ctx, func(m *model) error { out = slices.Clone(m.state.Teams); return nil })
	return out, err
}

// Team implements Accounts.
func (c *core) Team(ctx context.Context, ref string) (out auth.Team, err error) {
	err = c.view(ctx, func(m *model) error {
		t, err := m.teamOf(ref)
		if err == nil {
			out = *t
		}
		return err
	})
	return out, err
}

// teamOf resolves the id or the name of a team.
func (m *model) teamOf(ref string) (*auth.Team, error) {
	t := m.team(ref)
	if t == nil {
		t = m.team(m.teamNames[ref])
	}
	if t == nil {
		return nil, notFound(whatTeam, ref)
	}
	return t, nil
}

// CreateTeam implements Accounts.
func (c *core) CreateTeam(ctx context.Context, name string, members []Member, ev auth.Event) (team auth.Team, err error) {
	err = c.change(ctx, func(t *tx) error {
		if err := CheckName(whatTeam, name); err != nil {
			return err
		}
		if _, ok := t.m.teamNames[name]; ok {
			return taken(whatTeam, name)
		}
		team = auth.Team{ID: auth.NewID(t.at), Name: name, CreatedAt: t.at}
		t.b.teams[team.ID] = team
		t.record(aboutTeam(ev, auth.ActionTeamCreate, &team))
		for _, m := range members {
			u, err := t.m.accounts.findUser(m.User)
			if err != nil {
				return err
			}
			if err := t.putMember(&team, &u, m.Role, derived(ev)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return auth.Team{}, err
	}
	return team, nil
}

// UpdateTeam implements Accounts.
func (c *core) UpdateTeam(ctx context.Context, ref string, change func(*auth.Team) error, ev auth.Event) (out auth.Team, err error) {
	err = c.change(ctx, func(t *tx) error {
		old, err := t.m.teamOf(ref)
		if err != nil {
			return err
		}
		changed := *old
		if change != nil {
			if err := change(&changed); err != nil {
				return err
			}
		}
		out = *old
		if changed.Name == old.Name {
			return nil
		}
		out.Name = changed.Name
		if old.Name == auth.DefaultTeam {
			return invalid(whatTeam, old.Name, "the default team keeps its name")
		}
		if err := CheckName(whatTeam, out.Name); err != nil {
			return err
		}
		if _, ok := t.m.teamNames[out.Name]; ok {
			return taken(whatTeam, out.Name)
		}
		t.b.teams[out.ID] = out
		ev.Reason = "was " + old.Name
		t.record(aboutTeam(ev, auth.ActionTeamUpdate, &out))
		return nil
	})
	if err != nil {
		return auth.Team{}, err
	}
	return out, nil
}

// DeleteTeam implements Accounts.
func (c *core) DeleteTeam(ctx context.Context, ref string, ev auth.Event) error {
	return c.change(ctx, func(t *tx) error {
		team, err := t.m.teamOf(ref)
		if err != nil {
			return err
		}
		if team.Name == auth.DefaultTeam {
			return invalid(whatTeam, team.Name, "the default team stays")
		}
		if has := t.m.belongings(team.ID); has != "" {
			return conflict(whatTeam, team.Name, "it still has "+has, "delete those first")
		}
		for k := range t.m.accounts.members {
			if k.teamID == team.ID {
				u := t.m.accounts.users[k.userID]
				t.removeMember(team, &u, derived(ev))
			}
		}
		t.b.delTeams[team.ID] = true
		t.record(aboutTeam(ev, auth.ActionTeamDelete, team))
		return nil
	})
}

// belongings says in words what a team has, "" where it has nothing.
func (m *model) belongings(teamID string) string {
	switch {
	case slices.ContainsFunc(m.state.Credentials, func(c auth.Credential) bool { return c.TeamID == teamID }):
		return "credentials"
	case slices.ContainsFunc(m.state.Keys, func(k auth.Key) bool { return k.TeamID == teamID }):
		return "API keys"
	}
	for _, t := range m.accounts.tokens {
		if t.TeamID == teamID {
			return "access tokens"
		}
	}
	return ""
}

// aboutTeam completes an event about a team.
func aboutTeam(ev auth.Event, action string, team *auth.Team) auth.Event {
	if ev.Action == "" {
		ev.Action = action
	}
	ev.TeamID = team.ID
	if ev.Reason == "" {
		ev.Reason = team.Name
	} else {
		ev.Reason = team.Name + ", " + ev.Reason
	}
	return ev
}
