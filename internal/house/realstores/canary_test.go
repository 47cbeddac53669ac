//go:build realclients

package realstores

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/weighbridge/weighbridge/internal/house"
)

// Nothing secret stands in plain in the database: neither in what pg_dump
// writes, nor in any file of the cluster, the write-ahead log among them.
func TestNothingSecretIsInTheDatabase(t *testing.T) {
	t.Parallel()
	db, err := newServer()
	check(t, err)
	t.Cleanup(db.remove)
	f := newFleet(t, db.schema(t), 1, nil)
	key := f.worker(0, "worker-1")
	status, _ := f.download(0, key.Key)
	equal(t, "status", status, 200)
	f.houses[0].Close()
	w := house.NewWatch(f.token, house.CanaryOf(key.Key))
	dump := db.command("pg_dump", "-h", "127.0.0.1", "-p", fmt.Sprint(db.port), "-U", "weighbridge", "--inserts", "postgres")
	dump.Env = append(dump.Env, "PGPASSWORD="+db.password.Value())
	dump.Stdout = nil
	text, err := dump.Output()
	check(t, err)
	if !bytes.Contains(text, []byte("weighbridge_rows")) {
		t.Fatal("the dump holds no rows")
	}
	w.See("pg_dump", text)
	db.stop()
	if _, err := os.Stat(filepath.Join(db.data(), "pg_wal")); err != nil {
		t.Fatal(err)
	}
	check(t, w.Walk(db.data()))
	for _, hit := range w.Hits() {
		t.Errorf("leak: %s", hit)
	}
}
