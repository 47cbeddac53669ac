package storetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

func declared(name, token string, keys ...string) store.DeclaredCredential {
	return store.DeclaredCredential{Credential: newCredential("", name), Secrets: fields("token", token), Keys: keys}
}

func declaredKey(name string, credentials ...string) store.DeclaredKey {
	return store.DeclaredKey{Key: newKey("", name), Credentials: credentials}
}

func (h *house) declare(creds []store.DeclaredCredential, keys ...store.DeclaredKey) {
	h.t.Helper()
	check(h.t, h.SyncDeclarative(h.ctx, h.team, creds, keys, auth.Event{Actor: "config"}))
}

// since returns what was recorded after the first n events.
func (h *house) since(n int) []string { h.t.Helper(); return h.recorded()[n:] }

func declareAndRemove(t *testing.T, open Opener) {
	h := newHouse(t, open)
	hand := h.credential("by hand", "t")
	n := len(h.recorded())
	h.declare([]store.DeclaredCredential{declared("a", "1", "k1"), declared("b", "2")}, declaredKey("k1"), declaredKey("k2", "b", "by hand"))
	s := h.state()
	equal(t, "number of credentials", len(s.Credentials), 3)
	equal(t, "number of keys", len(s.Keys), 2)
	equal(t, "number of links", len(s.Links), 3)
	want := []string{"credential.create a", "credential.create b", "key.create k1", "key.create k2",
		"link.create a k1", "link.create b k2", "link.create by hand k2", "config.reload"}
	if got := h.since(n); !slices.Equal(got, want) {
		t.Fatalf("recorded %q, want %q", got, want)
	}
	a, err := h.Credential(h.ctx, h.team, "a")
	check(t, err)
	if !a.Declarative || a.TeamID != h.team || a.Version != 1 || a.CreatedAt.Before(start) {
		t.Fatalf("credential is %+v", a)
	}
	equal(t, "token", h.fields(a)["token"].Reveal(), "1")
	ev := h.events(h.team, time.Time{})[n]
	equal(t, "actor", ev.Actor, "config")
	n = len(h.recorded())
	h.declare(nil)
	s = h.state()
	equal(t, "number of credentials", len(s.Credentials), 1)
	equal(t, "the one left", s.Credentials[0].ID, hand.ID)
	equal(t, "number of keys", len(s.Keys), 0)
	equal(t, "number of links", len(s.Links), 0)
	want = []string{"config.reload", "credential.delete a", "credential.delete b", "key.delete k1", "key.delete k2"}
	if got := slices.Sorted(slices.Values(h.since(n))); !slices.Equal(got, want) {
		t.Fatalf("recorded %q, want %q", got, want)
	}
	_, err = h.OpenFields(h.ctx, a.ID, 1)
	wantErr(t, err, store.ErrNotFound, a.ID)
	wantErr(t, h.SyncDeclarative(h.ctx, "team_none", nil, nil, actor()), store.ErrNotFound, "team_none")
}

func declareTwice(t *testing.T, open Opener) {
	h := newHouse(t, open)
	creds := []store.DeclaredCredential{declared("a", "1", "k"), declared("b", "2", "k")}
	creds[0].Credential.ExpiresAt = start.Add(time.Hour + 1).In(time.FixedZone("", 3600))
	creds[0].Credential.Params = map[string]string{}
	keys := []store.DeclaredKey{declaredKey("k", "a")}
	h.declare(creds, keys...)
	before, n := asJSON(h.state()), len(h.recorded())
	h.clock.add(time.Hour)
	h.declare(creds, keys...)
	slices.Reverse(creds)
	h.declare(creds, keys...)
	equal(t, "state", asJSON(h.state()), before)
	equal(t, "number of events", len(h.recorded()), n)
}

