//go:build realclients

package realstores

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// slow is a download that has begun and goes on when it is told to.
type slow struct {
	t    *testing.T
	body io.ReadCloser
	file hub.File
	got  bytes.Buffer
}

// begin begins to download a large file through the house at i.
func (f *fleet) begin(t *testing.T, i int, key string) *slow {
	t.Helper()
	client := f.houses[i].HTTPClient(workerenv.Reverse, key)
	s := &slow{t: t, file: f.largest()}
	s.body = f.open(client, s.file)
	_, err := io.CopyN(&s.got, s.body, 1<<10)
	check(t, err)
	return s
}

// end reads the rest, and compares every byte.
func (s *slow) end() {
	s.t.Helper()
	_, err := io.Copy(&s.got, s.body)
	check(s.t, err)
	check(s.t, s.body.Close())
	if !same(s.got.Bytes(), s.file.Content) {
		s.t.Fatalf("%d bytes came, and not those of the file", s.got.Len())
	}
}

// act makes a key at the house at i; nil means that it was acknowledged.
func (f *fleet) act(ctx context.Context, i int, name string) error {
	return f.houses[i].API().Call(ctx, http.MethodPost, "/api/v1/keys", admin.NewKey{Name: name}, nil)
}

// acts makes key after key at the house at i until stop is closed, and returns
// the names of those that were acknowledged.
func (f *fleet) acts(i int, stop <-chan struct{}) <-chan []string {
	out := make(chan []string, 1)
	go func() {
		var done []string
		for n := 0; ; n++ {
			select {
			case <-stop:
				out <- done
				return
			default:
			}
			name := fmt.Sprintf("act-%d-%d", i, n)
			if f.act(context.Background(), i, name) == nil {
				done = append(done, name)
			}
		}
	}()
	return out
}

// hold fails the test where a key is missing at any house, or a chain broken.
func (f *fleet) hold(names []string) {
	f.t.Helper()
	for i, h := range f.houses {
		h.Eventually("every acknowledged act is known", func() bool {
			st, err := h.Bridge.Store().State(context.Background())
			check(f.t, err)
			known := map[string]bool{}
			for _, k := range st.Keys {
				known[k.Name] = true
			}
			for _, n := range names {
				if !known[n] {
					return false
				}
			}
			return true
		})
		f.verified(i)
	}
}

