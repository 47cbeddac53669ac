package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

// revisions: every change of the state is one revision, told in order before
// the changing call returns, while the store can be read.
func revisions(t *testing.T, open Opener) {
	var h *house
	var told []uint64
	h = newHouse(t, open, func(o *store.Options) {
		o.OnChange = func(s auth.State) {
			told = append(told, s.Revision)
			if h == nil || h.Store == nil {
				return
			}
			now, err := h.State(h.ctx)
			check(t, err)
			equal(t, "revision read in OnChange", now.Revision, s.Revision)
			for i := range s.Credentials {
				c := &s.Credentials[i]
				_, err := h.OpenFields(h.ctx, c.ID, c.Version)
				check(t, err)
			}
		}
	})
	step := func(what string, changes bool, act func()) {
		t.Helper()
		before, n := h.state().Revision, len(told)
		act()
		want := before
		if changes {
			want++
		}
		equal(t, "revision after "+what, h.state().Revision, want)
		if got := told[n:]; changes && !slices.Equal(got, []uint64{want}) || !changes && len(got) > 0 {
			t.Fatalf("told of %v after %s", got, what)
		}
	}
	step("a credential", true, func() { h.credential("hf", "t") })
	step("a key with a link", true, func() { h.key("k", "hf") })
	step("an update", true, func() {
		_, err := h.UpdateCredential(h.ctx, h.team, "hf", nil, fields("token", "t2"), actor())
		check(t, err)
	})
	step("the same link", false, func() { second(h.Link(h.ctx, h.team, "hf", "k", actor())) })
	step("unlinking", true, func() { second(h.Unlink(h.ctx, h.team, "hf", "k", actor())) })
	step("an event", false, func() { check(t, h.Record(h.ctx, auth.Event{Action: "test"})) })
	step("a sealed value", false, func() { check(t, h.PutSealed(h.ctx, "x", []byte("x"))) })
	step("the same team", false, func() { h.ensureTeam(auth.DefaultTeam) })
	step("another team", true, func() { h.ensureTeam("other") })
	step("a failure", false, func() { second(h.Key(h.ctx, h.team, "none")) })
	step("deleting", true, func() { check(t, h.DeleteKey(h.ctx, h.team, "k", actor())) })
}

// oldStatesStay: a state is a picture of its revision for good.
func oldStatesStay(t *testing.T, open Opener) {
	h := newHouse(t, open)
	var states []auth.State
	var texts []string
	keep := func() {
		states = append(states, h.state())
		texts = append(texts, asJSON(h.state()))
	}
	for i := range 12 {
		h.credential(fmt.Sprint("c", i), "t")
		keep()
		h.key(fmt.Sprint("k", i), fmt.Sprint("c", i))
		keep()
		if i%3 == 2 {
			check(t, h.DeleteCredential(h.ctx, h.team, fmt.Sprint("c", i-1), actor()))
			keep()
			second(h.UpdateKey(h.ctx, h.team, fmt.Sprint("k", i-2), func(k *auth.Key) error { k.Scope = auth.ScopeWrite; return nil }, actor()))
			keep()
			second(h.Link(h.ctx, h.team, fmt.Sprint("c", i), "k0", actor()))
			keep()
		}
	}
	for i := range states {
		equal(t, fmt.Sprint("state ", i), asJSON(states[i]), texts[i])
	}
	last := states[len(states)-1]
	if !slices.IsSortedFunc(last.Credentials, func(a, b auth.Credential) int { return cmpString(a.ID, b.ID) }) ||
		!slices.IsSortedFunc(last.Keys, func(a, b auth.Key) int { return cmpString(a.ID, b.ID) }) ||
		!slices.IsSortedFunc(last.Links, func(a, b auth.Link) int { return a.CreatedAt.Compare(b.CreatedAt) }) {
		t.Fatal("a state is out of order")
	}
}

