package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

func newS3Key(teamID, name string) auth.Key {
	return auth.Key{TeamID: teamID, Name: name, Scope: auth.ScopeRead, S3: &auth.S3Access{
		AccessKeyID: auth.NewS3AccessKeyID(), Buckets: []string{"models"}, Prefixes: []string{"sd/"},
		Aliases: map[string]string{"mod": "models/sd/"},
	}}
}

func s3Keys(t *testing.T, open Opener) {
	h := newHouse(t, open)
	c := h.credential("s3", "t")
	k, err := h.CreateS3Key(h.ctx, newS3Key(h.team, "trainer"), auth.NewSecret("first"), []string{c.ID}, actor())
	check(t, err)
	equal(t, "version", k.S3.Version, uint64(1))
	secret := func(version uint64) string {
		s, err := h.S3Secret(h.ctx, k.ID, version)
		check(t, err)
		return s.Reveal()
	}
	equal(t, "secret", secret(1), "first")
	equal(t, "number of links", len(h.state().Links), 1)

	// What is handed out is the caller's.
	k.S3.Buckets[0], k.S3.Aliases["mod"] = "x", "x"
	k, err = h.Key(h.ctx, h.team, "trainer")
	check(t, err)
	equal(t, "bucket", k.S3.Buckets[0]+" "+k.S3.Aliases["mod"], "models models/sd/")

	h.clock.add(time.Hour)
	k2, err := h.RegenerateS3Key(h.ctx, h.team, "trainer", auth.NewSecret("second"), actor())
	check(t, err)
	equal(t, "access key id", k2.S3.AccessKeyID, k.S3.AccessKeyID)
	equal(t, "secret", secret(2), "second")
	for _, version := range []uint64{0, 1, 3} {
		_, err := h.S3Secret(h.ctx, k.ID, version)
		wantErr(t, err, store.ErrNotFound, k.ID)
	}

	// An update keeps who it is, and its secret.
	k3, err := h.UpdateKey(h.ctx, h.team, "trainer", func(k *auth.Key) error {
		k.S3.AccessKeyID, k.S3.Version, k.S3.Buckets = auth.NewS3AccessKeyID(), 9, []string{"other"}
		return nil
	}, actor())
	check(t, err)
	equal(t, "what it became", k3.S3.AccessKeyID+" "+k3.S3.Buckets[0], k.S3.AccessKeyID+" other")
	equal(t, "secret", secret(2), "second")

	if got, want := h.recorded(), []string{
		"credential.create s3", "key.create trainer", "link.create s3 trainer", "key.regenerate trainer", "key.update trainer",
	}; !slices.Equal(got, want) {
		t.Fatalf("recorded %q, want %q", got, want)
	}
	if h.reopen != nil {
		h.reopen()
		equal(t, "secret", secret(2), "second")
	}

	check(t, h.DeleteKey(h.ctx, h.team, "trainer", actor()))
	_, err = h.S3Secret(h.ctx, k.ID, 2)
	wantErr(t, err, store.ErrNotFound, k.ID)
	equal(t, "number of links", len(h.state().Links), 0)
}

func s3KeysRefused(t *testing.T, open Opener) {
	h := newHouse(t, open)
	good, secret := newS3Key(h.team, "a"), auth.NewS3Secret()
	_, err := h.CreateS3Key(h.ctx, good, secret, nil, actor())
	check(t, err)
	twin := newS3Key(h.team, "twin")
	twin.S3.AccessKeyID = good.S3.AccessKeyID
	_, err = h.CreateS3Key(h.ctx, twin, secret, nil, actor())
	wantErr(t, err, store.ErrExists, "twin")
	_, err = h.CreateS3Key(h.ctx, newS3Key(h.team, "a"), secret, nil, actor())
	wantErr(t, err, store.ErrExists, "a")
	_, err = h.CreateS3Key(h.ctx, newS3Key(h.team, "b"), auth.Secret{}, nil, actor())
	wantErr(t, err, store.ErrInvalid, "b")
	both := newS3Key(h.team, "both")
	both.Hash = newKey(h.team, "x").Hash
	_, err = h.CreateS3Key(h.ctx, both, secret, nil, actor())
	wantErr(t, err, store.ErrInvalid, "both")
	_, err = h.CreateKey(h.ctx, newS3Key(h.team, "c"), nil, actor()) // without its secret
	wantErr(t, err, store.ErrInvalid, "c")
	_, err = h.CreateS3Key(h.ctx, newKey(h.team, "d"), secret, nil, actor())
	wantErr(t, err, store.ErrInvalid, "d")
	for _, spoil := range []func(*auth.S3Access){
		func(a *auth.S3Access) { a.AccessKeyID = "AKIAIOSFODNN7EXAMPLE" },
		func(a *auth.S3Access) { a.Buckets = []string{"a/b"} },
		func(a *auth.S3Access) { a.Prefixes = []string{"a/../b/"} },
		func(a *auth.S3Access) { a.Prefixes = []string{""} },
		func(a *auth.S3Access) { a.Aliases = map[string]string{"m": "models"} },
		func(a *auth.S3Access) { a.Aliases = map[string]string{"mmm": "models/sd"} },
	} {
		k := newS3Key(h.team, "bad")
		k.S3.Aliases = nil
		spoil(k.S3)
		_, err := h.CreateS3Key(h.ctx, k, secret, nil, actor())
		wantErr(t, err, store.ErrInvalid, "bad")
	}
	// One kind does not become the other, and what was revoked stays so.
	api := h.key("api")
	_, err = h.UpdateKey(h.ctx, h.team, "api", func(k *auth.Key) error { k.S3, k.Hash = good.S3, auth.KeyHash{}; return nil }, actor())
	wantErr(t, err, store.ErrInvalid, "api")
	_, err = h.UpdateKey(h.ctx, h.team, "a", func(k *auth.Key) error { k.S3, k.Hash = nil, newKey(h.team, "x").Hash; return nil }, actor())
	wantErr(t, err, store.ErrInvalid, "a")
	_, err = h.RegenerateS3Key(h.ctx, h.team, "api", secret, actor())
	wantErr(t, err, store.ErrInvalid, "api")
	_, err = h.S3Secret(h.ctx, api.ID, 1)
	wantErr(t, err, store.ErrNotFound, api.ID)
	_, err = h.UpdateKey(h.ctx, h.team, "a", func(k *auth.Key) error { k.RevokedAt = start.Add(time.Hour); return nil }, actor())
	check(t, err)
	_, err = h.RegenerateS3Key(h.ctx, h.team, "a", secret, actor())
	wantErr(t, err, store.ErrInvalid, "a")
	equal(t, "number of keys", len(h.state().Keys), 2)
}
