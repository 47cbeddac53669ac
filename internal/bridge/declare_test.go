package bridge

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
)

// A declared credential may name the key that the first start makes.
func TestDeclaredCredentialOfTheFirstKey(t *testing.T) {
	dir := shortDir(t)
	token := filepath.Join(dir, "token")
	check(t, os.WriteFile(token, []byte("a-token-of-the-registry"), 0o600))
	b := start(t, load(t, func(c *config.Config) {
		c.DataDir = filepath.Join(dir, "data")
		c.Credentials = []config.Credential{{
			Name: "reg", Provider: "http_bearer", Fields: map[string]config.Source{"token": {File: token}},
			Patterns: []string{"models.example.com/*"}, Keys: []string{firstKeyName},
		}}
	}))
	st, err := b.Store().State(t.Context())
	check(t, err)
	if b.Welcome() == nil || len(st.Links) != 1 || len(st.Keys) != 1 || st.Links[0].KeyID != st.Keys[0].ID {
		t.Errorf("links %v of keys %v", st.Links, st.Keys)
	}
}

// lines is a log that can be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

func (l *lines) await(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); l.count(text) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log never says %q", text)
		}
	}
}

// openWatching opens and listens with one key declared in file, which is
// looked at all the time.
func openWatching(t *testing.T, file string) (*Bridge, *lines) {
	t.Helper()
	loaded := load(t, func(c *config.Config) {
		c.DataDir = filepath.Join(filepath.Dir(file), "data")
		c.Keys = []config.Key{{Name: "declared", Value: config.Source{File: file}, Scope: auth.ScopeRead}}
	})
	log := &lines{}
	b, err := Open(t.Context(), loaded, Options{Logger: zerolog.New(log)})
	check(t, err)
	b.watchEvery = time.Millisecond
	check(t, b.Listen(t.Context()))
	return b, log
}

// serveWatching serves until what it returns is called.
func serveWatching(t *testing.T, b *Bridge) (stop func()) {
	served := make(chan error, 1)
	go func() { served <- b.Serve(context.WithoutCancel(t.Context())) }()
	return func() {
		check(t, b.Close())
		check(t, <-served)
	}
}

// replace swaps a file for one with text, in one step.
func replace(t *testing.T, file, text string) {
	t.Helper()
	check(t, os.WriteFile(file+".new", []byte(text), 0o600))
	check(t, os.Rename(file+".new", file))
}

// declaredIs asserts that the declared key has value.
func declaredIs(t *testing.T, b *Bridge, value string) {
	t.Helper()
	k, err := b.Store().Key(t.Context(), b.Team().ID, "declared")
	check(t, err)
	if hash, _ := auth.HashAPIKey(value); k.Hash != hash {
		t.Error("the key has its old value")
	}
}

// A watched secret that cannot be taken is told once and tried until it can
// be, although its file does not change again.
func TestAWatchedSecretIsTriedAgain(t *testing.T) {
	file := filepath.Join(shortDir(t), "key")
	first, second := auth.NewAPIKey().Reveal(), auth.NewAPIKey().Reveal()
	check(t, os.WriteFile(file, []byte(first), 0o600))
	b, log := openWatching(t, file)
	defer serveWatching(t, b)()

	// The new value belongs to another key, for now.
	hash, _ := auth.HashAPIKey(second)
	_, err := b.Store().CreateKey(t.Context(), auth.Key{TeamID: b.Team().ID, Name: "in the way", Hash: hash}, nil, auth.Event{})
	check(t, err)
	replace(t, file, second)
	const refused = "cannot be taken yet"
	log.await(t, refused)
	time.Sleep(50 * time.Millisecond) // dozens of tries
	if n := log.count(refused); n != 1 {
		t.Errorf("it was said %d times", n)
	}
	check(t, b.Store().DeleteKey(t.Context(), b.Team().ID, "in the way", auth.Event{}))
	log.await(t, "watched secrets changed: what is new is in use")
	declaredIs(t, b, second)
}

// A watched file that changes before anything is served is taken as well.
func TestAWatchedSecretChangesBeforeItIsServed(t *testing.T) {
	file := filepath.Join(shortDir(t), "key")
	second := auth.NewAPIKey().Reveal()
	check(t, os.WriteFile(file, []byte(auth.NewAPIKey().Reveal()), 0o600))
	b, log := openWatching(t, file)
	replace(t, file, second)
	defer serveWatching(t, b)()
	log.await(t, "watched secrets changed: what is new is in use")
	declaredIs(t, b, second)
}
