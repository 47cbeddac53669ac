package store

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/weighbridge/weighbridge/auth"
)

// rowsOf are the values of the rows whose key begins with an id.
func rowsOf(t *testing.T, c *core, id string) (rows [][]byte) {
	t.Helper()
	check(t, c.drv.(*boltDriver).db.View(func(tx *bbolt.Tx) error {
		for _, b := range tables() {
			cur := tx.Bucket([]byte(b)).Cursor()
			for k, v := cur.Seek([]byte(id)); bytes.HasPrefix(k, []byte(id)); k, v = cur.Next() {
				rows = append(rows, bytes.Clone(v))
			}
		}
		return nil
	}))
	return rows
}

// What was deleted is gone from a compacted file, and from every snapshot, and
// all the rest is there.
func TestT56_CompactionLeavesNothingOfWhatWasDeleted(t *testing.T) {
	kek := newKEK(t)
	c, path, team := newBolt(t, kek)
	gone := create(t, c, team, "gone", "a")
	stays := create(t, c, team, "stays", "b")
	rows := rowsOf(t, c, gone.ID)
	if len(rows) < 3 { // the record, its field, its DEK
		t.Fatalf("%d rows", len(rows))
	}
	for range 200 { // more pages than the next commits take again
		spare := create(t, c, team, "spare", "c")
		check(t, c.DeleteCredential(t.Context(), team, spare.ID, auth.Event{}))
	}
	late := create(t, c, team, "late", "d")
	rows = append(rows, rowsOf(t, c, late.ID)...)
	check(t, c.DeleteCredential(t.Context(), team, gone.ID, auth.Event{}))
	check(t, c.DeleteCredential(t.Context(), team, late.ID, auth.Event{}))
	holds := func(b []byte) (n int) {
		for _, row := range rows {
			if bytes.Contains(b, row) {
				n++
			}
		}
		return n
	}

	s, err := c.Snapshot(t.Context())
	check(t, err)
	copied, err := io.ReadAll(s)
	check(t, errors.Join(err, s.Close()))
	equal(t, "deleted rows in a snapshot", holds(copied), 0)

	o := Options{KEK: kek, LockTimeout: 50 * time.Millisecond}
	if _, _, err := CompactBolt(t.Context(), path, o); !errors.Is(err, ErrInUse) {
		t.Errorf("of one that is open: %v", err)
	}
	check(t, c.Close())
	was, err := os.ReadFile(path)
	check(t, err)
	if holds(was) == 0 {
		t.Fatal("there is nothing to be compacted away")
	}
	if _, _, err := CompactBolt(t.Context(), path, Options{KEK: newKEK(t)}); !errors.Is(err, ErrWrongKEK) {
		t.Errorf("with another KEK: %v", err)
	}
	same, err := os.ReadFile(path)
	check(t, err)
	equal(t, "the file is untouched by what failed", bytes.Equal(was, same), true)

	before, after, err := CompactBolt(t.Context(), path, o)
	check(t, err)
	is, err := os.ReadFile(path)
	check(t, err)
	if before != int64(len(was)) || after != int64(len(is)) || after >= before {
		t.Errorf("from %d to %d, of files of %d and %d", before, after, len(was), len(is))
	}
	equal(t, "deleted rows in the file", holds(is), 0)
	info, err := os.Stat(path)
	check(t, err)
	equal(t, "mode", info.Mode(), fs.FileMode(0o600))
	names, err := os.ReadDir(filepath.Dir(path))
	check(t, err)
	equal(t, "number of files", len(names), 1)
	again := reopen(t, path, kek)
	f, err := again.OpenFields(t.Context(), stays.ID, 1)
	check(t, err)
	equal(t, "what stays", f["token"].Reveal(), "b")
}
