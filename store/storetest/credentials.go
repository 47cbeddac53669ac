package storetest

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

func names(t *testing.T, open Opener) {
	h := newHouse(t, open)
	for _, name := range []string{
		"", " a", "a ", "a\tb", "a\nb", "a\x00b", "a\u200bb", "a\u202eb", "a\u00a0b", "\xff", strings.Repeat("n", 129),
		auth.NewID(start), strings.ToUpper(auth.NewID(start)),
	} {
		_, err := h.CreateCredential(h.ctx, newCredential(h.team, name), fields("token", "t"), nil, actor())
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("credential called %q: %v, want ErrInvalid", name, err)
		}
		_, err = h.CreateKey(h.ctx, newKey(h.team, name), nil, actor())
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("API key called %q: %v, want ErrInvalid", name, err)
		}
		if _, err = h.EnsureTeam(h.ctx, name); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("team called %q: %v, want ErrInvalid", name, err)
		}
	}
	for _, name := range []string{"a", "A", "a b", "模型", "é", "e\u0301", strings.Repeat("é", 128), "cred_short", "../x", "name/ca"} {
		h.credential(name, "t")
		h.key(name)
		if c, err := h.Credential(h.ctx, h.team, name); err != nil || c.Name != name {
			t.Errorf("credential called %q: got %q, %v", name, c.Name, err)
		}
	}
	_, err := h.CreateCredential(h.ctx, newCredential(h.team, "a"), fields("token", "t"), nil, actor())
	wantErr(t, err, store.ErrExists, "a")
	_, err = h.CreateKey(h.ctx, newKey(h.team, "a"), nil, actor())
	wantErr(t, err, store.ErrExists, "a")
}

// keyAsName: a key given in place of a name is no name, and no error repeats
// it.
func keyAsName(t *testing.T, open Opener) {
	h := newHouse(t, open)
	h.credential("hf", "t")
	for _, key := range []string{auth.NewAPIKey().Reveal(), auth.NewURLKey().Reveal(),
		auth.KeyAliasPrefix + strings.TrimPrefix(auth.NewAPIKey().Reveal(), auth.KeyPrefix)} {
		_, create := h.CreateKey(h.ctx, newKey(h.team, key), nil, actor())
		_, rename := h.UpdateCredential(h.ctx, h.team, "hf", func(c *auth.Credential) error { c.Name = key; return nil }, nil, actor())
		_, show := h.Key(h.ctx, h.team, key)
		_, link := h.Link(h.ctx, h.team, "hf", key, actor())
		for err, kind := range map[error]error{create: store.ErrInvalid, rename: store.ErrInvalid, show: store.ErrNotFound, link: store.ErrNotFound} {
			if !errors.Is(err, kind) || strings.Contains(err.Error(), key) {
				t.Errorf("a key as name: %v, want one that is %q", err, kind)
			}
		}
	}
}

func refs(t *testing.T, open Opener) {
	h := newHouse(t, open)
	c, k := h.credential("hf", "t"), h.key("worker")
	for _, ref := range []string{c.ID, c.Name} {
		got, err := h.Credential(h.ctx, h.team, ref)
		check(t, err)
		equal(t, "id", got.ID, c.ID)
	}
	for _, ref := range []string{k.ID, k.Name} {
		got, err := h.Key(h.ctx, h.team, ref)
		check(t, err)
		equal(t, "id", got.ID, k.ID)
	}
	for _, ref := range []string{"", "HF", "worker", k.ID, c.ID[:len(c.ID)-1]} {
		_, err := h.Credential(h.ctx, h.team, ref)
		wantErr(t, err, store.ErrNotFound, ref)
	}
	for _, ref := range []string{"", "hf", c.ID} {
		_, err := h.Key(h.ctx, h.team, ref)
		wantErr(t, err, store.ErrNotFound, ref)
	}
}

