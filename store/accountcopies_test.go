package store

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// A copy of the store, and a store that was written anew, hold who may call the
// API, and nothing of who may not any more.
func TestAccountsTravelWithCopies(t *testing.T) {
	kek := newKEK(t)
	c, path, team := newBolt(t, kek)
	add := func(email string) (auth.User, auth.AccessToken, auth.Session) {
		t.Helper()
		u, err := c.CreateUser(t.Context(), auth.User{Email: email, Password: auth.NewPasswordHash("hash of " + email)}, []Place{{team, auth.RoleOwner}}, auth.Event{})
		check(t, err)
		hash, _ := auth.HashAccessToken(auth.NewAccessToken().Reveal())
		tok, err := c.CreateToken(t.Context(), auth.AccessToken{TeamID: team, UserID: u.ID, Name: email, Hash: hash, Scope: auth.ScopeRead, ExpiresAt: time.Now().Add(time.Hour)}, auth.Event{})
		check(t, err)
		family, whole, _ := auth.HashRefreshSecret(auth.NewRefreshSecret().Reveal())
		s, err := c.CreateSession(t.Context(), auth.Session{UserID: u.ID, Family: family, Hash: whole, ExpiresAt: time.Now().Add(time.Hour)}, auth.Event{})
		check(t, err)
		return u, tok, s
	}
	ada, token, session := add("ada@example.com")
	gone, _, _ := add("gone@example.com")
	check(t, c.DeleteUser(t.Context(), gone.ID, auth.Event{}))
	look := func(s Store) {
		t.Helper()
		all, err := s.Users(t.Context())
		check(t, err)
		equal(t, "users", len(all), 1)
		equal(t, "password", all[0].Password.Reveal(), "hash of ada@example.com")
		m, err := s.Membership(t.Context(), team, ada.ID)
		check(t, err)
		equal(t, "role", m.Role, auth.RoleOwner)
		tok, err := s.TokenByHash(t.Context(), token.Hash)
		check(t, err)
		equal(t, "token", tok.ID, token.ID)
		row, err := s.SessionByFamily(t.Context(), session.Family)
		check(t, err)
		equal(t, "session", row, session)
	}
	snap, err := c.Snapshot(t.Context())
	check(t, err)
	b, err := io.ReadAll(snap)
	check(t, err)
	check(t, snap.Close())
	copied := filepath.Join(t.TempDir(), "copy.db")
	check(t, os.WriteFile(copied, b, 0o600))
	look(reopen(t, copied, kek))
	check(t, c.Close())
	_, _, err = CompactBolt(t.Context(), path, Options{KEK: kek})
	check(t, err)
	c = reopen(t, path, kek)
	look(c)
	to := newKEK(t)
	check(t, c.RotateKEK(t.Context(), to, "", auth.Event{Actor: "cli"}, nil))
	look(c)
	check(t, c.Close())
	look(reopen(t, path, to))
}
