package store

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// Who waits for the lock of a file that is compacted meanwhile gets the new file,
// not the one that has lost its name, whose changes would be lost with it.
func TestWhoWaitsForACompactionOpensTheNewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	held, err := bbolt.Open(path, 0o600, nil)
	check(t, err)
	opened := make(chan error)
	d := &boltDriver{path: path}
	go func() { opened <- d.openFile(boltOptions(time.Minute)) }()
	for end := time.Now().Add(time.Minute); handles(t, path) < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not wait")
		}
	}
	next := path + ".next"
	check(t, held.View(func(tx *bbolt.Tx) error { return tx.CopyFile(next, 0o600) }))
	check(t, os.Rename(next, path))
	check(t, held.Close())
	check(t, <-opened)
	defer func() { check(t, d.close()) }()
	check(t, d.db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("kept")); return err }))
	again, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Millisecond})
	if err == nil {
		_ = again.Close()
		t.Error("the file that has the name is not locked")
	}
}

// handles counts the descriptors of this process that lead to path.
func handles(t *testing.T, path string) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	check(t, err)
	for _, e := range entries {
		if to, err := os.Readlink(fmt.Sprint("/proc/self/fd/", e.Name())); err == nil && to == path {
			n++
		}
	}
	return n
}