func declaredChanges(t *testing.T, open Opener) {
	h := newHouse(t, open)
	d, k := declared("a", "1"), declaredKey("k")
	d.Secrets["extra"] = auth.NewSecret("e")
	d.Credential.Params = map[string]string{"region": "eu"}
	h.declare([]store.DeclaredCredential{d}, k)
	first, err := h.Credential(h.ctx, h.team, "a")
	check(t, err)
	version := first.Version
	step := func(what string, fieldsChange bool, change func()) {
		t.Helper()
		n := len(h.recorded())
		change()
		h.declare([]store.DeclaredCredential{d}, k)
		got, err := h.Credential(h.ctx, h.team, "a")
		check(t, err)
		if fieldsChange {
			version++
		}
		equal(t, "version after "+what, got.Version, version)
		equal(t, "id after "+what, got.ID, first.ID)
		equal(t, "time made after "+what, got.CreatedAt, first.CreatedAt)
		if !got.UpdatedAt.After(got.CreatedAt) {
			t.Fatalf("%s left the time of the change", what)
		}
		if rec := h.since(n); !slices.Equal(rec, []string{"credential.update a", "config.reload"}) {
			t.Fatalf("%s recorded %q", what, rec)
		}
		f := h.fields(got)
		equal(t, "token after "+what, f["token"].Reveal(), d.Secrets["token"].Reveal())
		equal(t, "extra after "+what, f["extra"].Reveal(), d.Secrets["extra"].Reveal())
		equal(t, "region after "+what, f["region"].Reveal(), d.Credential.Params["region"])
	}
	step("other patterns", false, func() { d.Credential.Patterns = []string{"https://b.example/*"} })
	step("another status", false, func() { d.Credential.Status, d.Credential.Reason = auth.StatusExpired, "old" })
	step("another token", true, func() { d.Secrets = fields("token", "2", "extra", "e") })
	step("a field less", true, func() { d.Secrets = fields("token", "2") })
	step("a field more", true, func() { d.Secrets = fields("token", "2", "extra", "f") })
	step("other params", true, func() { d.Credential.Params = map[string]string{"region": "us"} })
	step("another provider", true, func() { d.Credential.Provider = "huggingface" })

	old, err := h.Key(h.ctx, h.team, "k")
	check(t, err)
	k.Key.Hash = newKey("", "").Hash
	n := len(h.recorded())
	h.declare([]store.DeclaredCredential{d}, k)
	got, err := h.Key(h.ctx, h.team, "k")
	check(t, err)
	if got.ID != old.ID || got.Hash != k.Key.Hash || !got.CreatedAt.Equal(old.CreatedAt) {
		t.Fatalf("key is %+v", got)
	}
	if rec := h.since(n); !slices.Equal(rec, []string{"key.update k", "config.reload"}) {
		t.Fatalf("recorded %q", rec)
	}
}

func declaredReadOnly(t *testing.T, open Opener) {
	h := newHouse(t, open)
	h.declare([]store.DeclaredCredential{declared("a", "1")}, declaredKey("k"))
	before := asJSON(h.state())
	_, err := h.UpdateCredential(h.ctx, h.team, "a", nil, fields("token", "x"), actor())
	wantErr(t, err, store.ErrReadOnly, "a")
	_, err = h.UpdateCredential(h.ctx, h.team, "a", func(c *auth.Credential) error { c.Declarative = false; return nil }, nil, actor())
	wantErr(t, err, store.ErrReadOnly, "a")
	wantErr(t, h.DeleteCredential(h.ctx, h.team, "a", actor()), store.ErrReadOnly, "a")
	_, err = h.UpdateKey(h.ctx, h.team, "k", func(k *auth.Key) error { k.Scope = auth.ScopeWrite; return nil }, actor())
	wantErr(t, err, store.ErrReadOnly, "k")
	wantErr(t, h.DeleteKey(h.ctx, h.team, "k", actor()), store.ErrReadOnly, "k")
	equal(t, "state", asJSON(h.state()), before)
}

