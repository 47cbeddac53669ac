package store

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/weighbridge/weighbridge/auth"
)

// TestMain runs the tests, or, where a test has started this binary again, the
// child that the test wants to kill or starve.
func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		runChild(role)
		return
	}
	goleak.VerifyTestMain(m)
}

// soak reports whether the long forms are wanted (make soak).
func soak() bool { return os.Getenv("WEIGHBRIDGE_SOAK") == "1" }

// scaled is n in CI and long in make soak.
func scaled(n, long int) int {
	if soak() {
		return long
	}
	return n
}

func newKEK(t testing.TB) KEK {
	t.Helper()
	k, err := NewMemoryKEK()
	check(t, err)
	return k
}

// newBolt opens a new file and makes the default team in it.
func newBolt(t testing.TB, kek KEK) (c *core, path, team string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "weighbridge.db")
	c = reopen(t, path, kek)
	tm, err := c.EnsureTeam(t.Context(), auth.DefaultTeam)
	check(t, err)
	return c, path, tm.ID
}

func reopen(t testing.TB, path string, kek KEK) *core {
	t.Helper()
	c, err := openBolt(t.Context(), path, Options{KEK: kek}, nil)
	check(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func create(t testing.TB, s Store, team, name, token string, keys ...string) auth.Credential {
	t.Helper()
	c, err := s.CreateCredential(context.WithoutCancel(t.Context()), sampleCredential(team, name), auth.Fields{"token": auth.NewSecret(token)}, keys, auth.Event{Actor: "cli"})
	check(t, err)
	return c
}

func sampleCredential(team, name string) auth.Credential {
	return auth.Credential{TeamID: team, Name: name, Provider: "http_bearer", Status: auth.StatusValid,
		Patterns: []string{"https://models.example/*"}, Params: map[string]string{"region": "eu"}}
}

func sampleKey(team, name string) auth.Key {
	h, _ := auth.HashAPIKey(auth.NewAPIKey().Reveal())
	return auth.Key{TeamID: team, Name: name, Scope: auth.ScopeRead, Hash: h}
}

// raw changes a closed bbolt file behind the store's back.
func raw(t testing.TB, path string, fn func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	check(t, err)
	check(t, db.Update(fn))
	check(t, db.Close())
}

// wantOpenError opens path and checks that it is refused with cause in one
// clear line.
func wantOpenError(t testing.TB, path string, kek KEK, cause error) string {
	t.Helper()
	s, err := OpenBolt(path, Options{KEK: kek, LockTimeout: 100 * time.Millisecond})
	if err == nil {
		_ = s.Close()
		t.Fatalf("the store was opened, want %q", cause)
	}
	if !errors.Is(err, cause) || !errors.Is(err, ErrUnavailable) {
		t.Fatalf("error is %v, want %q", err, cause)
	}
	oneLine(t, err)
	return err.Error()
}

// oneLine checks that err is a line for people: no trace, no dump.
func oneLine(t testing.TB, err error) {
	t.Helper()
	if _, ok := errors.AsType[*Error](err); !ok {
		t.Fatalf("error is a %T: %v", err, err)
	}
	text := err.Error()
	if len(text) > 500 || strings.ContainsAny(text, "\n\t") || strings.Contains(text, "goroutine") {
		t.Fatalf("error is not a clear line: %q", text)
	}
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v (%v)", err, errors.Unwrap(err))
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s is %v, want %v", what, got, want)
	}
}

// seal seals fields under a new DEK that kek wraps.
func seal(ctx context.Context, kek KEK, o sealOwner, fields map[string][]byte) (*envelope, error) {
	dek := make([]byte, kekSize)
	_, _ = rand.Read(dek)
	wrapped, err := kek.Wrap(ctx, dek, o.dekAAD())
	if err != nil {
		return nil, cannotWrap(kek, err)
	}
	return sealUnder(dek, dekRow{Version: o.version, KEK: kek.ID(), Wrapped: wrapped}, o, fields)
}
