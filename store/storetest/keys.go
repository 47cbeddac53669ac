package storetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

func keyCreate(t *testing.T, open Opener) {
	h := newHouse(t, open)
	c := h.credential("hf", "t")
	in := newKey(h.team, "worker")
	in.ID, in.CreatedAt, in.Routes = "key_chosen", time.Time{}, []string{"https://a.example/*"}
	k, err := h.CreateKey(h.ctx, in, []string{"hf", c.ID}, actor())
	check(t, err)
	if !auth.IsID(k.ID) || k.ID == in.ID || k.CreatedAt.Before(start) || !k.UpdatedAt.Equal(k.CreatedAt) {
		t.Fatalf("key is %+v", k)
	}
	equal(t, "hash", k.Hash, in.Hash)
	got, err := h.Key(h.ctx, h.team, "worker")
	check(t, err)
	equal(t, "what is read back", asJSON(got), asJSON(k))
	equal(t, "number of links", len(h.state().Links), 1)
	if got, want := h.recorded(), []string{"credential.create hf", "key.create worker", "link.create hf worker"}; !slices.Equal(got, want) {
		t.Fatalf("recorded %q, want %q", got, want)
	}

	in.Name, in.Declarative = "declared", true
	_, err = h.CreateKey(h.ctx, in, nil, actor())
	wantErr(t, err, store.ErrReadOnly, "declared")
	_, err = h.CreateKey(h.ctx, auth.Key{TeamID: h.team, Name: "nohash"}, nil, actor())
	wantErr(t, err, store.ErrInvalid, "nohash")
	_, err = h.CreateKey(h.ctx, newKey(h.team, "x"), []string{"hf", "none"}, actor())
	wantErr(t, err, store.ErrNotFound, "none")
	equal(t, "number of keys", len(h.state().Keys), 1)
}

func keyUpdate(t *testing.T, open Opener) {
	h := newHouse(t, open)
	k, other := h.key("worker"), h.key("other")
	hash := newKey(h.team, "x").Hash
	h.clock.add(time.Hour)
	ev := actor()
	ev.Action = auth.ActionKeyRegenerate
	k2, err := h.UpdateKey(h.ctx, h.team, "worker", func(k *auth.Key) error {
		k.Name, k.Scope, k.Hash, k.ExpiresAt = "gpu", auth.ScopeWrite, hash, start.Add(48*time.Hour)
		k.ID, k.TeamID, k.Declarative, k.CreatedAt, k.UpdatedAt = "key_x", "team_x", true, time.Time{}, time.Time{}
		return nil
	}, ev)
	check(t, err)
	want := k
	want.Name, want.Scope, want.Hash, want.ExpiresAt, want.UpdatedAt = "gpu", auth.ScopeWrite, hash, start.Add(48*time.Hour), k2.UpdatedAt
	equal(t, "key", asJSON(k2), asJSON(want))
	before := h.state().Revision
	_, err = h.UpdateKey(h.ctx, h.team, "gpu", nil, actor())
	check(t, err)
	equal(t, "revision", h.state().Revision, before)
	_, err = h.UpdateKey(h.ctx, h.team, "gpu", func(k *auth.Key) error { k.Name = other.Name; return nil }, actor())
	wantErr(t, err, store.ErrExists, other.Name)
	_, err = h.UpdateKey(h.ctx, h.team, "gpu", func(k *auth.Key) error { k.Hash = auth.KeyHash{}; return nil }, actor())
	wantErr(t, err, store.ErrInvalid, "gpu")
	if got, want := h.recorded(), []string{"key.create worker", "key.create other", "key.regenerate gpu"}; !slices.Equal(got, want) {
		t.Fatalf("recorded %q, want %q", got, want)
	}
	// The old hash is free, the new one is not.
	reuse := newKey(h.team, "reuse")
	reuse.Hash = k.Hash
	_, err = h.CreateKey(h.ctx, reuse, nil, actor())
	check(t, err)
}

