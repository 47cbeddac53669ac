//go:build realclients

package realstores

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/bridge"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/store"
)

// rows are all that a database keeps of a store, by bucket and key.
func (s *server) rows(t testing.TB, schema string) map[string][]byte {
	t.Helper()
	conn, err := s.connect()
	check(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	out := map[string][]byte{}
	for _, sql := range []string{"SELECT bucket, key, value FROM %s.weighbridge_rows WHERE value IS NOT NULL", "SELECT 'events', key, value FROM %s.weighbridge_events"} {
		found, err := conn.Query(context.Background(), fmt.Sprintf(sql, schema))
		check(t, err)
		for found.Next() {
			var bucket string
			var key, value []byte
			check(t, found.Scan(&bucket, &key, &value))
			out[bucket+"/"+base64.StdEncoding.EncodeToString(key)] = bytes.Clone(value)
		}
		check(t, found.Err())
	}
	return out
}

func sameRows(t testing.TB, got, want map[string][]byte) {
	t.Helper()
	equal(t, "rows", len(got), len(want))
	for k, v := range want {
		if !bytes.Equal(got[k], v) {
			t.Fatalf("row %s is %q, and was %q", k, got[k], v)
		}
	}
}

// A store moves from a file to PostgreSQL, on to another database, and back into a file with
// nothing lost: every row byte for byte, the chains whole, the secrets as they
// were; a weighbridge goes on in each place.
func TestMigrateThereAndBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kekFile := filepath.Join(dir, "kek")
	kek, err := store.CreateFileKEK(kekFile)
	check(t, err)
	data := filepath.Join(dir, "data")
	configure := func(c *config.Config) { c.KEK = "file:" + kekFile }
	h := house.New(t, house.Options{DataDir: data, Configure: configure})
	key := h.HubWorker("hub")
	before, err := h.Bridge.Store().State(t.Context())
	check(t, err)
	h.Close()

	dsn, schema := shared.schemaAs(t, "%s")
	again, second := shared.schemaAs(t, "%s")
	environ := []string{"DSN=" + dsn.Reveal(), "AGAIN=" + again.Reveal()}
	cfg := &config.Config{DataDir: data, KEK: "file:" + kekFile}
	move := func(from, to string) bridge.Migrated {
		t.Helper()
		m, err := bridge.MigrateStore(t.Context(), cfg, environ, from, to)
		check(t, err)
		if !m.Acts.OK || m.Acts.Events == 0 || m.Rows == 0 || m.Events < m.Acts.Events {
			t.Fatalf("moved %+v", m)
		}
		return m
	}
	moved := move("bbolt", "postgres:env:DSN")
	rows := shared.rows(t, schema)
	equal(t, "rows in the database", len(rows), moved.Rows+moved.Events)
	if _, err := bridge.MigrateStore(t.Context(), cfg, environ, "bbolt", "postgres:env:DSN"); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("moving onto a store: %v", err)
	}
	move("postgres:env:DSN", "postgres:env:AGAIN")
	sameRows(t, shared.rows(t, second), rows)
	back := filepath.Join(dir, "back", "weighbridge.db")
	check(t, os.Mkdir(filepath.Dir(back), 0o700))
	move("postgres:env:AGAIN", "bbolt:"+back)
	last, third := shared.schemaAs(t, "%s")
	environ = append(environ, "THIRD="+last.Reveal())
	move("bbolt:"+back, "postgres:env:THIRD")
	sameRows(t, shared.rows(t, third), rows)

	// What is in the file again is what was there.
	check(t, store.ReadBolt(t.Context(), back, store.Options{KEK: kek}, func(s store.Store) error {
		after, err := s.State(t.Context())
		check(t, err)
		equal(t, "state", asJSON(t, after), asJSON(t, before))
		f, err := s.OpenFields(t.Context(), after.Credentials[0].ID, after.Credentials[0].Version)
		check(t, err)
		equal(t, "token", f["token"].Reveal(), h.Token.Value())
		return nil
	}))

	// A weighbridge goes on in the database, and nobody moves it away meanwhile.
	file := filepath.Join(dir, "dsn")
	check(t, os.WriteFile(file, []byte(dsn.Reveal()), 0o600))
	on := house.New(t, house.Options{DataDir: data, Configure: func(c *config.Config) {
		configure(c)
		c.Store.Driver, c.Store.DSN = "postgres", config.Source{File: file}
	}})
	on.Hub.AddToken(hubToken(h.Token))
	f := &fleet{t: t, houses: []*house.House{on}, files: sample(t)}
	status, code := f.download(0, key.Key)
	equal(t, "code", code, "")
	equal(t, "status", status, 200)
	f.verified(0)
	if _, err := bridge.MigrateStore(t.Context(), cfg, environ, "postgres:env:DSN", "bbolt:"+filepath.Join(dir, "x.db")); !errors.Is(err, store.ErrInUse) {
		t.Fatalf("moving a store that is in use: %v", err)
	}
	on.Close()
	move("postgres:env:DSN", "bbolt:"+filepath.Join(dir, "x.db"))
}

