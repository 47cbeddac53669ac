//go:build realclients

package realstores

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/store"
)

// with is dsn with parameters more.
func with(t testing.TB, dsn auth.Secret, more url.Values) auth.Secret {
	t.Helper()
	u, err := url.Parse(dsn.Reveal())
	check(t, err)
	u.RawQuery += "&" + strings.ReplaceAll(more.Encode(), "+", "%20") // as libpq reads it
	return auth.NewSecret(u.String())
}

// A turn is what it is however the database, the role or the DSN is set: two
// stores that begin at once and change at once lose nothing and wait for nothing,
// and what they commit is durable.
func TestR36_ATurnDoesNotDependOnSettings(t *testing.T) {
	t.Parallel()
	setting := func(name, value string) url.Values { return url.Values{name: {value}} }
	for name, c := range map[string]struct {
		more    url.Values
		durable string
	}{
		"serializable":    {setting("default_transaction_isolation", "serializable"), "on"},
		"repeatable read": {setting("default_transaction_isolation", "repeatable read"), "on"},
		"off":             {setting("synchronous_commit", "off"), "on"},
		"local":           {setting("synchronous_commit", "local"), "on"},
		"remote_write":    {setting("synchronous_commit", "remote_write"), "on"},
		"remote_apply":    {setting("synchronous_commit", "remote_apply"), "remote_apply"},
		"one connection":  {setting("pool_max_conns", "1"), "on"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plain, schema := shared.schemaAs(t, "%s")
			kek, err := store.NewMemoryKEK()
			check(t, err)
			stores, teams := make([]store.Store, 2), make([]auth.Team, 2)
			together(t, len(stores), func(i int) (err error) {
				if stores[i], err = store.OpenPostgres(t.Context(), with(t, plain, c.more), store.Options{KEK: kek}); err != nil {
					return err
				}
				t.Cleanup(func() { _ = stores[i].Close() })
				teams[i], err = stores[i].EnsureTeam(t.Context(), auth.DefaultTeam)
				return err
			})
			shared.exec(t, fmt.Sprintf(`CREATE TABLE %[1]s.seen (how text);
				CREATE FUNCTION %[1]s.see() RETURNS trigger LANGUAGE plpgsql AS $$
					BEGIN INSERT INTO %[1]s.seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$;
				CREATE TRIGGER see AFTER INSERT ON %[1]s.weighbridge_commits FOR EACH ROW EXECUTE FUNCTION %[1]s.see()`, schema))
			const writers, acts = 4, 8
			together(t, writers, func(w int) error {
				for n := range acts {
					hash, _ := auth.HashAPIKey(auth.NewAPIKey().Reveal())
					k := auth.Key{TeamID: teams[0].ID, Name: fmt.Sprintf("k-%d-%d", w, n), Scope: auth.ScopeRead, Hash: hash}
					if _, err := stores[w%len(stores)].CreateKey(context.WithoutCancel(t.Context()), k, nil, auth.Event{Actor: "cli"}); err != nil {
						return err
					}
				}
				return nil
			})
			shared.until(t, "every act is as durable as it says", fmt.Sprintf(
				"SELECT count(*) = %d AND bool_and(how = '%s') FROM %s.seen", writers*acts, c.durable, schema))
		})
	}
}

// together runs fn n times at once, and fails where one does, or does not end.
func together(t *testing.T, n int, fn func(i int) error) {
	t.Helper()
	var group sync.WaitGroup
	all := make([]error, n)
	for i := range n {
		group.Go(func() { all[i] = fn(i) })
	}
	ended := make(chan struct{})
	go func() { group.Wait(); close(ended) }()
	select {
	case <-ended:
		check(t, errors.Join(all...))
	case <-time.After(patience):
		t.Fatal("they wait for each other")
	}
}

// An act that the database refuses at one weighbridge leaves nothing there that
// could be taken for what another one commits in its place.
func TestR36_ARefusedActHidesNoRevocation(t *testing.T) {
	t.Parallel()
	dsn, schema := shared.schemaAs(t, "%s")
	f := newFleet(t, dsn, 1, nil)
	file := filepath.Join(f.dir, "unlucky")
	check(t, os.WriteFile(file, []byte(with(t, dsn, url.Values{"application_name": {"unlucky"}}).Reveal()), 0o600))
	f.set = func(c *config.Config) { c.Store.DSN = config.Source{File: file} }
	unlucky := f.join(house.Options{})
	key := f.worker(0, "worker-1")
	unlucky.Eventually("the other knows the key", func() bool { status, _ := f.download(1, key.Key); return status == 200 })
	shared.exec(t, fmt.Sprintf(`CREATE FUNCTION %[1]s.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
			BEGIN IF current_setting('application_name') = 'unlucky' THEN RAISE EXCEPTION 'not now'; END IF; RETURN NEW; END $$;
		CREATE TRIGGER refuse BEFORE INSERT ON %[1]s.weighbridge_commits FOR EACH ROW EXECUTE FUNCTION %[1]s.refuse()`, schema))
	if err := f.act(t.Context(), 1, "refused"); err == nil {
		t.Fatal("the act was acknowledged")
	}
	f.houses[0].Call("POST", "/api/v1/keys/"+key.Name+"/revoke", nil, nil)
	unlucky.Eventually("the revocation holds", func() bool { _, code := f.download(1, key.Key); return code == string(auth.CodeKeyRevoked) })
}

// Who can write the database, and has no KEK, puts the rows from before a
// revocation back under a new number. They are not followed.
func TestT56_OldRowsPutBackAreNotFollowed(t *testing.T) {
	t.Parallel()
	dsn, schema := shared.schemaAs(t, "%s")
	f := newFleet(t, dsn, 1, func(c *config.Config) { c.Store.MaxOutage = 0 })
	good, bad := f.worker(0, "worker-1"), f.worker(0, "worker-2")
	shared.exec(t, fmt.Sprintf("CREATE TABLE %[1]s.old AS SELECT * FROM %[1]s.weighbridge_rows", schema))
	f.houses[0].Call("POST", "/api/v1/keys/"+bad.Name+"/revoke", nil, nil)
	shared.exec(t, fmt.Sprintf(`UPDATE %[1]s.weighbridge_rows r
			SET value = (SELECT value FROM %[1]s.old o WHERE o.bucket = r.bucket AND o.key = r.key),
			    commit = (SELECT max(n) + 1 FROM %[1]s.weighbridge_commits);
		INSERT INTO %[1]s.weighbridge_commits SELECT max(n) + 1, 'any' FROM %[1]s.weighbridge_commits`, schema))
	f.wentBack(good.Key, bad.Key, 0)
}