func teamsAreApart(t *testing.T, open Opener) {
	h := newHouse(t, open)
	c, k := h.credential("hf", "t"), h.key("worker")
	equal(t, "the same team", h.ensureTeam(auth.DefaultTeam), h.team)
	other := h.ensureTeam("other")
	for _, ref := range []string{c.ID, c.Name} {
		_, err := h.Credential(h.ctx, other, ref)
		wantErr(t, err, store.ErrNotFound, ref)
		_, err = h.UpdateCredential(h.ctx, other, ref, nil, fields("token", "stolen"), actor())
		wantErr(t, err, store.ErrNotFound, ref)
		wantErr(t, h.DeleteCredential(h.ctx, other, ref, actor()), store.ErrNotFound, ref)
	}
	for _, ref := range []string{k.ID, k.Name} {
		_, err := h.Key(h.ctx, other, ref)
		wantErr(t, err, store.ErrNotFound, ref)
		_, err = h.UpdateKey(h.ctx, other, ref, nil, actor())
		wantErr(t, err, store.ErrNotFound, ref)
		wantErr(t, h.DeleteKey(h.ctx, other, ref, actor()), store.ErrNotFound, ref)
	}
	// The same names are free in the other team, and nothing links across.
	c2, err := h.CreateCredential(h.ctx, newCredential(other, "hf"), fields("token", "t2"), nil, actor())
	check(t, err)
	_, err = h.CreateCredential(h.ctx, newCredential(other, "hf2"), fields("token", "t2"), []string{k.ID}, actor())
	wantErr(t, err, store.ErrNotFound, k.ID)
	_, err = h.CreateKey(h.ctx, newKey(h.team, "worker2"), []string{c2.ID}, actor())
	wantErr(t, err, store.ErrNotFound, c2.ID)
	_, err = h.Link(h.ctx, h.team, c2.ID, k.ID, actor())
	wantErr(t, err, store.ErrNotFound, c2.ID)
	_, err = h.Link(h.ctx, other, c2.ID, k.ID, actor())
	wantErr(t, err, store.ErrNotFound, k.ID)
	_, err = h.CreateCredential(h.ctx, newCredential("team_none", "x"), nil, nil, actor())
	wantErr(t, err, store.ErrNotFound, "team_none")
	_, err = h.CreateKey(h.ctx, newKey("team_none", "x"), nil, actor())
	wantErr(t, err, store.ErrNotFound, "team_none")
	equal(t, "number of links", len(h.state().Links), 0)
}

