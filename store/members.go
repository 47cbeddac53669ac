package store

import (
	"context"

	"github.com/weighbridge/weighbridge/auth"
)

// Members implements Accounts.
func (c *core) Members(ctx context.Context, teamID string) (out []auth.Membership, err error) {
	err = c.view(ctx, func(m *model) error {
		out = m.accounts.membersWhere(func(v *auth.Membership) bool { return v.TeamID == teamID })
		return m.findTeam(teamID)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// MembershipsOf implements Accounts.
func (c *core) MembershipsOf(ctx context.Context, userID string) (out []auth.Membership, err error) {
	err = c.view(ctx, func(m *model) error {
		out = m.accounts.membersWhere(func(v *auth.Membership) bool { return v.UserID == userID })
		return nil
	})
	return out, err
}

// Membership implements Accounts.
func (c *core) Membership(ctx context.Context, teamID, userID string) (out auth.Membership, err error) {
	err = c.view(ctx, func(m *model) error {
		var ok bool
		if out, ok = m.accounts.members[memberKey{teamID, userID}]; !ok {
			return notFound(whatMember, userID)
		}
		return nil
	})
	return out, err
}

// PutMember implements Accounts.
func (c *core) PutMember(ctx context.Context, teamID, userRef string, role auth.Role, ev auth.Event) (out auth.Membership, err error) {
	err = c.change(ctx, func(t *tx) error {
		team, u, err := t.m.findPair(teamID, userRef)
		if err != nil {
			return err
		}
		k := memberKey{team.ID, u.ID}
		if old, ok := t.m.accounts.members[k]; ok && old.Role == role {
			out = old
			return nil
		}
		if err := t.putMember(team, &u, role, ev); err != nil {
			return err
		}
		out = t.b.accounts.members.put[k]
		return nil
	})
	if err != nil {
		return auth.Membership{}, err
	}
	return out, nil
}

// putMember puts a membership that is new or of another role.
func (t *tx) putMember(team *auth.Team, u *auth.User, role auth.Role, ev auth.Event) error {
	if !role.Valid() {
		return invalid(whatMember, u.Email, "its role is none of owner, member and viewer")
	}
	k := memberKey{team.ID, u.ID}
	if _, twice := t.b.accounts.members.put[k]; twice {
		return invalid(whatMember, u.Email, "it is named twice")
	}
	m, was := t.m.accounts.members[k]
	if !was {
		m = auth.Membership{TeamID: team.ID, UserID: u.ID, CreatedAt: t.at}
	} else if err := t.m.loseOwner(team.ID, u.ID); err != nil {
		return err
	}
	ev.Reason = string(role)
	if was {
		ev.Reason += ", was " + string(m.Role)
	}
	m.Role = role
	t.b.accounts.members.set(k, m)
	ev.TeamID = team.ID
	t.record(aboutUser(ev, auth.ActionMemberPut, u))
	return nil
}

// RemoveMember implements Accounts.
func (c *core) RemoveMember(ctx context.Context, teamID, userRef string, ev auth.Event) error {
	return c.change(ctx, func(t *tx) error {
		team, u, err := t.m.findPair(teamID, userRef)
		if err != nil {
			return err
		}
		if _, ok := t.m.accounts.members[memberKey{team.ID, u.ID}]; !ok {
			return notFound(whatMember, userRef)
		}
		if err := t.m.loseOwner(team.ID, u.ID); err != nil {
			return err
		}
		t.removeMember(team, &u, ev)
		return nil
	})
}

// removeMember takes a user out of a team, with the tokens that the user has
// there.
func (t *tx) removeMember(team *auth.Team, u *auth.User, ev auth.Event) {
	t.b.accounts.members.remove(memberKey{team.ID, u.ID})
	ev.TeamID = team.ID
	t.record(aboutUser(ev, auth.ActionMemberRemove, u))
	for _, tok := range t.m.accounts.tokens {
		if tok.TeamID == team.ID && tok.UserID == u.ID {
			t.removeToken(&tok, derived(ev))
		}
	}
}

func (m *model) findPair(teamID, userRef string) (*auth.Team, auth.User, error) {
	team := m.team(teamID)
	if team == nil {
		return nil, auth.User{}, notFound(whatTeam, teamID)
	}
	u, err := m.accounts.findUser(userRef)
	return team, u, err
}
