package store

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/weighbridge/weighbridge/auth"
)

// maxAgent bounds what is kept of how a program calls itself, in bytes.
const maxAgent = 256

// Session implements Accounts.
func (c *core) Session(ctx context.Context, id string) (out auth.Session, err error) {
	err = c.view(ctx, func(m *model) (err error) { out, err = m.accounts.session(id); return err })
	return out, err
}

func (a *accounts) session(id string) (auth.Session, error) {
	s, ok := a.sessions[id]
	if !ok {
		return s, notFound(whatSession, id)
	}
	return s, nil
}

// SessionByFamily implements Accounts.
func (c *core) SessionByFamily(ctx context.Context, family auth.KeyHash) (out auth.Session, err error) {
	err = c.view(ctx, func(m *model) (err error) { out, err = m.accounts.session(m.accounts.families[family]); return err })
	return out, err
}

// Sessions implements Accounts.
func (c *core) Sessions(ctx context.Context, userID string) (out []auth.Session, err error) {
	err = c.view(ctx, func(m *model) error { out = m.accounts.sessionsOf(userID); return nil })
	return out, err
}

func (a *accounts) sessionsOf(userID string) []auth.Session {
	return where(a.sessions, func(s *auth.Session) bool { return s.UserID == userID },
		func(x, y *auth.Session) int { return cmp.Compare(x.ID, y.ID) })
}

// CreateSession implements Accounts.
func (c *core) CreateSession(ctx context.Context, s auth.Session, ev auth.Event) (auth.Session, error) {
	err := c.change(ctx, func(t *tx) error {
		u, err := t.m.accounts.findUser(s.UserID)
		if err != nil {
			return err
		}
		if s.Family.IsZero() || s.Hash.IsZero() || s.ExpiresAt.IsZero() {
			return invalid(whatSession, "", "it has no secret, or does not say when it ends")
		}
		if _, ok := t.m.accounts.families[s.Family]; ok {
			return &Error{Kind: KindExists, What: whatSession, Detail: "its secret is that of another session", Next: "try again"}
		}
		s.UserID, s.ID, s.CreatedAt, s.RevokedAt = u.ID, auth.NewID(t.at), t.at, time.Time{}
		s.ExpiresAt, s.RefreshedAt, s.Agent = normalTime(s.ExpiresAt), normalTime(s.RefreshedAt), plainAgent(s.Agent)
		t.pruneSessions(t.at)
		left := t.m.accounts.sessionsOf(u.ID)
		left = slices.DeleteFunc(left, func(old auth.Session) bool { return t.b.accounts.sessions.del[old.ID] })
		slices.SortFunc(left, func(x, y auth.Session) int { return x.CreatedAt.Compare(y.CreatedAt) })
		for ; len(left) >= MaxSessions; left = left[1:] {
			t.b.accounts.sessions.remove(left[0].ID)
		}
		t.b.accounts.sessions.set(s.ID, s)
		t.record(aboutUser(ev, auth.ActionSessionCreate, &u))
		return nil
	})
	if err != nil {
		return auth.Session{}, err
	}
	return s, nil
}

// plainAgent is s cut short and without what a terminal would obey.
func plainAgent(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxAgent)], "")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
}

// UpdateSession implements Accounts.
func (c *core) UpdateSession(ctx context.Context, id string, change func(*auth.Session) error, ev auth.Event) (out auth.Session, err error) {
	err = c.change(ctx, func(t *tx) error {
		old, err := t.m.accounts.session(id)
		if err != nil {
			return err
		}
		if !old.RevokedAt.IsZero() {
			return conflict(whatSession, id, "it was ended", "sign in again")
		}
		changed := old
		if change != nil {
			if err := change(&changed); err != nil {
				return err
			}
		}
		out = old
		out.Hash, out.Previous, out.RefreshedAt = changed.Hash, changed.Previous, normalTime(changed.RefreshedAt)
		out.ExpiresAt, out.RevokedAt = normalTime(changed.ExpiresAt), normalTime(changed.RevokedAt)
		if out.Hash.IsZero() || out.ExpiresAt.IsZero() {
			return invalid(whatSession, id, "it has no secret, or does not say when it ends")
		}
		if out == old {
			return nil
		}
		t.b.accounts.sessions.set(id, out)
		u := t.m.accounts.users[out.UserID]
		action := auth.ActionSessionRefresh
		if !out.RevokedAt.IsZero() {
			action = auth.ActionSessionEnd
		}
		t.record(aboutUser(ev, action, &u))
		return nil
	})
	if err != nil {
		return auth.Session{}, err
	}
	return out, nil
}

// EndSessions implements Accounts.
func (c *core) EndSessions(ctx context.Context, userID, except string, ev auth.Event) (n int, err error) {
	err = c.change(ctx, func(t *tx) error {
		n = 0
		u, err := t.m.accounts.findUser(userID)
		if err != nil {
			return err
		}
		for _, s := range t.m.accounts.sessionsOf(u.ID) {
			if s.ID == except || !s.RevokedAt.IsZero() || !t.at.Before(s.ExpiresAt) {
				continue
			}
			s.RevokedAt = t.at
			t.b.accounts.sessions.set(s.ID, s)
			n++
		}
		if n > 0 {
			t.record(aboutUser(ev, auth.ActionSessionEnd, &u))
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// PruneSessions implements Accounts.
func (c *core) PruneSessions(ctx context.Context, before time.Time) (n int, err error) {
	err = c.change(ctx, func(t *tx) error { n = t.pruneSessions(before); return nil })
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (t *tx) pruneSessions(before time.Time) (n int) {
	for id, s := range t.m.accounts.sessions {
		if s.ExpiresAt.Before(before) || !s.RevokedAt.IsZero() && s.RevokedAt.Before(before) {
			t.b.accounts.sessions.remove(id)
			n++
		}
	}
	return n
}
