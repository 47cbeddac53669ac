package store

import (
	"cmp"
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/weighbridge/weighbridge/auth"
)

// Users implements Accounts.
func (c *core) Users(ctx context.Context) (out []auth.User, err error) {
	err = c.view(ctx, func(m *model) error {
		out = where(m.accounts.users, func(*auth.User) bool { return true }, func(x, y *auth.User) int { return cmp.Compare(x.ID, y.ID) })
		return nil
	})
	return out, err
}

// User implements Accounts.
func (c *core) User(ctx context.Context, ref string) (out auth.User, err error) {
	err = c.view(ctx, func(m *model) (err error) { out, err = m.accounts.findUser(ref); return err })
	return out, err
}

// UserBySubject implements Accounts.
func (c *core) UserBySubject(ctx context.Context, issuer, subject string) (out auth.User, err error) {
	err = c.view(ctx, func(m *model) error {
		id, ok := m.accounts.subjects[subjectKey{issuer, subject}]
		if !ok {
			return notFound(whatUser, subject)
		}
		out = m.accounts.users[id]
		return nil
	})
	return out, err
}

// CreateUser implements Accounts.
func (c *core) CreateUser(ctx context.Context, u auth.User, teams []Place, ev auth.Event) (auth.User, error) {
	return c.createUser(ctx, u, teams, ev, false)
}

// CreateFirstUser implements Accounts.
func (c *core) CreateFirstUser(ctx context.Context, u auth.User, teams []Place, ev auth.Event) (auth.User, error) {
	return c.createUser(ctx, u, teams, ev, true)
}

func (c *core) createUser(ctx context.Context, u auth.User, teams []Place, ev auth.Event, first bool) (auth.User, error) {
	err := c.change(ctx, func(t *tx) error {
		if first && len(t.m.accounts.users) > 0 {
			return conflict(whatUser, "", "there is a user already", "sign in, or ask an owner")
		}
		u.ID, u.CreatedAt, u.UpdatedAt = auth.NewID(t.at), t.at, t.at
		if err := t.checkUser(&u); err != nil {
			return err
		}
		t.b.accounts.users.set(u.ID, u)
		t.record(aboutUser(ev, auth.ActionUserCreate, &u))
		for _, p := range teams {
			team, err := t.m.teamOf(p.Team)
			if err != nil {
				return err
			}
			if err := t.putMember(team, &u, p.Role, derived(ev)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return auth.User{}, err
	}
	return u, nil
}

// UpdateUser implements Accounts.
func (c *core) UpdateUser(ctx context.Context, ref string, change func(*auth.User) error, ev auth.Event) (out auth.User, err error) {
	err = c.change(ctx, func(t *tx) error {
		old, err := t.m.accounts.findUser(ref)
		if err != nil {
			return err
		}
		out = old
		if change != nil {
			if err := change(&out); err != nil {
				return err
			}
		}
		out.ID, out.CreatedAt, out.UpdatedAt = old.ID, old.CreatedAt, old.UpdatedAt
		if err := t.checkUser(&out); err != nil {
			return err
		}
		if sameRow(rowOfUser(&old), rowOfUser(&out)) {
			return nil
		}
		passwordChanged := !old.Password.Equal(out.Password.Secret)
		if passwordChanged || out.Disabled() && !old.Disabled() || !out.SessionsAfter.Equal(old.SessionsAfter) {
			out.SessionsAfter = t.at
		}
		out.UpdatedAt = t.at
		t.b.accounts.users.set(out.ID, out)
		action := auth.ActionUserUpdate
		switch {
		case out.Disabled() && !old.Disabled():
			action = auth.ActionUserDisable
		case !out.Disabled() && old.Disabled():
			action = auth.ActionUserEnable
		case passwordChanged:
			action = auth.ActionUserPassword
		}
		t.record(aboutUser(ev, action, &out))
		return nil
	})
	if err != nil {
		return auth.User{}, err
	}
	return out, nil
}

// DeleteUser implements Accounts.
func (c *core) DeleteUser(ctx context.Context, ref string, ev auth.Event) error {
	return c.change(ctx, func(t *tx) error {
		u, err := t.m.accounts.findUser(ref)
		if err != nil {
			return err
		}
		for k := range t.m.accounts.members {
			if k.userID != u.ID {
				continue
			}
			if err := t.m.loseOwner(k.teamID, u.ID); err != nil {
				return err
			}
			t.removeMember(t.m.team(k.teamID), &u, derived(ev))
		}
		for id, s := range t.m.accounts.sessions {
			if s.UserID == u.ID {
				t.b.accounts.sessions.remove(id)
			}
		}
		t.b.accounts.users.remove(u.ID)
		t.record(aboutUser(ev, auth.ActionUserDelete, &u))
		return nil
	})
}

// checkUser checks what the store itself relies on, and makes u canonical.
func (t *tx) checkUser(u *auth.User) error {
	email, err := auth.CanonicalEmail(u.Email)
	if err != nil {
		return invalid(whatUser, "", err.Error())
	}
	u.Email = email
	u.DisabledAt, u.SessionsAfter = normalTime(u.DisabledAt), normalTime(u.SessionsAfter)
	a := &t.m.accounts
	if id, ok := a.emails[email]; ok && id != u.ID {
		return &Error{Kind: KindExists, What: whatUser, Ref: email, Detail: "there is a user of this address"}
	}
	if (u.Issuer == "") != (u.Subject == "") {
		return invalid(whatUser, email, "a subject and its issuer belong together")
	}
	if id, ok := a.subjects[subjectKey{u.Issuer, u.Subject}]; ok && id != u.ID {
		return &Error{Kind: KindExists, What: whatUser, Ref: email, Detail: "its OpenID subject is that of another user"}
	}
	return checkPersonName(email, u.Name)
}

// checkPersonName is more lenient than CheckName: nobody is found by it.
func checkPersonName(email, name string) error {
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > MaxName || strings.TrimSpace(name) != name ||
		strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return invalid(whatUser, email, "the name has to be at most 128 printable characters, without a space at either end")
	}
	return nil
}

// aboutUser completes an event about a user.
func aboutUser(ev auth.Event, action string, u *auth.User) auth.Event {
	if ev.Action == "" {
		ev.Action = action
	}
	ev.UserID, ev.UserName = u.ID, u.Email
	return ev
}