// Whoever moves a store leaves no lock behind, also where the connection that
// held it lives on in a pooler.
func TestMigrateLeavesNoLock(t *testing.T) {
	t.Parallel()
	kek, err := store.NewMemoryKEK()
	check(t, err)
	dsn, o := shared.schema(t), store.Options{KEK: kek}
	starts := func() {
		t.Helper()
		s, err := store.OpenPostgres(t.Context(), dsn, o)
		check(t, err)
		check(t, s.Close())
	}
	starts()
	l := newLink(t, shared)
	l.pools = true
	_, err = store.Move(t.Context(), store.Location{DSN: l.through(dsn)}, store.Location{Path: filepath.Join(t.TempDir(), "x.db")}, o, func(store.Store) error { return nil })
	check(t, err)
	starts()
}

// What is moved and does not pass is taken out again, with what it left to be
// known of commits: a store that begins there is as any other.
func TestMigrateThatDoesNotPassLeavesNothing(t *testing.T) {
	t.Parallel()
	kek, err := store.NewMemoryKEK()
	check(t, err)
	o := store.Options{KEK: kek}
	file := filepath.Join(t.TempDir(), "weighbridge.db")
	s, err := store.OpenBolt(file, o)
	check(t, err)
	seal(t, s, "one")
	check(t, s.Close())
	dsn, schema := shared.schemaAs(t, "%s")
	refuse := errors.New("it is not what it was")
	if _, err = store.Move(t.Context(), store.Location{Path: file}, store.Location{DSN: dsn}, o, func(store.Store) error { return refuse }); !errors.Is(err, refuse) {
		t.Fatalf("error is %v", err)
	}
	equal(t, "rows", len(shared.rows(t, schema)), 0)
	s, err = store.OpenPostgres(t.Context(), dsn, o)
	check(t, err)
	check(t, s.Close())
	shared.until(t, "it begins anew", "SELECT floor = 0 FROM "+schema+".weighbridge_turn")
}

// A DSN on the command line is refused, and not repeated.
func TestMigrateTakesNoDSN(t *testing.T) {
	const secret = "postgres://u:canary-of-a-password@h/d"
	for _, where := range []string{secret, "postgres:" + secret, "bbolt:", "file"} {
		_, err := bridge.MigrateStore(t.Context(), &config.Config{DataDir: t.TempDir(), KEK: "file:kek"}, nil, where, "bbolt")
		if err == nil || bytes.Contains([]byte(err.Error()), []byte("canary")) {
			t.Fatalf("%q: error is %v", where, err)
		}
	}
}

func asJSON(t testing.TB, st auth.State) string {
	t.Helper()
	b, err := json.Marshal(st)
	check(t, err)
	return string(b)
}
