//go:build realclients

package realstores

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
)

// standby makes a server that follows s by streaming replication.
func (s *server) standby(t testing.TB) *server {
	t.Helper()
	b, err := makeServer(s.password, func(b *server) error {
		copied := b.command("pg_basebackup", "-D", b.data(), "-h", "127.0.0.1", "-p", fmt.Sprint(s.port), "-U", "weighbridge",
			"--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync")
		copied.Env = append(copied.Env, "PGPASSWORD="+s.password.Value())
		return copied.Run()
	})
	check(t, err)
	t.Cleanup(b.remove)
	return b
}

// promote makes the standby the primary, and returns once it takes changes.
func (s *server) promote(t testing.TB) { t.Helper(); s.exec(t, "SELECT pg_promote(true, 60)") }

// synchronous has s acknowledge nothing that a standby has not made durable.
func (s *server) synchronous(t testing.TB) {
	t.Helper()
	s.exec(t, "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
	s.until(t, "the standby is synchronous", "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')")
}

// until waits until a query says true.
func (s *server) until(t testing.TB, what, sql string) {
	t.Helper()
	conn, err := s.connect()
	check(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		yes := false
		check(t, conn.QueryRow(t.Context(), sql).Scan(&yes))
		if yes {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("still waiting: %s", what)
		}
	}
}

// either is a DSN of s and others, of which the one counts that takes changes.
func (s *server) either(t testing.TB, others ...*server) auth.Secret {
	t.Helper()
	u, err := url.Parse(s.schema(t).Reveal())
	check(t, err)
	for _, o := range others {
		u.Host += fmt.Sprintf(",127.0.0.1:%d", o.port)
	}
	u.RawQuery += "&target_session_attrs=read-write"
	return auth.NewSecret(u.String())
}

// gap is how long there is no database at all.
func gap() time.Duration {
	if house.Soaks() > 0 {
		return 30 * time.Second
	}
	return 2 * time.Second
}

// The database of three weighbridges dies under acts and downloads, and its
// standby takes over. Meanwhile what is known is served, up to store.max_outage
// and no longer; then changes go on, at all three in seconds. Nothing that was
// acknowledged is lost, and what was revoked stays so.
func TestR36_AStandbyTakesOver(t *testing.T) {
	t.Parallel()
	primary, err := newServer()
	check(t, err)
	t.Cleanup(primary.remove)
	standby := primary.standby(t)
	primary.synchronous(t)
	f := newFleet(t, primary.either(t, standby), 2, nil)
	f.set = func(c *config.Config) { c.Store.MaxOutage = time.Second }
	f.join(house.Options{})
	const strict = 2 // the one whose bound is less than the gap
	key, revoked, late := f.worker(0, "worker-1"), f.worker(0, "worker-2"), f.worker(0, "worker-3")
	for i, h := range f.houses {
		for _, k := range []string{key.Key, revoked.Key, late.Key} {
			h.Eventually("all know the keys", func() bool { status, _ := f.download(i, k); return status == 200 })
		}
	}
	refused := func(when string, i int, key string) {
		t.Helper()
		if status, code := f.download(i, key); code != string(auth.CodeKeyRevoked) {
			t.Fatalf("%s, house %d answers a revoked key with %d %s", when, i, status, code)
		}
	}

	stop := make(chan struct{})
	var acts []<-chan []string
	var downloads []*slow
	for i := range f.houses {
		acts, downloads = append(acts, f.acts(i, stop)), append(downloads, f.begin(t, i, key.Key))
	}
	time.Sleep(100 * time.Millisecond) // acts are under way, most likely
	f.houses[0].Call(http.MethodPost, "/api/v1/keys/"+revoked.Name+"/revoke", nil, nil)
	primary.kill()
	began := time.Now()
	// What was asked for in the gap is not acknowledged before it is durable.
	asked := make(chan error, 1)
	go func() {
		asked <- f.houses[1].API().Call(t.Context(), http.MethodPost, "/api/v1/keys/"+late.Name+"/revoke", nil, nil)
	}()
	for n := 0; n < 3 || time.Since(began) < gap(); n++ {
		for i := range strict {
			if status, code := f.download(i, key.Key); status != 200 {
				t.Fatalf("in the gap, house %d answers %d %s", i, status, code)
			}
		}
		refused("in the gap", 0, revoked.Key)
	}
	f.houses[strict].Eventually("nothing is served beyond the bound", func() bool {
		status, code := f.download(strict, key.Key)
		return status == http.StatusServiceUnavailable && code == string(auth.CodeStoreUnavailable)
	})
	for _, d := range downloads {
		d.end()
	}

	standby.promote(t)
	promoted := time.Now()
	for i, h := range f.houses {
		h.Eventually("changes go on", func() bool { return f.act(t.Context(), i, fmt.Sprintf("after-%d-%d", i, time.Now().UnixNano())) == nil })
		h.Eventually("contact is back", func() bool { return h.Bridge.Store().Contact().IsZero() })
		h.Eventually("it serves", func() bool { status, _ := f.download(i, key.Key); return status == 200 })
		refused("after the failover", i, revoked.Key)
	}
	took := time.Since(promoted)
	t.Logf("all go on %v after the standby was promoted", took)
	if house.Soaks() > 0 && took > 5*time.Second { // else the machine may be busy with other tests
		t.Errorf("that is too late")
	}
	close(stop)
	var acknowledged []string
	for _, a := range acts {
		acknowledged = append(acknowledged, <-a...)
	}
	t.Logf("%d acts were acknowledged", len(acknowledged))
	f.hold(acknowledged)
	if err := <-asked; err != nil { // where the gap is longer than an act waits
		t.Logf("the revocation in the gap: %v", err)
		f.houses[1].Call(http.MethodPost, "/api/v1/keys/"+late.Name+"/revoke", nil, nil)
	}
	for i, h := range f.houses {
		h.Eventually("what was revoked in the gap is refused", func() bool { _, code := f.download(i, late.Key); return code == string(auth.CodeKeyRevoked) })
	}
}

// A standby that had not got everything takes over: a revocation that was
// acknowledged is missing there. No weighbridge that knows of it follows, none
// changes anything, and nobody is served beyond store.max_outage, until the right
// database is back.
func TestAStandbyThatLacksARevocationIsNotFollowed(t *testing.T) {
	t.Parallel()
	primary, err := newServer()
	check(t, err)
	t.Cleanup(primary.remove)
	standby := primary.standby(t) // not synchronous
	f := newFleet(t, primary.either(t, standby), 2, nil)
	f.set = func(c *config.Config) { c.Store.MaxOutage = 0 }
	f.join(house.Options{})
	good, bad := f.worker(0, "worker-1"), f.worker(0, "worker-2")
	for i, h := range f.houses {
		h.Eventually("all know the keys", func() bool {
			a, _ := f.download(i, good.Key)
			b, _ := f.download(i, bad.Key)
			return a == 200 && b == 200
		})
	}
	primary.until(t, "the standby has everything", "SELECT bool_and(replay_lsn = pg_current_wal_lsn()) FROM pg_stat_replication")
	standby.exec(t, "ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")
	primary.until(t, "the standby follows no more", "SELECT NOT EXISTS (SELECT FROM pg_stat_replication)")
	f.houses[0].Call(http.MethodPost, "/api/v1/keys/"+bad.Name+"/revoke", nil, nil)
	for i, h := range f.houses {
		h.Eventually("all know of the revocation", func() bool { _, code := f.download(i, bad.Key); return code == string(auth.CodeKeyRevoked) })
	}
	primary.stop()
	standby.promote(t)
	f.wentBack(good.Key, bad.Key, 2)
	standby.stop()
	check(t, primary.start())
	f.wentOn(good.Key, bad.Key)
}

// An older copy of the database is put in its place while weighbridges run.
func TestADatabaseThatWasRestoredIsNotFollowed(t *testing.T) {
	t.Parallel()
	db, err := newServer()
	check(t, err)
	t.Cleanup(db.remove)
	f := newFleet(t, db.schema(t), 2, nil)
	f.set = func(c *config.Config) { c.Store.MaxOutage = 0 }
	f.join(house.Options{})
	good, bad := f.worker(0, "worker-1"), f.worker(0, "worker-2")
	db.stop()
	older := db.copy(t)
	check(t, db.start())
	f.houses[0].Eventually("it is revoked", func() bool {
		return f.houses[0].API().Call(t.Context(), http.MethodPost, "/api/v1/keys/"+bad.Name+"/revoke", nil, nil) == nil
	})
	for i, h := range f.houses {
		h.Eventually("all know of the revocation", func() bool { _, code := f.download(i, bad.Key); return code == string(auth.CodeKeyRevoked) })
	}
	db.stop()
	db.exchange(t, older)
	check(t, db.start())
	f.wentBack(good.Key, bad.Key, 2)

	// As many changes as are missing, by who knows nothing of them: its last
	// change has the number that is known, and is another.
	f.set = nil
	fresh := f.join(house.Options{})
	for n := range 20 {
		check(t, f.act(t.Context(), 3, fmt.Sprintf("other-%d", n)))
	}
	if status, _ := f.download(3, bad.Key); status != 200 {
		t.Errorf("who starts on it does not go by it: %d", status)
	}
	f.wentBack(good.Key, bad.Key, 2)
	fresh.Close()
	f.houses = f.houses[:3]

	db.stop()
	db.exchange(t, older)
	check(t, db.start())
	f.wentOn(good.Key, bad.Key)
}

// wentBack wants every weighbridge but the one at strict to serve the good key by
// what it knew, that one nobody, none the bad one, and none to change anything;
// and all to say why.
func (f *fleet) wentBack(good, bad string, strict int) {
	f.t.Helper()
	for i, h := range f.houses[:strict+1] {
		h.Eventually("the log says that the database went back", func() bool { return strings.Contains(h.Log.String(), "gone back behind what was committed") })
		if system, err := h.API().GetSystem(f.t.Context()); err != nil || system.Ready != (i != strict) || i == strict && !strings.Contains(system.NotReady, "does not hold what was committed") {
			f.t.Errorf("house %d says of itself %+v, %v", i, system, err)
		}
		if err := f.act(f.t.Context(), i, fmt.Sprintf("not-%d", i)); err == nil {
			f.t.Errorf("house %d changes what has gone back", i)
		}
		// Longer than a look takes.
		for began := time.Now(); time.Since(began) < 600*time.Millisecond; time.Sleep(100 * time.Millisecond) {
			wantGood, wantBad := "200 ", "403 "+string(auth.CodeKeyRevoked)
			if i == strict {
				wantGood = "503 " + string(auth.CodeStoreUnavailable)
			}
			for key, want := range map[string]string{good: wantGood, bad: wantBad} {
				status, code := f.download(i, key)
				if got := fmt.Sprint(status, " ", code); got != want {
					f.t.Fatalf("house %d answers %s, not %s", i, got, want)
				}
			}
		}
	}
}

// wentOn wants every weighbridge to serve and change again, by itself.
func (f *fleet) wentOn(good, bad string) {
	f.t.Helper()
	for i, h := range f.houses {
		h.Eventually("changes go on", func() bool { return f.act(f.t.Context(), i, fmt.Sprintf("on-%d-%d", i, time.Now().UnixNano())) == nil })
		h.Eventually("it serves", func() bool { status, _ := f.download(i, good); return status == 200 })
		if _, code := f.download(i, bad); code != string(auth.CodeKeyRevoked) {
			f.t.Errorf("house %d: %s", i, code)
		}
		f.verified(i)
	}
}
