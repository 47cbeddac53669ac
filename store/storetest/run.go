// Package storetest holds what every store.Store must do, as tests that each
// driver runs over itself.
package storetest

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

// Opener opens a new, empty store with the given options (the KEK is always
// set) and closes it when the test ends. reopen closes it and opens what is
// there once more with the same options; it is nil where nothing outlives
// Close.
type Opener func(t *testing.T, o store.Options) (s store.Store, reopen func() store.Store)

// Run runs the whole suite.
func Run(t *testing.T, open Opener) {
	for name, test := range map[string]func(*testing.T, Opener){
		"Names":                      names,
		"Refs":                       refs,
		"KeyAsName":                  keyAsName,
		"TeamsAreApart":              teamsAreApart,
		"CredentialCreate":           credentialCreate,
		"CredentialUpdate":           credentialUpdate,
		"CredentialParamsAreFields":  credentialParams,
		"CredentialDelete":           credentialDelete,
		"OpenFields":                 openFields,
		"NothingIsSharedWithCallers": nothingShared,
		"RevokedForGood":             revokedForGood,
		"Judging":                    judging,
		"DeclaredFindings":           declaredFindings,
		"KeyCreate":                  keyCreate,
		"KeyUpdate":                  keyUpdate,
		"KeyDelete":                  keyDelete,
		"KeyHashesAreUnique":         keyHashes,
		"S3Keys":                     s3Keys,
		"S3KeysRefused":              s3KeysRefused,
		"Links":                      links,
		"Sealed":                     sealed,
		"Replies":                    replies,
		"Events":                     events,
		"EventsWhileChanging":        eventsWhileChanging,
		"Chains":                     chains,
		"FailureChangesNothing":      failureChangesNothing,
		"Revisions":                  revisions,
		"OldStatesStay":              oldStatesStay,
		"ClockJumps":                 clockJumps,
		"Closed":                     closed,
		"Concurrent":                 concurrent,
		"Model":                      model,
		"DeclareAndRemove":           declareAndRemove,
		"DeclareTwiceIsNothing":      declareTwice,
		"DeclaredChanges":            declaredChanges,
		"DeclaredIsReadOnly":         declaredReadOnly,
		"DeclaredClashes":            declaredClashes,
		"DeclaredLinks":              declaredLinks,
		"DeclaredHashes":             declaredHashes,
		"DeclaredRenewed":            declaredRenewed,
		"AccountsSurvive":            accountsSurvive,
		"UserChanges":                userChanges,
		"UserDelete":                 userDelete,
		"Members":                    members,
		"Teams":                      teams,
		"Tokens":                     tokens,
		"NewTokenSecrets":            newTokenSecrets,
		"Sessions":                   sessions,
		"Reopen":                     reopened,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each has a store of its own, and disks are slow
			test(t, open)
		})
	}
}

// house is a store with one team, and what every test needs.
type house struct {
	store.Store
	t      *testing.T
	ctx    context.Context
	team   string
	clock  *clock
	reopen func()
}

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func newHouse(t *testing.T, open Opener, set ...func(*store.Options)) *house {
	t.Helper()
	kek, err := store.CreateFileKEK(filepath.Join(t.TempDir(), "kek"))
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, ctx: t.Context(), clock: &clock{now: start}}
	o := store.Options{KEK: kek, Now: h.clock.Now}
	for _, f := range set {
		f(&o)
	}
	s, reopen := open(t, o)
	h.Store = s
	if reopen != nil {
		h.reopen = func() { h.Store = reopen() }
	}
	h.team = h.ensureTeam(auth.DefaultTeam)
	return h
}

func (h *house) ensureTeam(name string) string {
	h.t.Helper()
	team, err := h.EnsureTeam(h.ctx, name)
	if err != nil {
		h.t.Fatal(err)
	}
	return team.ID
}

// credential makes a credential with one secret field.
func (h *house) credential(name, token string, keys ...string) auth.Credential {
	h.t.Helper()
	c, err := h.CreateCredential(h.ctx, newCredential(h.team, name), fields("token", token), keys, actor())
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func (h *house) key(name string, credentials ...string) auth.Key {
	h.t.Helper()
	k, err := h.CreateKey(h.ctx, newKey(h.team, name), credentials, actor())
	if err != nil {
		h.t.Fatal(err)
	}
	return k
}

func (h *house) state() auth.State {
	h.t.Helper()
	s, err := h.State(h.ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func (h *house) fields(c auth.Credential, names ...string) auth.Fields {
	h.t.Helper()
	f, err := h.OpenFields(h.ctx, c.ID, c.Version, names...)
	if err != nil {
		h.t.Fatal(err)
	}
	return f
}

// recorded returns every event, as "action credential key" strings.
func (h *house) recorded() []string {
	h.t.Helper()
	var out []string
	for _, ev := range h.events("", time.Time{}) {
		s := ev.Action
		if ev.CredentialName != "" {
			s += " " + ev.CredentialName
		}
		if ev.KeyName != "" {
			s += " " + ev.KeyName
		}
		out = append(out, s)
	}
	return out
}

func (h *house) events(team string, since time.Time) []auth.Event {
	h.t.Helper()
	var out []auth.Event
	err := h.Events(h.ctx, team, since, func(ev auth.Event) bool { out = append(out, ev); return true })
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

func newCredential(team, name string) auth.Credential {
	return auth.Credential{
		TeamID: team, Name: name, Provider: "http_bearer", Status: auth.StatusValid,
		Patterns: []string{"https://models.example/*"}, Previews: map[string]string{"token": "toke..."},
	}
}

func newKey(team, name string) auth.Key {
	hash, ok := auth.HashAPIKey(auth.NewAPIKey().Reveal())
	if !ok {
		panic("a new API key has no hash")
	}
	return auth.Key{TeamID: team, Name: name, Scope: auth.ScopeRead, Preview: "wbk_abcd", Hash: hash}
}

func fields(pairs ...string) auth.Fields {
	f := auth.Fields{}
	for i := 0; i < len(pairs); i += 2 {
		f[pairs[i]] = auth.NewSecret(pairs[i+1])
	}
	return f
}

func actor() auth.Event { return auth.Event{Actor: "cli", Address: "127.0.0.1"} }

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// wantErr checks the kind of err and that it is an *Error naming ref.
func wantErr(t *testing.T, err, kind error, ref string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("error is %v, want one that is %q", err, kind)
	}
	e, ok := errors.AsType[*store.Error](err)
	if !ok {
		t.Fatalf("error is a %T, want a *store.Error", err)
	}
	if e.Ref != ref {
		t.Fatalf("error %q names %q, want %q", err, e.Ref, ref)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s is %v, want %v", what, got, want)
	}
}