// The database is killed, restarted, broken off from and made read-only while two
// weighbridges serve and change: no acknowledged act and no download is lost, and
// both go on by themselves.
func TestFailoverLosesNothing(t *testing.T) {
	t.Parallel()
	db, err := newServer()
	check(t, err)
	t.Cleanup(db.remove)
	f := newFleet(t, db.schema(t), 2, nil)
	key := f.worker(0, "worker-1")
	served := func(when string) {
		t.Helper()
		for i := range f.houses {
			if status, code := f.download(i, key.Key); status != 200 {
				t.Fatalf("%s: a download at house %d answered %d %s", when, i, status, code)
			}
		}
	}
	f.houses[1].Eventually("the other knows the key", func() bool { status, _ := f.download(1, key.Key); return status == 200 })

	var acknowledged []string
	for _, c := range []struct {
		what string
		hurt func()
		mend func()
	}{
		{"kill -9", db.kill, func() { check(t, db.start()) }},
		{"a restart", db.stop, func() { check(t, db.start()) }},
		{"connections broken off", func() {
			db.exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
		}, func() {}},
		{"read-only", func() {
			db.exec(t, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()",
				"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
		}, func() {
			db.exec(t, "SET default_transaction_read_only = off", "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
		}},
	} {
		stop := make(chan struct{})
		downloads := []*slow{f.begin(t, 0, key.Key), f.begin(t, 1, key.Key)}
		a, b := f.acts(0, stop), f.acts(1, stop)
		time.Sleep(100 * time.Millisecond) // acts are under way, most likely
		c.hurt()
		served(c.what)
		c.mend()
		served(c.what + ", mended")
		close(stop)
		acknowledged = append(append(acknowledged, <-a...), <-b...)
		for _, d := range downloads {
			d.end()
		}
		for i, h := range f.houses {
			h.Eventually(c.what+": changes go on", func() bool {
				name := fmt.Sprintf("after-%d-%s-%d", i, strings.ReplaceAll(c.what, " ", "-"), time.Now().UnixNano())
				if f.act(t.Context(), i, name) != nil {
					return false
				}
				acknowledged = append(acknowledged, name)
				return true
			})
			h.Eventually(c.what+": contact is back", func() bool { return h.Bridge.Store().Contact().IsZero() })
		}
		f.hold(acknowledged)
	}
	t.Logf("%d acts were acknowledged", len(acknowledged))
}

// While the database is away for longer than store.max_outage nothing is served,
// and readiness says so; nor is anybody answered who shows an access token, which
// may have been taken away meanwhile: only the machine's own socket and what
// monitors need is. It ends by itself. Within the bound everything goes on.
func TestOutageIsBounded(t *testing.T) {
	t.Parallel()
	db, err := newServer()
	check(t, err)
	t.Cleanup(db.remove)
	dsn := db.schema(t)
	f := newFleet(t, dsn, 1, nil)
	key := f.worker(0, "worker-1")
	f.set = func(c *config.Config) { c.Store.MaxOutage = 0 }
	f.join(house.Options{})
	status, _ := f.download(1, key.Key)
	equal(t, "status", status, 200)
	secret := f.houses[1].AddAccessToken(auth.RoleOwner).Value()
	reads := func(i int) (string, error) {
		h := f.houses[i]
		c, err := admin.NewRemoteClient(h.Bridge.AdminURL(), h.Bridge.Team().ID, auth.NewSecret(secret))
		check(t, err)
		err = c.Call(t.Context(), http.MethodGet, "/api/v1/keys", nil, nil)
		var p *admin.Problem
		if errors.As(err, &p) {
			return p.Code, err
		}
		return "", err
	}
	for i, h := range f.houses {
		h.Eventually("the token is known", func() bool { _, err := reads(i); return err == nil })
	}
	db.kill()
	f.houses[1].Eventually("nothing is served beyond the bound", func() bool {
		status, code := f.download(1, key.Key)
		return status == http.StatusServiceUnavailable && code == string(auth.CodeStoreUnavailable)
	})
	if err := f.houses[1].API().Call(t.Context(), http.MethodGet, "/readyz", nil, nil); err == nil {
		t.Fatal("it says that it is ready")
	}
	system, err := f.houses[1].API().GetSystem(t.Context())
	check(t, err)
	if system.Ready || !strings.Contains(system.NotReady, "out of reach") {
		t.Fatalf("the system says %+v", system)
	}
	if code, err := reads(1); code != string(auth.CodeStoreUnavailable) {
		t.Errorf("who shows a token hears %v", err)
	}
	f.houses[1].Call(http.MethodGet, "/api/v1/keys", nil, nil) // by the socket
	f.houses[1].Call(http.MethodGet, "/metrics", nil, nil)
	status, _ = f.download(0, key.Key)
	equal(t, "status within the bound", status, 200)
	if _, err := reads(0); err != nil {
		t.Errorf("who shows a token within the bound hears %v", err)
	}
	check(t, db.start())
	f.houses[1].Eventually("it is served again", func() bool { status, _ := f.download(1, key.Key); return status == 200 })
	f.houses[1].Eventually("who shows a token is answered again", func() bool { _, err := reads(1); return err == nil })
	for _, h := range f.houses {
		for _, line := range []string{"is out of reach", "is in reach again"} {
			h.Eventually("the log says that the database "+line, func() bool { return strings.Contains(h.Log.String(), line) })
		}
	}
}
