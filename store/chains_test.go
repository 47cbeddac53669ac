package store

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
)

func verified(t testing.TB, s Store) chain.Verdict {
	t.Helper()
	v := chain.NewVerifier(s.AuditKeys())
	check(t, s.Verify(t.Context(), v))
	return v.Verdict(true)
}

// T59: whatever is done to an event in the store's file is named.
func TestT59_TheBreakInTheStoreIsNamed(t *testing.T) {
	kek := newKEK(t)
	c, path, team := newBolt(t, kek)
	for _, name := range []string{"a", "b", "c"} {
		create(t, c, team, name, "t")
	}
	check(t, c.SignHead(t.Context()))
	create(t, c, team, "d", "t")
	r := verified(t, c)
	if !r.OK || r.Events != 5 || r.Heads != 1 || r.Beyond != 1 || len(r.Chains) != 2 {
		t.Fatalf("whole: %+v, %v", r, r.Break)
	}
	check(t, c.Close())
	for name, x := range map[string]struct {
		change func(b *bbolt.Bucket, keys, rows [][]byte) error
		kind   string
		seq    uint64
	}{
		"edited": {func(b *bbolt.Bucket, keys, rows [][]byte) error {
			return b.Put(keys[1], bytes.Replace(rows[1], []byte(`"cli"`), []byte(`"me!"`), 1))
		}, chain.BreakChanged, 2},
		"deleted": {func(b *bbolt.Bucket, keys, _ [][]byte) error { return b.Delete(keys[1]) }, chain.BreakMissing, 2},
		"swapped": {func(b *bbolt.Bucket, keys, rows [][]byte) error {
			return errors.Join(b.Put(keys[0], rows[1]), b.Put(keys[1], rows[0]))
		}, chain.BreakReordered, 1},
	} {
		t.Run(name, func(t *testing.T) {
			damaged := filepathCopy(t, path)
			raw(t, damaged, func(tx *bbolt.Tx) error {
				b := tx.Bucket([]byte(bucketEvents))
				var keys, rows [][]byte
				check(t, b.ForEach(func(k, v []byte) error {
					keys, rows = append(keys, slices.Clone(k)), append(rows, slices.Clone(v))
					return nil
				}))
				return x.change(b, keys, rows)
			})
			r := verified(t, reopen(t, damaged, kek))
			if r.OK || r.Break.Kind != x.kind || r.Break.Seq != x.seq || r.Break.TeamID != team {
				t.Errorf("got %+v, want %s of event %d", r.Break, x.kind, x.seq)
			}
		})
	}
	// Where a chain stands cannot be put back without notice either.
	damaged := filepathCopy(t, path)
	raw(t, damaged, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(bucketChains)).Delete([]byte(chainPrefix + team))
	})
	wantOpenError(t, damaged, kek, ErrDamaged)
}

// The chain goes on over restarts and over a rotation of the KEK, and an idle
// store signs nothing.
func TestTheChainOutlivesTheKEK(t *testing.T) {
	kek := newKEK(t)
	c, path, team := newBolt(t, kek)
	create(t, c, team, "a", "t")
	public := c.AuditKeys().Public()
	check(t, c.SignHead(t.Context()))
	check(t, c.SignHead(t.Context()))
	next := newKEK(t)
	check(t, c.RotateKEK(t.Context(), next, "env:NEXT", auth.Event{Actor: "cli"}, nil))
	check(t, c.Close())
	c = reopen(t, path, next)
	create(t, c, team, "b", "t")
	r := verified(t, c)
	if !r.OK || r.Heads != 1 || r.PublicKey != public {
		t.Errorf("got %+v, %v", r, r.Break)
	}
	check(t, c.Close())
	check(t, ReadBolt(t.Context(), path, Options{KEK: next}, func(s Store) error {
		if r := verified(t, s); !r.OK {
			t.Errorf("offline: %v", r.Break)
		}
		return nil
	}))
}

// A store from before there was a table of chains opens, and gets it.
func TestAStoreWithoutChains(t *testing.T) {
	kek := newKEK(t)
	c, path, team := newBolt(t, kek)
	check(t, c.Close())
	raw(t, path, func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(bucketChains)) })
	c = reopen(t, path, kek)
	create(t, c, team, "a", "t")
	check(t, c.Close())
	if r := verified(t, reopen(t, path, kek)); !r.OK || r.Events != 1 {
		t.Errorf("got %+v", r)
	}
}
