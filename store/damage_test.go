package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/weighbridge/weighbridge/auth"
)

// populated makes a closed store with trees of some depth, free pages and
// events, and returns what it held at its last two revisions.
func populated(t testing.TB, kek KEK) (path, last, before string) {
	t.Helper()
	c, path, team := newBolt(t, kek)
	var creds []DeclaredCredential
	for i := range 150 {
		creds = append(creds, DeclaredCredential{
			Credential: sampleCredential("", fmt.Sprint("cfg", i)),
			Secrets:    auth.Fields{"token": auth.NewSecret(fmt.Sprint("token", i))},
		})
	}
	check(t, c.SyncDeclarative(t.Context(), team, creds, nil, auth.Event{Actor: "config"}))
	for i := range 30 {
		k := fmt.Sprint("k", i)
		_, err := c.CreateKey(t.Context(), sampleKey(team, k), []string{"cfg1", "cfg2"}, auth.Event{Actor: "cli"})
		check(t, err)
		create(t, c, team, fmt.Sprint("hand", i), "t", k)
	}
	for i := range 15 {
		check(t, c.DeleteCredential(t.Context(), team, fmt.Sprint("hand", 2*i), auth.Event{Actor: "cli"}))
	}
	check(t, c.SyncDeclarative(t.Context(), team, creds[:100], nil, auth.Event{Actor: "config"}))
	s, err := c.State(t.Context())
	check(t, err)
	before = asJSON(s)
	create(t, c, team, "last", "t")
	s, err = c.State(t.Context())
	check(t, err)
	check(t, c.Close())
	return path, asJSON(s), before
}

// The ways in which a file comes back from a bad disk.
var damages = []struct {
	name string
	do   func(b []byte, page int, dice *rand.Rand) []byte
}{
	{"bits flipped", func(b []byte, page int, dice *rand.Rand) []byte {
		at, n := pickPage(b, page, dice)
		for range 1 + dice.IntN(16) {
			b[at+dice.IntN(n)] ^= 1 << dice.IntN(8)
		}
		return b
	}},
	{"header bits flipped", func(b []byte, page int, dice *rand.Rand) []byte {
		at, _ := pickPage(b, page, dice)
		for range 1 + dice.IntN(4) {
			b[at+dice.IntN(64)] ^= 1 << dice.IntN(8)
		}
		return b
	}},
	{"page of noise", func(b []byte, page int, dice *rand.Rand) []byte {
		at, n := pickPage(b, page, dice)
		for i := range n {
			b[at+i] = byte(dice.Uint32())
		}
		return b
	}},
	{"page of zeros", func(b []byte, page int, dice *rand.Rand) []byte {
		at, n := pickPage(b, page, dice)
		clear(b[at : at+n])
		return b
	}},
	{"page written to another place", func(b []byte, page int, dice *rand.Rand) []byte {
		from, n := pickPage(b, page, dice)
		to, _ := pickPage(b, page, dice)
		copy(b[to:to+n], b[from:from+n])
		return b
	}},
	{"page that says it is another", func(b []byte, page int, dice *rand.Rand) []byte {
		from, n := pickPage(b, page, dice)
		to, _ := pickPage(b, page, dice)
		id := bytes.Clone(b[to : to+8])
		copy(b[to:to+n], b[from:from+n])
		copy(b[to:], id)
		return b
	}},
	{"file cut off", func(b []byte, page int, dice *rand.Rand) []byte {
		return b[:dice.IntN(len(b))]
	}},
}

func pickPage(b []byte, page int, dice *rand.Rand) (at, n int) {
	return dice.IntN(len(b)/page) * page, page
}

// TestR5_DamagedFile: copies of a good file, each damaged somewhere. Opening
// one either fails with one clear line, or gives what was in the file; and no
// use of it panics, hangs or tells anything else.
func TestR5_DamagedFile(t *testing.T) {
	t.Parallel()
	kek := newKEK(t)
	path, last, before := populated(t, kek)
	good, err := os.ReadFile(path)
	check(t, err)
	page := os.Getpagesize()
	used := usedPages(t, path)
	good = good[:used*page] // what lies behind is room for growth
	seed := uint64(20261121)
	if soak() {
		seed = rand.Uint64()
	}
	t.Logf("seed %d, %d pages", seed, used)
	var refused atomic.Int32
	const shards = 3
	rounds := scaled(105, 2001)
	t.Run("copies", func(t *testing.T) {
		for shard := range uint64(shards) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				copied := filepath.Join(t.TempDir(), "copy.db")
				dice := rand.New(rand.NewPCG(seed, shard))
				for i := range rounds / shards {
					damage := damages[i%len(damages)]
					check(t, os.WriteFile(copied, damage.do(bytes.Clone(good), page, dice), 0o600))
					opened, wrong := survives(t, copied, kek, last, before)
					if wrong != nil {
						t.Fatalf("round %d, %s: %v", i, damage.name, wrong)
					}
					if !opened {
						refused.Add(1)
					}
				}
			})
		}
	})
	t.Logf("%d of %d were refused", refused.Load(), rounds)
	if int(refused.Load()) < rounds/3 {
		t.Fatalf("only %d of %d damaged files were noticed", refused.Load(), rounds)
	}
}

