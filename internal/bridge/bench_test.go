package bridge

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
)

// BenchmarkLargeHouse is a house of 10,000 credentials, 1,000 keys and 100,000
// links, all of them declared: what a start costs that compares them with what
// is stored (target 2 s), a decision (5 µs), and a link until the next request
// is decided by it.
func BenchmarkLargeHouse(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "data")
	loaded := loadLarge(b, dir)
	opened := func() *Bridge {
		h, err := Open(context.Background(), loaded, Options{Logger: zerolog.Nop(), Version: "bench"})
		if err != nil {
			b.Fatal(err)
		}
		return h
	}
	h := opened() // makes and seals everything
	if err := h.Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("start", func(b *testing.B) {
		defer debug.SetGCPercent(debug.SetGCPercent(StartGCPercent)) // as the program does
		for b.Loop() {
			if err := opened().Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	h = opened()
	defer func() { _ = h.Close() }()
	team := h.Team().ID
	key, err := h.Store().Key(b.Context(), team, "k7")
	if err != nil {
		b.Fatal(err)
	}
	ask := func(url string) auth.Decision {
		snap := h.live.Snapshot()
		id, err := snap.IdentifyID(key.ID, time.Now())
		if err != nil {
			b.Fatal(err)
		}
		target, err := auth.ParseURL(url)
		if err != nil {
			b.Fatal(err)
		}
		return snap.Decide(auth.Question{Identity: id, Method: "GET", Target: target, Now: time.Now()})
	}
	b.Run("decision", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if d := ask("https://models.example.com/org7/model/file.safetensors"); d.Outcome == auth.Deny {
				b.Fatal(d.Code, d.Reason)
			}
		}
	})
	b.Run("link and decision", func(b *testing.B) {
		const url = "https://models.example.com/org5000/x"
		for b.Loop() {
			for _, linked := range []bool{true, false} {
				change := h.Store().Unlink
				if linked {
					change = h.Store().Link
				}
				if _, err := change(b.Context(), team, "c5000", "k7", auth.Event{}); err != nil {
					b.Fatal(err)
				}
				if d := ask(url); (d.Outcome == auth.Inject) != linked {
					b.Fatalf("linked %v: %v, %s", linked, d.Outcome, d.Reason)
				}
			}
		}
	})
}

// loadLarge declares them all; the configuration's own checks are no part of
// what is measured.
func loadLarge(b *testing.B, dir string) *config.Loaded {
	b.Helper()
	loaded := load(b, func(c *config.Config) { c.DataDir = dir })
	c, keys := &loaded.Config, b.TempDir()
	secret := filepath.Join(keys, "secret")
	check(b, os.WriteFile(secret, []byte("tok_0123456789abcdefghijklmnopqrstuvwxyz"), 0o600))
	for i := range 1000 {
		file := filepath.Join(keys, fmt.Sprint("k", i))
		check(b, os.WriteFile(file, []byte(auth.NewAPIKey().Reveal()), 0o600))
		c.Keys = append(c.Keys, config.Key{Name: fmt.Sprint("k", i), Value: config.Source{File: file}, Scope: auth.ScopeRead})
	}
	for i := range 10_000 {
		one := config.Credential{Name: fmt.Sprint("c", i), Provider: "http_bearer", Fields: map[string]config.Source{"token": {File: secret}},
			Patterns: []string{fmt.Sprintf("models.example.com/org%d/*", i)}}
		for j := range 10 {
			one.Keys = append(one.Keys, fmt.Sprint("k", (i+j*97)%1000))
		}
		c.Credentials = append(c.Credentials, one)
	}
	return loaded
}
