package store

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// BenchmarkOpenFields is the store's part of every injected request: unwrap the
// DEK by a file KEK and open one field. Target: 5 µs.
func BenchmarkOpenFields(b *testing.B) {
	kek, err := CreateFileKEK(filepath.Join(b.TempDir(), "kek"))
	check(b, err)
	c, _, team := newBolt(b, kek)
	var cred auth.Credential
	for i := range 100 {
		cred = create(b, c, team, fmt.Sprint("c", i), "hf_abcdefghijklmnopqrstuvwxyz0123456789")
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.OpenFields(b.Context(), cred.ID, cred.Version, "token"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenFieldsParallel(b *testing.B) {
	c, _, team := newBolt(b, newKEK(b))
	cred := create(b, c, team, "c", "hf_abcdefghijklmnopqrstuvwxyz0123456789")
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.OpenFields(b.Context(), cred.ID, cred.Version, "token"); err != nil {
				b.Error(err)
			}
		}
	})
}

// large makes 10 000 credentials, 1 000 keys and 100 000 links in the default
// team.
func large(b *testing.B, s Store) string {
	b.Helper()
	team, err := s.EnsureTeam(b.Context(), auth.DefaultTeam)
	check(b, err)
	keys := make([]DeclaredKey, 1000)
	for i := range keys {
		keys[i].Key = sampleKey("", fmt.Sprint("k", i))
	}
	creds := make([]DeclaredCredential, 10_000)
	for i := range creds {
		creds[i] = DeclaredCredential{
			Credential: sampleCredential("", fmt.Sprint("c", i)),
			Secrets:    auth.Fields{"token": auth.NewSecret(fmt.Sprint("token", i))},
		}
		for j := range 10 {
			creds[i].Keys = append(creds[i].Keys, keys[(i+j*97)%len(keys)].Key.Name)
		}
	}
	check(b, s.SyncDeclarative(b.Context(), team.ID, creds, keys, auth.Event{Actor: "config"}))
	return team.ID
}

// BenchmarkLarge is what a busy house costs: start-up (target 2 s), reading the
// state, and a change.
func BenchmarkLarge(b *testing.B) {
	kek := newKEK(b)
	path := filepath.Join(b.TempDir(), "weighbridge.db")
	c, err := openBolt(b.Context(), path, Options{KEK: kek}, nil)
	check(b, err)
	team := large(b, c)
	check(b, c.Close())
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			c, err := openBolt(b.Context(), path, Options{KEK: kek}, nil)
			check(b, err)
			check(b, c.Close())
		}
	})
	c, err = openBolt(b.Context(), path, Options{KEK: kek}, nil)
	check(b, err)
	defer c.Close()
	b.Run("state", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if s, err := c.State(b.Context()); err != nil || len(s.Links) != 100_000 {
				b.Fatal(len(s.Links), err)
			}
		}
	})
	n := 0
	b.Run("create key", func(b *testing.B) {
		for b.Loop() {
			n++
			_, err := c.CreateKey(b.Context(), sampleKey(team, fmt.Sprint("n", n)), []string{"c1"}, auth.Event{})
			check(b, err)
		}
	})
	check(b, second(c.CreateKey(b.Context(), sampleKey(team, "linked"), nil, auth.Event{})))
	b.Run("link and unlink", func(b *testing.B) {
		for b.Loop() {
			check(b, second(c.Link(b.Context(), team, "c9", "linked", auth.Event{})))
			check(b, second(c.Unlink(b.Context(), team, "c9", "linked", auth.Event{})))
		}
	})
	b.Run("open fields", func(b *testing.B) {
		s, err := c.State(b.Context())
		check(b, err)
		cred := &s.Credentials[5000]
		for b.Loop() {
			check(b, second(c.OpenFields(b.Context(), cred.ID, cred.Version, "token")))
		}
	})
}

func second[T any](_ T, err error) error { return err }