func keyDelete(t *testing.T, open Opener) {
	h := newHouse(t, open)
	h.credential("hf", "t")
	k, other := h.key("worker", "hf"), h.key("other", "hf")
	check(t, h.DeleteKey(h.ctx, h.team, k.ID, actor()))
	_, err := h.Key(h.ctx, h.team, "worker")
	wantErr(t, err, store.ErrNotFound, "worker")
	wantErr(t, h.DeleteKey(h.ctx, h.team, k.ID, actor()), store.ErrNotFound, k.ID)
	s := h.state()
	equal(t, "number of keys", len(s.Keys), 1)
	equal(t, "number of links", len(s.Links), 1)
	equal(t, "the link left", s.Links[0].KeyID, other.ID)
}

func keyHashes(t *testing.T, open Opener) {
	h := newHouse(t, open)
	k := newKey(h.team, "worker")
	k.URLKeyHash = newKey(h.team, "").Hash
	k, err := h.CreateKey(h.ctx, k, nil, actor())
	check(t, err)
	other := h.ensureTeam("other")
	for _, team := range []string{h.team, other} {
		for _, hash := range []auth.KeyHash{k.Hash, k.URLKeyHash} {
			twin := newKey(team, "twin")
			twin.Hash = hash
			_, err := h.CreateKey(h.ctx, twin, nil, actor())
			wantErr(t, err, store.ErrExists, "twin")
			if named := strings.Contains(err.Error(), "worker"); named != (team == h.team) {
				t.Fatalf("to team %s the error says %q", team, err)
			}
			twin = newKey(team, "twin")
			twin.URLKeyHash = hash
			_, err = h.CreateKey(h.ctx, twin, nil, actor())
			wantErr(t, err, store.ErrExists, "twin")
		}
	}
	h.key("third")
	_, err = h.UpdateKey(h.ctx, h.team, "third", func(t *auth.Key) error { t.URLKeyHash = k.URLKeyHash; return nil }, actor())
	wantErr(t, err, store.ErrExists, "third")
	_, err = h.UpdateKey(h.ctx, h.team, "worker", func(k *auth.Key) error { k.URLKeyHash = k.Hash; return nil }, actor())
	wantErr(t, err, store.ErrInvalid, "worker")
}

func links(t *testing.T, open Opener) {
	h := newHouse(t, open)
	c, k := h.credential("hf", "t"), h.key("worker")
	for i, want := range []bool{true, false} {
		changed, err := h.Link(h.ctx, h.team, "hf", k.ID, actor())
		check(t, err)
		equal(t, "changed", changed, want)
		equal(t, "number of links", len(h.state().Links), 1)
		equal(t, "number of events", len(h.recorded()), 3)
		_ = i
	}
	l := h.state().Links[0]
	if l.CredentialID != c.ID || l.KeyID != k.ID || l.CreatedAt.Before(start) {
		t.Fatalf("link is %+v", l)
	}
	for _, want := range []bool{true, false} {
		changed, err := h.Unlink(h.ctx, h.team, c.ID, "worker", actor())
		check(t, err)
		equal(t, "changed", changed, want)
		equal(t, "number of links", len(h.state().Links), 0)
	}
	for _, f := range []func(c, k string) error{
		func(c, k string) error { _, err := h.Link(h.ctx, h.team, c, k, actor()); return err },
		func(c, k string) error { _, err := h.Unlink(h.ctx, h.team, c, k, actor()); return err },
	} {
		wantErr(t, f("none", "worker"), store.ErrNotFound, "none")
		wantErr(t, f("hf", "none"), store.ErrNotFound, "none")
	}
	want := []string{"credential.create hf", "key.create worker", "link.create hf worker", "link.delete hf worker"}
	if got := h.recorded(); !slices.Equal(got, want) {
		t.Fatalf("recorded %q, want %q", got, want)
	}
}

func sealed(t *testing.T, open Opener) {
	h := newHouse(t, open)
	_, err := h.Sealed(h.ctx, "ca.key")
	wantErr(t, err, store.ErrNotFound, "ca.key")
	before := h.state().Revision
	for _, value := range []string{"first", "second", ""} {
		check(t, h.PutSealed(h.ctx, "ca.key", []byte(value)))
		got, err := h.Sealed(h.ctx, "ca.key")
		check(t, err)
		equal(t, "value", string(got), value)
	}
	equal(t, "revision: it is not part of the state", h.state().Revision, before)
	_, err = h.Sealed(h.ctx, "CA.key")
	wantErr(t, err, store.ErrNotFound, "CA.key")
	wantErr(t, h.PutSealed(h.ctx, "", []byte("x")), store.ErrInvalid, "")
}