func credentialCreate(t *testing.T, open Opener) {
	h := newHouse(t, open)
	k1, k2 := h.key("k1"), h.key("k2")
	in := newCredential(h.team, "hf")
	in.ID, in.Version, in.CreatedAt = "cred_chosen", 9, start.AddDate(1, 0, 0)
	in.ExpiresAt = time.Date(2027, 1, 1, 0, 0, 0, 1999, time.FixedZone("", 3600))
	c, err := h.CreateCredential(h.ctx, in, fields("token", "hf_1"), []string{k1.ID, "k2", "k2"}, actor())
	check(t, err)
	if !auth.IsID(c.ID) || c.ID == in.ID {
		t.Fatalf("id is %q", c.ID)
	}
	equal(t, "version", c.Version, 1)
	if c.CreatedAt.Before(start) || c.CreatedAt.After(start.Add(time.Second)) || !c.UpdatedAt.Equal(c.CreatedAt) {
		t.Fatalf("made at %v, changed at %v", c.CreatedAt, c.UpdatedAt)
	}
	equal(t, "expiry, as every database can hold it", c.ExpiresAt, time.Date(2026, 12, 31, 23, 0, 0, 1000, time.UTC))
	got, err := h.Credential(h.ctx, h.team, "hf")
	check(t, err)
	equal(t, "what is read back", asJSON(got), asJSON(c))
	s := h.state()
	if len(s.Links) != 2 || s.Links[0].KeyID == s.Links[1].KeyID || s.Links[0].CredentialID != c.ID {
		t.Fatalf("links are %v", s.Links)
	}
	want := []string{"key.create k1", "key.create k2", "credential.create hf", "link.create hf k1", "link.create hf k2"}
	if got := h.recorded(); !slices.Equal(got, want) {
		t.Fatalf("recorded %q, want %q", got, want)
	}
	ev := h.events(h.team, time.Time{})[2]
	if ev.CredentialID != c.ID || ev.Version != 1 || ev.Actor != "cli" || ev.TeamID != h.team || ev.Address != "127.0.0.1" || k1.ID == k2.ID {
		t.Fatalf("event is %+v", ev)
	}

	in.Declarative = true
	in.Name = "declared"
	_, err = h.CreateCredential(h.ctx, in, fields("token", "t"), nil, actor())
	wantErr(t, err, store.ErrReadOnly, "declared")
	_, err = h.CreateCredential(h.ctx, auth.Credential{TeamID: h.team, Name: "x"}, nil, nil, actor())
	wantErr(t, err, store.ErrInvalid, "x")
	both := newCredential(h.team, "both")
	both.Params = map[string]string{"token": "plain"}
	_, err = h.CreateCredential(h.ctx, both, fields("token", "t"), nil, actor())
	wantErr(t, err, store.ErrInvalid, "both")
	_, err = h.CreateCredential(h.ctx, newCredential(h.team, "x"), fields("token", "t"), []string{"k1", "nokey"}, actor())
	wantErr(t, err, store.ErrNotFound, "nokey")
	equal(t, "number of credentials", len(h.state().Credentials), 1)
}

func credentialUpdate(t *testing.T, open Opener) {
	h := newHouse(t, open)
	c, other := h.credential("hf", "old"), h.credential("other", "x")
	h.clock.add(time.Hour)
	// The record alone.
	c2, err := h.UpdateCredential(h.ctx, h.team, "hf", func(c *auth.Credential) error {
		c.Name, c.Status, c.Reason = "hub", auth.StatusInvalid, "refuted"
		c.ID, c.TeamID, c.Version, c.Declarative = "cred_x", "team_x", 77, true
		c.CreatedAt, c.UpdatedAt = time.Time{}, time.Time{}
		return nil
	}, nil, actor())
	check(t, err)
	want := c
	want.Name, want.Status, want.Reason, want.UpdatedAt = "hub", auth.StatusInvalid, "refuted", c2.UpdatedAt
	equal(t, "credential", asJSON(c2), asJSON(want))
	if c2.UpdatedAt.Before(start.Add(time.Hour)) {
		t.Fatalf("changed at %v", c2.UpdatedAt)
	}
	equal(t, "token", h.fields(c2)["token"].Reveal(), "old")
	_, err = h.Credential(h.ctx, h.team, "hf")
	wantErr(t, err, store.ErrNotFound, "hf")
	// Record and secret in one.
	c3, err := h.UpdateCredential(h.ctx, h.team, c.ID, func(c *auth.Credential) error {
		c.Patterns = []string{"https://new.example/*"}
		return nil
	}, fields("token", "new"), actor())
	check(t, err)
	equal(t, "version", c3.Version, 2)
	equal(t, "pattern", c3.Patterns[0], "https://new.example/*")
	equal(t, "token", h.fields(c3)["token"].Reveal(), "new")
	_, err = h.OpenFields(h.ctx, c.ID, 1)
	wantErr(t, err, store.ErrNotFound, c.ID)
	// The same secret again is a new version all the same.
	c4, err := h.UpdateCredential(h.ctx, h.team, c.ID, nil, fields("token", "new"), actor())
	check(t, err)
	equal(t, "version", c4.Version, 3)
	// Nothing at all.
	before, recorded := h.state().Revision, len(h.recorded())
	c5, err := h.UpdateCredential(h.ctx, h.team, c.ID, func(*auth.Credential) error { return nil }, nil, actor())
	check(t, err)
	equal(t, "credential", asJSON(c5), asJSON(c4))
	equal(t, "revision", h.state().Revision, before)
	equal(t, "number of events", len(h.recorded()), recorded)
	// A name that is taken.
	_, err = h.UpdateCredential(h.ctx, h.team, c.ID, func(c *auth.Credential) error { c.Name = other.Name; return nil }, nil, actor())
	wantErr(t, err, store.ErrExists, other.Name)
	wantRecorded := []string{"credential.create hf", "credential.create other", "credential.update hub", "credential.update hub", "credential.update hub"}
	if got := h.recorded(); !slices.Equal(got, wantRecorded) {
		t.Fatalf("recorded %q, want %q", got, wantRecorded)
	}
}