// survives opens a damaged file and uses it. It reports whether it opened, and
// what went wrong.
func survives(t *testing.T, path string, kek KEK, last, before string) (opened bool, wrong error) {
	t.Helper()
	s, err := OpenBolt(path, Options{KEK: kek})
	if err != nil {
		oneLine(t, err)
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "backup") {
			return false, fmt.Errorf("refused with %w (%w)", err, errors.Unwrap(err))
		}
		return false, nil
	}
	defer s.Close()
	state, err := s.State(t.Context())
	check(t, err)
	// Where the last meta page is gone, the one before it counts; power that
	// fails in the midst of a commit looks the same.
	if got := asJSON(state); got != last && got != before {
		return true, errors.New("it holds what was never stored")
	}
	for i := range state.Credentials {
		c := &state.Credentials[i]
		if _, err := s.OpenFields(t.Context(), c.ID, c.Version); err != nil {
			return true, err
		}
	}
	if err := s.Events(t.Context(), "", time.Time{}, func(auth.Event) bool { return true }); err != nil {
		oneLine(t, err)
		if !errors.Is(err, ErrDamaged) {
			return true, fmt.Errorf("events ended with %w", err)
		}
	}
	for i := range 3 {
		create(t, s, state.Teams[0].ID, fmt.Sprint("new", i), "t")
	}
	check(t, s.Close())
	again, err := OpenBolt(path, Options{KEK: kek})
	if err != nil {
		return true, fmt.Errorf("after three more changes: %w (%w)", err, errors.Unwrap(err))
	}
	return true, again.Close()
}

func usedPages(t testing.TB, path string) int {
	t.Helper()
	f, err := os.Open(path)
	check(t, err)
	defer f.Close()
	info, err := f.Stat()
	check(t, err)
	m, err := readBoltMeta(f, info.Size())
	check(t, err)
	return int(m.pages)
}

// What bbolt writes passes, at every step of a busy life.
func TestR5_GoodFilesPass(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, FreelistType: bbolt.FreelistMapType, NoSync: true})
	check(t, err)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 2))
	for range scaled(80, 1500) {
		check(t, db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(fmt.Append(nil, "bucket", dice.IntN(4)))
			if err != nil {
				return err
			}
			dear := dice.IntN(10) // how likely a row goes
			for range dice.IntN(1 + dice.IntN(400)) {
				key := fmt.Append(nil, dice.IntN(3000))
				if dice.IntN(3) == 0 { // the first key of a page, the one its parent knows
					if k, _ := b.Cursor().Seek(key); k != nil && dice.IntN(10) < dear {
						key = bytes.Clone(k)
					}
				}
				if dice.IntN(10) < dear {
					err = b.Delete(key)
				} else {
					err = b.Put(key, make([]byte, dice.IntN(1+dice.IntN(1+dice.IntN(9000)))))
				}
				if err != nil {
					return err
				}
			}
			return nil
		}))
		f, err := os.Open(path)
		check(t, err)
		info, err := f.Stat()
		check(t, err)
		check(t, vetBolt(f, info.Size()))
		check(t, f.Close())
	}
	check(t, db.Close())
}

// FuzzBoltFile: what passes the examination does not hurt bbolt.
func FuzzBoltFile(f *testing.F) {
	path := filepath.Join(f.TempDir(), "seed.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, PageSize: 1024})
	check(f, err)
	check(f, db.Update(func(tx *bbolt.Tx) error {
		for _, name := range []string{"a", "b"} {
			b, err := tx.CreateBucket([]byte(name))
			check(f, err)
			for i := range 40 {
				check(f, b.Put(fmt.Append(nil, name, i), bytes.Repeat([]byte{'v'}, 50)))
			}
		}
		return nil
	}))
	check(f, db.Update(func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("a")) }))
	check(f, db.Close())
	seed, err := os.ReadFile(path)
	check(f, err)
	// Input: places in the file and what to put there. Meta pages carry a
	// checksum, so damage to them alone is dull.
	f.Add([]byte{0, 0, 0})
	f.Add([]byte{10, 0, 1, 12, 200, 3})
	f.Fuzz(func(t *testing.T, edits []byte) {
		b := bytes.Clone(seed)
		for len(edits) >= 3 {
			b[2048+(int(edits[0])|int(edits[1])<<8)%(len(b)-2048)] = edits[2]
			edits = edits[3:]
		}
		if vetBolt(bytes.NewReader(b), int64(len(b))) != nil {
			return
		}
		path := filepath.Join(t.TempDir(), "x.db")
		check(t, os.WriteFile(path, b, 0o600))
		d := &boltDriver{path: path}
		check(t, d.openFile(boltOptions(time.Second)))
		err := d.guard(func() error {
			return d.db.Update(func(tx *bbolt.Tx) error {
				return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error {
					check(t, b.ForEach(func(k, v []byte) error { return nil }))
					for i := range 30 {
						check(t, b.Put(fmt.Append(nil, "n", i), make([]byte, 100)))
					}
					return nil
				})
			})
		})
		if err != nil {
			t.Fatalf("%v: %v", err, errors.Unwrap(err))
		}
		check(t, d.close())
	})
}