func declaredClashes(t *testing.T, open Opener) {
	h := newHouse(t, open)
	h.credential("hand", "t")
	h.key("hand")
	h.declare([]store.DeclaredCredential{declared("a", "1")})
	before, n := asJSON(h.state()), len(h.recorded())
	for _, bad := range []struct {
		creds []store.DeclaredCredential
		keys  []store.DeclaredKey
		kind  error
		ref   string
	}{
		{[]store.DeclaredCredential{declared("hand", "1")}, nil, store.ErrExists, "hand"},
		{nil, []store.DeclaredKey{declaredKey("hand")}, store.ErrExists, "hand"},
		{[]store.DeclaredCredential{declared("b", "1"), declared("b", "1")}, nil, store.ErrInvalid, "b"},
		{nil, []store.DeclaredKey{declaredKey("b"), declaredKey("b")}, store.ErrInvalid, "b"},
		{[]store.DeclaredCredential{declared("b\n", "1")}, nil, store.ErrInvalid, "b\n"},
		{[]store.DeclaredCredential{declared("b", "1", "none")}, nil, store.ErrNotFound, "none"},
		// "a" goes with this very list.
		{nil, []store.DeclaredKey{declaredKey("b", "a")}, store.ErrNotFound, "a"},
	} {
		err := h.SyncDeclarative(h.ctx, h.team, bad.creds, bad.keys, actor())
		wantErr(t, err, bad.kind, bad.ref)
		equal(t, "state", asJSON(h.state()), before)
	}
	err := h.SyncDeclarative(h.ctx, h.team, []store.DeclaredCredential{declared("b", "1", "none")}, nil, actor())
	if !strings.Contains(err.Error(), `credential "b" names it`) {
		t.Fatalf("error is %q", err)
	}
	equal(t, "number of events", len(h.recorded()), n)
	// By hand a declared name is taken too.
	_, err = h.CreateCredential(h.ctx, newCredential(h.team, "a"), fields("token", "t"), nil, actor())
	wantErr(t, err, store.ErrExists, "a")
}