func credentialParams(t *testing.T, open Opener) {
	h := newHouse(t, open)
	in := newCredential(h.team, "api")
	in.Params = map[string]string{"headerName": "X-Key"}
	c, err := h.CreateCredential(h.ctx, in, fields("headerValue", "v"), nil, actor())
	check(t, err)
	// Signers keep what they opened by version: other params are a new one.
	c2, err := h.UpdateCredential(h.ctx, h.team, "api", func(c *auth.Credential) error { c.Params["headerName"] = "X-Other"; return nil }, nil, actor())
	check(t, err)
	equal(t, "version", c2.Version, 2)
	f := h.fields(c2)
	equal(t, "headerName", f["headerName"].Reveal(), "X-Other")
	equal(t, "headerValue", f["headerValue"].Reveal(), "v")
	_, err = h.OpenFields(h.ctx, c.ID, 1)
	wantErr(t, err, store.ErrNotFound, c.ID)
	_, err = h.UpdateCredential(h.ctx, h.team, "api", func(c *auth.Credential) error { c.Params["headerValue"] = "plain"; return nil }, nil, actor())
	wantErr(t, err, store.ErrInvalid, "api")
}

func credentialDelete(t *testing.T, open Opener) {
	h := newHouse(t, open)
	h.key("k")
	c, other := h.credential("hf", "t", "k"), h.credential("other", "t", "k")
	check(t, h.DeleteCredential(h.ctx, h.team, "hf", actor()))
	_, err := h.Credential(h.ctx, h.team, c.ID)
	wantErr(t, err, store.ErrNotFound, c.ID)
	_, err = h.OpenFields(h.ctx, c.ID, c.Version)
	wantErr(t, err, store.ErrNotFound, c.ID)
	wantErr(t, err, auth.ErrOutdated, c.ID)
	wantErr(t, h.DeleteCredential(h.ctx, h.team, "hf", actor()), store.ErrNotFound, "hf")
	s := h.state()
	equal(t, "number of credentials", len(s.Credentials), 1)
	equal(t, "number of links", len(s.Links), 1)
	equal(t, "the link left", s.Links[0].CredentialID, other.ID)
	again := h.credential("hf", "t2")
	if again.ID == c.ID {
		t.Fatal("an id was used twice")
	}
	if got := h.recorded(); got[len(got)-2] != "credential.delete hf" {
		t.Fatalf("recorded %q", got)
	}
}

func openFields(t *testing.T, open Opener) {
	h := newHouse(t, open)
	in := newCredential(h.team, "hf")
	in.Params = map[string]string{"region": "eu"}
	c, err := h.CreateCredential(h.ctx, in, auth.Fields{
		"token": auth.NewSecret("t\x00\xff"), "password": auth.NewSecret(strings.Repeat("p", 10_000)), "unset": auth.Secret{},
	}, nil, actor())
	check(t, err)
	all := h.fields(c)
	equal(t, "number of fields", len(all), 3)
	equal(t, "token", all["token"].Reveal(), "t\x00\xff")
	equal(t, "length of the password", len(all["password"].Reveal()), 10_000)
	equal(t, "region", all["region"].Reveal(), "eu")
	some := h.fields(c, "region", "token", "none", "unset")
	equal(t, "number of fields", len(some), 2)
	equal(t, "token", some["token"].Reveal(), "t\x00\xff")
	equal(t, "none", some["none"].IsZero(), true)
	for _, version := range []uint64{0, 2} {
		_, err := h.OpenFields(h.ctx, c.ID, version)
		wantErr(t, err, store.ErrNotFound, c.ID)
		wantErr(t, err, auth.ErrOutdated, c.ID)
	}
	_, err = h.OpenFields(h.ctx, "hf", 1) // by id alone
	wantErr(t, err, store.ErrNotFound, "hf")
	bare, err := h.CreateCredential(h.ctx, newCredential(h.team, "bare"), nil, nil, actor())
	check(t, err)
	equal(t, "number of fields", len(h.fields(bare)), 0)
}

