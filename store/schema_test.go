package store

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/weighbridge/weighbridge/auth"
)

// schemaOne is a copy of a file that a weighbridge of schema 1 made.
func schemaOne(t *testing.T) (path string, kek KEK) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"schema1.db", "schema1.kek"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		check(t, err)
		check(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	kek, err := OpenFileKEK(filepath.Join(dir, "schema1.kek"))
	check(t, err)
	return filepath.Join(dir, "schema1.db"), kek
}

func schemaIn(t *testing.T, path string) (n string) {
	t.Helper()
	raw(t, path, func(tx *bbolt.Tx) error {
		n = string(tx.Bucket([]byte(bucketMeta)).Get([]byte(metaSchema)))
		return nil
	})
	return n
}

// A file of schema 1 opens with all that is in it, and becomes one of schema 2
// with the first change; until then the weighbridge that wrote it reads it.
func TestR31_SchemaOneBecomesTwoWithTheFirstChange(t *testing.T) {
	path, kek := schemaOne(t)
	was, err := os.ReadFile(path)
	check(t, err)
	look := func(s Store) auth.State {
		t.Helper()
		st, err := s.State(t.Context())
		check(t, err)
		if len(st.Teams) != 1 || len(st.Credentials) != 1 || len(st.Keys) != 1 || len(st.Links) != 1 {
			t.Fatalf("it holds %s", asJSON(st))
		}
		c := st.Credentials[0]
		f, err := s.OpenFields(t.Context(), c.ID, c.Version)
		check(t, err)
		equal(t, "its secret", f["token"].Reveal(), "a token of schema 1")
		v, err := s.Sealed(t.Context(), "ca.key")
		check(t, err)
		equal(t, "its sealed value", string(v), "a sealed value of schema 1")
		n := 0
		check(t, s.Events(t.Context(), "", time.Time{}, func(auth.Event) bool { n++; return true }))
		equal(t, "acts on record", n, 3)
		return st
	}
	check(t, ReadBolt(t.Context(), path, Options{KEK: kek}, func(s Store) error { look(s); return nil }))
	s, err := OpenBolt(path, Options{KEK: kek})
	check(t, err)
	st := look(s)
	check(t, s.Close())
	now, err := os.ReadFile(path)
	check(t, err)
	equal(t, "that reading has changed nothing", bytes.Equal(now, was), true)

	// Compacted and copied it is still what it was.
	_, _, err = CompactBolt(t.Context(), path, Options{KEK: kek})
	check(t, err)
	equal(t, "schema", schemaIn(t, path), "1")

	c := reopen(t, path, kek)
	_, err = c.CreateUser(t.Context(), auth.User{Email: "ada@example.com"}, []Place{{st.Teams[0].ID, auth.RoleOwner}}, auth.Event{Actor: "cli"})
	check(t, err)
	check(t, c.Close())
	equal(t, "schema", schemaIn(t, path), "2")
	c = reopen(t, path, kek)
	u, err := c.User(t.Context(), "ada@example.com")
	check(t, err)
	ms, err := c.MembershipsOf(t.Context(), u.ID)
	check(t, err)
	equal(t, "memberships", len(ms), 1)
}

// A change that fails leaves the schema as it was, and the next one takes the
// step with it.
func TestTheStepToASchemaIsPartOfTheChange(t *testing.T) {
	path, kek := schemaOne(t)
	c := reopen(t, path, kek)
	refuse := &Error{Kind: KindInvalid}
	c.check = func(auth.State) error { return refuse }
	if _, err := c.EnsureTeam(t.Context(), "other"); err == nil {
		t.Fatal("the change was made")
	}
	c.check = nil
	check(t, c.Close())
	equal(t, "schema", schemaIn(t, path), "1")
	c = reopen(t, path, kek)
	_, err := c.EnsureTeam(t.Context(), "other")
	check(t, err)
	check(t, c.Close())
	equal(t, "schema", schemaIn(t, path), "2")
}

// What may call the API is as hard to change behind the store's back as all
// else: a role, a row or the whole table.
func TestAccountsAreAuthenticated(t *testing.T) {
	for name, harm := range map[string]func(tx *bbolt.Tx) error{
		"a role": func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte(bucketMembers))
			k, v := b.Cursor().First()
			return b.Put(k, bytes.Replace(v, []byte("viewer"), []byte("owner"), 1))
		},
		"a row": func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte(bucketSessions))
			k, _ := b.Cursor().First()
			return b.Delete(k)
		},
		"a table": func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(bucketUsers)) },
		"an older row": func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte(bucketTokens))
			k, v := b.Cursor().First()
			return b.Put(append([]byte("x"), k...), v)
		},
	} {
		t.Run(name, func(t *testing.T) {
			kek := newKEK(t)
			c, path, team := newBolt(t, kek)
			u, err := c.CreateUser(t.Context(), auth.User{Email: "ada@example.com"}, []Place{{team, auth.RoleViewer}}, auth.Event{})
			check(t, err)
			hash, _ := auth.HashAccessToken(auth.NewAccessToken().Reveal())
			_, err = c.CreateToken(t.Context(), auth.AccessToken{TeamID: team, UserID: u.ID, Name: "ci", Hash: hash, Scope: auth.ScopeRead, ExpiresAt: time.Now().Add(time.Hour)}, auth.Event{})
			check(t, err)
			family, whole, _ := auth.HashRefreshSecret(auth.NewRefreshSecret().Reveal())
			_, err = c.CreateSession(t.Context(), auth.Session{UserID: u.ID, Family: family, Hash: whole, ExpiresAt: time.Now().Add(time.Hour)}, auth.Event{})
			check(t, err)
			check(t, c.Close())
			raw(t, path, harm)
			wantOpenError(t, path, kek, ErrDamaged)
		})
	}
}