// declaredLinks: the declared links are exactly those listed; what is linked
// by hand stays until it is declared, and is the configuration's from then on.
func declaredLinks(t *testing.T, open Opener) {
	h := newHouse(t, open)
	h.credential("hand", "t")
	h.key("worker")
	k := declaredKey("k", "a")
	list := func() string {
		s := h.state()
		var out []string
		for _, l := range s.Links {
			c, err := h.Credential(h.ctx, h.team, l.CredentialID)
			check(t, err)
			k, err := h.Key(h.ctx, h.team, l.KeyID)
			check(t, err)
			out = append(out, c.Name+"-"+k.Name)
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	h.declare([]store.DeclaredCredential{declared("a", "1", "worker")}, k)
	equal(t, "links", list(), "a-k a-worker")
	_, err := h.Unlink(h.ctx, h.team, "a", "worker", actor())
	wantErr(t, err, store.ErrReadOnly, "a – worker")
	_, err = h.Link(h.ctx, h.team, "hand", "k", actor())
	check(t, err)
	n := len(h.recorded())
	h.declare([]store.DeclaredCredential{declared("a", "1")}, k)
	equal(t, "links", list(), "a-k hand-k")
	if rec := h.since(n); !slices.Equal(rec, []string{"link.delete a worker", "config.reload"}) {
		t.Fatalf("recorded %q", rec)
	}
	made := h.state().Links[1].CreatedAt
	k.Credentials = []string{"a", "hand"}
	h.declare([]store.DeclaredCredential{declared("a", "1")}, k)
	equal(t, "links", list(), "a-k hand-k")
	equal(t, "time of the link", h.state().Links[1].CreatedAt, made)
	_, err = h.Unlink(h.ctx, h.team, "hand", "k", actor())
	wantErr(t, err, store.ErrReadOnly, "hand – k")
	k.Credentials = nil
	h.declare([]store.DeclaredCredential{declared("a", "1", "worker", "k", "k")}, k)
	equal(t, "links", list(), "a-k a-worker")
	// What a declared row names can still be deleted where it is not declared.
	check(t, h.DeleteKey(h.ctx, h.team, "worker", actor()))
	err = h.SyncDeclarative(h.ctx, h.team, []store.DeclaredCredential{declared("a", "1", "worker")}, []store.DeclaredKey{k}, actor())
	wantErr(t, err, store.ErrNotFound, "worker")
	equal(t, "links", list(), "a-k")
}

// What is renewed takes new values alone, and brings back nothing that a newer
// list left out.
func declaredRenewed(t *testing.T, open Opener) {
	h := newHouse(t, open)
	hand := h.credential("hand", "by hand")
	kept, gone := declaredKey("kept", "a"), declaredKey("gone", "a")
	older := []store.DeclaredCredential{declared("a", "1", "kept"), declared("removed", "2", "kept"), declared("hand", "3")}
	older[0].Credential.Patterns = append(older[0].Credential.Patterns, "https://wider.example.com/*")
	h.declare([]store.DeclaredCredential{declared("a", "1", "kept")}, declaredKey("kept"))
	was, err := h.Credential(h.ctx, h.team, "a")
	check(t, err)
	n := len(h.recorded())
	check(t, h.RenewDeclared(h.ctx, h.team, []store.DeclaredCredential{declared("a", "1")}, nil, auth.Event{Actor: "config"}))
	equal(t, "recorded where nothing is new", len(h.recorded()), n)

	older[0].Secrets = fields("token", "new")
	kept.Key.Hash, kept.Key.Scope = newKey("", "").Hash, auth.ScopeWrite
	check(t, h.RenewDeclared(h.ctx, h.team, older, []store.DeclaredKey{kept, gone}, auth.Event{Actor: "config"}))
	if rec := h.since(n); !slices.Equal(rec, []string{"credential.update a", "key.update kept", "config.reload"}) {
		t.Fatalf("recorded %q", rec)
	}
	a, err := h.Credential(h.ctx, h.team, "a")
	check(t, err)
	equal(t, "token", h.fields(a)["token"].Reveal(), "new")
	equal(t, "version", a.Version, was.Version+1)
	equal(t, "patterns", strings.Join(a.Patterns, " "), strings.Join(was.Patterns, " "))
	equal(t, "what was made by hand", h.fields(hand)["token"].Reveal(), "by hand")
	k, err := h.Key(h.ctx, h.team, "kept")
	check(t, err)
	equal(t, "hash", k.Hash, kept.Key.Hash)
	equal(t, "scope", k.Scope, declaredKey("").Key.Scope)
	s := h.state()
	equal(t, "number of credentials", len(s.Credentials), 2)
	equal(t, "number of keys", len(s.Keys), 1)
	equal(t, "number of links", len(s.Links), 1)
	wantErr(t, h.RenewDeclared(h.ctx, "team_none", nil, nil, actor()), store.ErrNotFound, "team_none")
}

func declaredHashes(t *testing.T, open Opener) {
	h := newHouse(t, open)
	hand := h.key("hand")
	a, b := declaredKey("a"), declaredKey("b")
	h.declare(nil, a, b)
	// Two may exchange their values.
	a.Key.Hash, b.Key.Hash = b.Key.Hash, a.Key.Hash
	h.declare(nil, a, b)
	got, err := h.Key(h.ctx, h.team, "a")
	check(t, err)
	equal(t, "hash", got.Hash, a.Key.Hash)
	// One may take over the value of one that goes.
	c := declaredKey("c")
	c.Key.Hash = b.Key.Hash
	h.declare(nil, a, c)
	twin := declaredKey("twin")
	twin.Key.Hash = hand.Hash
	wantErr(t, h.SyncDeclarative(h.ctx, h.team, nil, []store.DeclaredKey{a, c, twin}, actor()), store.ErrExists, "twin")
	twin.Key.Hash = newKey("", "").Hash
	twin.Key.URLKeyHash = a.Key.Hash
	err = h.SyncDeclarative(h.ctx, h.team, nil, []store.DeclaredKey{a, c, twin}, actor())
	if !strings.Contains(err.Error(), "its value is that of") {
		t.Fatalf("error is %v", err)
	}
	_, err = h.CreateKey(h.ctx, auth.Key{TeamID: h.team, Name: "x", Hash: c.Key.Hash}, nil, actor())
	wantErr(t, err, store.ErrExists, "x")
}