func nothingShared(t *testing.T, open Opener) {
	h := newHouse(t, open)
	in := newCredential(h.team, "hf")
	in.Params = map[string]string{"region": "eu"}
	secrets := fields("token", "t")
	c, err := h.CreateCredential(h.ctx, in, secrets, nil, actor())
	check(t, err)
	k := newKey(h.team, "k")
	k.Routes = []string{"https://a.example/*"}
	k, err = h.CreateKey(h.ctx, k, nil, actor())
	check(t, err)
	before := asJSON(h.state())
	// What the caller gave and what it got are the caller's.
	in.Patterns[0], in.Params["region"], in.Previews["token"], secrets["token"] = "x", "x", "x", auth.NewSecret("x")
	spoil := func(c auth.Credential, err error) {
		check(t, err)
		c.Patterns[0], c.Params["region"], c.Previews["token"] = "x", "x", "x"
	}
	spoil(c, nil)
	spoil(h.Credential(h.ctx, h.team, "hf"))
	spoil(h.UpdateCredential(h.ctx, h.team, "hf", nil, nil, actor()))
	k.Routes[0] = "x"
	k, err = h.Key(h.ctx, h.team, "k")
	check(t, err)
	k.Routes[0] = "x"
	_, err = h.UpdateCredential(h.ctx, h.team, "hf", func(c *auth.Credential) error {
		c.Patterns[0], c.Params["region"] = "x", "x"
		return errors.New("no")
	}, nil, actor())
	equal(t, "error of the change", err.Error(), "no")
	_, err = h.UpdateKey(h.ctx, h.team, "k", func(k *auth.Key) error { k.Routes[0] = "x"; return errors.New("no") }, actor())
	equal(t, "error of the change", err.Error(), "no")
	equal(t, "state", asJSON(h.state()), before)
	equal(t, "token", h.fields(c)["token"].Reveal(), "t")
}

func revokedForGood(t *testing.T, open Opener) {
	h := newHouse(t, open)
	h.credential("hf", "t")
	h.key("k")
	_, err := h.UpdateCredential(h.ctx, h.team, "hf", func(c *auth.Credential) error { c.Status = auth.StatusRevoked; return nil }, nil, actor())
	check(t, err)
	_, err = h.UpdateCredential(h.ctx, h.team, "hf", func(c *auth.Credential) error { c.Status = auth.StatusValid; return nil }, nil, actor())
	wantErr(t, err, store.ErrInvalid, "hf")
	_, err = h.UpdateKey(h.ctx, h.team, "k", func(k *auth.Key) error { k.RevokedAt = start; return nil }, actor())
	check(t, err)
	_, err = h.UpdateKey(h.ctx, h.team, "k", func(k *auth.Key) error { k.RevokedAt = time.Time{}; return nil }, actor())
	wantErr(t, err, store.ErrInvalid, "k")
	k, err := h.UpdateKey(h.ctx, h.team, "k", func(k *auth.Key) error { k.Name = "old"; return nil }, actor())
	check(t, err)
	equal(t, "status", k.Status(start), "revoked")
}

// asJSON is v as it is stored: equal texts are equal rows.
func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