func cmpString(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// clockJumps: whatever the clock does, what was made later is later.
func clockJumps(t *testing.T, open Opener) {
	h := newHouse(t, open)
	var made []auth.Credential
	for i, jump := range []time.Duration{0, 0, time.Hour, -time.Hour, -24 * time.Hour, 0, 1, -1, 365 * 24 * time.Hour, -365 * 24 * time.Hour} {
		h.clock.add(jump)
		made = append(made, h.credential(fmt.Sprint("c", i), "t"))
		if h.reopen != nil && i%4 == 3 {
			h.reopen()
		}
	}
	for i := 1; i < len(made); i++ {
		if !made[i].CreatedAt.After(made[i-1].CreatedAt) {
			t.Fatalf("credential %d was made at %v, its predecessor at %v", i, made[i].CreatedAt, made[i-1].CreatedAt)
		}
	}
	now := made[len(made)-1].CreatedAt
	c, err := h.UpdateCredential(h.ctx, h.team, "c0", nil, fields("token", "t"), actor())
	check(t, err)
	if !c.UpdatedAt.After(now) {
		t.Fatalf("changed at %v, after %v", c.UpdatedAt, now)
	}
	// Events keep the clock's time and the order of acts.
	evs := h.events("", time.Time{})
	equal(t, "number of events", len(evs), len(made)+1)
	for i := range made {
		equal(t, "name", evs[i].CredentialName, made[i].Name)
	}
	equal(t, "time of the third event", evs[2].Time, start.Add(time.Hour))
	equal(t, "time of the last event", evs[len(made)].Time, start.Add(-24*time.Hour))
	ids := map[string]bool{}
	for _, ev := range evs {
		if ids[ev.ID] {
			t.Fatal("an event id was used twice")
		}
		ids[ev.ID] = true
	}
	h.clock.add(48 * time.Hour)
	equal(t, "number of events since the future", len(h.events("", start.Add(12*time.Hour))), 1)
}

// concurrent: readers and writers at once; run it with -race.
func concurrent(t *testing.T, open Opener) {
	var mu sync.Mutex
	var last uint64
	h := newHouse(t, open, func(o *store.Options) {
		o.OnChange = func(s auth.State) {
			mu.Lock()
			defer mu.Unlock()
			if s.Revision != last+1 {
				t.Errorf("told of revision %d after %d", s.Revision, last)
			}
			last = s.Revision
		}
	})
	shared := h.credential("shared", "v1")
	h.key("shared")
	const writers, rounds = 4, 12
	stop := make(chan struct{})
	var readers, group sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				s := h.state()
				for i := range s.Credentials {
					c := &s.Credentials[i]
					f, err := h.OpenFields(h.ctx, c.ID, c.Version)
					if err == nil && f["token"].Reveal() != fmt.Sprint("v", c.Version) {
						t.Errorf("version %d of %s holds %q", c.Version, c.Name, f["token"].Reveal())
					}
				}
				_ = h.events(h.team, time.Time{})
			}
		})
	}
	for w := range writers {
		group.Go(func() {
			for i := range rounds {
				name := fmt.Sprintf("w%d", w)
				h.credential(name, "v1", "shared")
				_, err := h.UpdateCredential(h.ctx, h.team, name, nil, fields("token", "v2"), actor())
				check(t, err)
				if i%2 == 0 {
					_, err = h.Unlink(h.ctx, h.team, name, "shared", actor())
					check(t, err)
				}
				if i < rounds-1 {
					check(t, h.DeleteCredential(h.ctx, h.team, name, actor()))
				}
			}
		})
	}
	group.Wait()
	close(stop)
	readers.Wait()
	s := h.state()
	equal(t, "number of credentials", len(s.Credentials), writers+1)
	equal(t, "number of links", len(s.Links), writers)
	equal(t, "token", h.fields(shared)["token"].Reveal(), "v1")
	mu.Lock()
	defer mu.Unlock()
	equal(t, "the last revision told", last, s.Revision)
}

// reopened: what was acknowledged is there after Close, to the byte.
func reopened(t *testing.T, open Opener) {
	h := newHouse(t, open)
	if h.reopen == nil {
		return // nothing outlives Close
	}
	h.key("k")
	h.credential("hf", "t1", "k")
	c, err := h.UpdateCredential(h.ctx, h.team, "hf", func(c *auth.Credential) error {
		c.Params, c.ExpiresAt = map[string]string{"region": "eu"}, start.Add(time.Hour)
		return nil
	}, fields("token", "t2"), actor())
	check(t, err)
	h.credential("gone", "t")
	check(t, h.DeleteCredential(h.ctx, h.team, "gone", actor()))
	check(t, h.PutSealed(h.ctx, "ca.key", []byte("pem")))
	check(t, h.SyncDeclarative(h.ctx, h.team, []store.DeclaredCredential{declared("cfg", "s", "k")}, nil, actor()))
	before, recorded := asJSON(h.state()), h.recorded()
	for range 2 {
		h.reopen()
		equal(t, "state", asJSON(h.state()), before)
		if got := h.recorded(); !slices.Equal(got, recorded) {
			t.Fatalf("recorded %q, want %q", got, recorded)
		}
		f := h.fields(c)
		equal(t, "token", f["token"].Reveal(), "t2")
		equal(t, "region", f["region"].Reveal(), "eu")
		pem, err := h.Sealed(h.ctx, "ca.key")
		check(t, err)
		equal(t, "sealed value", string(pem), "pem")
		_, err = h.Unlink(h.ctx, h.team, "cfg", "k", actor())
		wantErr(t, err, store.ErrReadOnly, "cfg – k")
	}
	equal(t, "declared again", h.SyncDeclarative(h.ctx, h.team, []store.DeclaredCredential{declared("cfg", "s", "k")}, nil, actor()), nil)
	equal(t, "state", asJSON(h.state()), before)
	revision := h.state().Revision
	h.credential("more", "t")
	equal(t, "revision", h.state().Revision, revision+1)
}
