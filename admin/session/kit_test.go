package session

import (
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cheap is a cost at which tests do not wait.
func cheap() cost { return cost{memory: 64, passes: 1, threads: 1} }

// desk is a Service over a real store, and a clock that tests move.
type desk struct {
	*Service
	t     *testing.T
	store store.Store
	team  auth.Team
	clock *clock
	oidc  *OIDC
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) add(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, clock: &clock{now: time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)}}
	kek, err := store.NewMemoryKEK()
	check(t, err)
	d.store, err = store.OpenMemory(store.Options{KEK: kek, Now: d.clock.Now})
	check(t, err)
	d.team, err = d.store.EnsureTeam(t.Context(), auth.DefaultTeam)
	check(t, err)
	d.Service = newService(Options{Store: d.store, Now: d.clock.Now, OIDC: func() *OIDC { return d.oidc }}, cheap())
	return d
}

const (
	rightPassword = "correct horse battery"
	wrongPassword = "incorrect horse battery"
)

func (d *desk) user(email string) auth.User {
	d.t.Helper()
	hash, err := d.Hash(d.t.Context(), email, auth.NewSecret(rightPassword))
	check(d.t, err)
	u, err := d.store.CreateUser(d.t.Context(), auth.User{Email: email, Password: hash}, []store.Place{{Team: d.team.ID, Role: auth.RoleOwner}}, auth.Event{Actor: "cli"})
	check(d.t, err)
	return u
}

func (d *desk) signIn(email, password string, from From) (Grant, error) {
	return d.SignIn(d.t.Context(), email, auth.NewSecret(password), from)
}

// in signs in with the right password.
func (d *desk) in(email string, from From) Grant {
	d.t.Helper()
	g, err := d.signIn(email, rightPassword, from)
	check(d.t, err)
	return g
}

func (d *desk) events(action string) (out []auth.Event) {
	d.t.Helper()
	check(d.t, d.store.Events(d.t.Context(), "", time.Time{}, func(ev auth.Event) bool {
		if ev.Action == action {
			out = append(out, ev)
		}
		return true
	}))
	return out
}

func from(address string) From {
	return From{Address: netip.MustParseAddr(address), Agent: "a test"}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused checks the code of a refusal.
func refused(t *testing.T, err error, code auth.Code) *auth.Error {
	t.Helper()
	e, ok := errors.AsType[*auth.Error](err)
	if !ok || e.Code != code {
		t.Fatalf("it is answered %v, want %s", err, code)
	}
	return e
}

// waits is how long a refused caller is told to wait.
func waits(t *testing.T, err error) time.Duration {
	t.Helper()
	e := refused(t, err, auth.CodeTooManyAttempts)
	w, ok := errors.AsType[*Wait](error(e))
	if !ok || w.For < time.Second {
		t.Fatalf("it does not say for how long: %v", e.Cause)
	}
	return w.For
}
