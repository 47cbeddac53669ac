//go:build realclients

package realstores

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

// revokedWithin makes a key at one house, waits until the other serves it,
// revokes it at the first, and returns after what time the other refuses it: the
// best of three, as a machine may be busy once.
func revokedWithin(t *testing.T, f *fleet) time.Duration {
	t.Helper()
	best := time.Hour
	for i := range 3 {
		key := f.worker(0, fmt.Sprintf("revoked-%d", i))
		f.houses[1].Eventually("the other knows the key", func() bool { status, _ := f.download(1, key.Key); return status == 200 })
		f.houses[0].Call(http.MethodPost, "/api/v1/keys/"+key.Name+"/revoke", nil, nil)
		begun := time.Now()
		code := ""
		f.houses[1].Eventually("the other refuses the key", func() bool {
			status := 0
			status, code = f.download(1, key.Key)
			return status != 200
		})
		best = min(best, time.Since(begun))
		equal(t, "code", code, string(auth.CodeKeyRevoked))
	}
	return best
}

// Two weighbridges at one database agree: a revocation on one is refused on the
// other in under a second, with notifications and without.
func TestTwoGatewaysAgreeOnARevocation(t *testing.T) {
	t.Parallel()
	t.Run("told", func(t *testing.T) {
		t.Parallel()
		f := newFleet(t, shared.schema(t), 2, nil)
		took := revokedWithin(t, f)
		t.Logf("refused after %v", took)
		if took >= time.Second {
			t.Fatalf("the other refused it after %v", took)
		}
		f.verified(0)
		f.verified(1)
	})
	t.Run("notifications lost", func(t *testing.T) {
		t.Parallel()
		dsn, schema := shared.schemaAs(t, "%s,pg_catalog")
		shared.exec(t, "CREATE FUNCTION "+schema+".pg_notify(text, text) RETURNS void LANGUAGE sql AS 'SELECT'")
		f := newFleet(t, dsn, 2, nil)
		took := revokedWithin(t, f)
		t.Logf("refused after %v", took)
		if took >= time.Second {
			t.Fatalf("the other refused it after %v", took)
		}
	})
}

// The record of acts stays one chain while two write at once, and each knows
// every act of the other.
func TestChainsStayWholeUnderConcurrentWriters(t *testing.T) {
	t.Parallel()
	f := newFleet(t, shared.schema(t), 2, nil)
	const writers, acts = 4, 10
	var group sync.WaitGroup
	for i := range f.houses {
		for w := range writers {
			group.Go(func() {
				for n := range acts {
					name := fmt.Sprintf("k-%d-%d-%d", i, w, n)
					var key admin.Key
					err := f.houses[i].API().Call(context.Background(), http.MethodPost, "/api/v1/keys", admin.NewKey{Name: name}, &key)
					if err == nil && n%2 == 1 {
						err = f.houses[i].API().Call(context.Background(), http.MethodPost, "/api/v1/keys/"+name+"/revoke", nil, nil)
					}
					if err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			})
		}
	}
	group.Wait()
	created := func(i int) int {
		n := 0
		for _, ev := range f.houses[i].AuditEvents() {
			if ev.Action == auth.ActionKeyCreate && len(ev.KeyName) > 2 && ev.KeyName[:2] == "k-" {
				n++
			}
		}
		return n
	}
	for i, h := range f.houses {
		equal(t, "acts on record", created(i), 2*writers*acts)
		f.verified(i)
		h.Eventually("all keys are known", func() bool {
			st, err := h.Bridge.Store().State(t.Context())
			check(t, err)
			return len(st.Keys) >= 2*writers*acts && slices.IsSortedFunc(st.Keys, func(a, b auth.Key) int { return a.CreatedAt.Compare(b.CreatedAt) })
		})
	}
}

// Stores that are opened at once on an empty database are one store.
func TestFirstStartsAtOnce(t *testing.T) {
	t.Parallel()
	dsn := shared.schema(t)
	kek, err := store.NewMemoryKEK()
	check(t, err)
	const many = 4
	var group sync.WaitGroup
	teams, values := make([]string, many), make([]string, many)
	for i := range many {
		group.Go(func() {
			s, err := store.OpenPostgres(context.Background(), dsn, store.Options{KEK: kek})
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = s.Close() }()
			team, err := s.EnsureTeam(context.Background(), auth.DefaultTeam)
			if err != nil {
				t.Error(err)
			}
			value, err := s.EnsureSealed(context.Background(), "one", fmt.Append(nil, "value ", i))
			if err != nil {
				t.Error(err)
			}
			teams[i], values[i] = team.ID, string(value)
		})
	}
	group.Wait()
	equal(t, "teams", len(slices.Compact(teams)), 1)
	equal(t, "values", len(slices.Compact(values)), 1)
}

// Weighbridges share one root and what it follows when it is rotated, and what
// one seals the other opens.
func TestReplicasShareTheRoot(t *testing.T) {
	t.Parallel()
	f := newFleet(t, shared.schema(t), 2, nil)
	for _, name := range []string{"ca/roots", "box/key"} {
		a, err := f.houses[0].Bridge.Store().Sealed(t.Context(), name)
		check(t, err)
		b, err := f.houses[1].Bridge.Store().Sealed(t.Context(), name)
		check(t, err)
		equal(t, name, string(a), string(b))
	}
	was := string(f.pem(1))
	equal(t, "root", was, string(f.pem(0)))
	f.houses[0].Call(http.MethodPost, "/api/v1/ca/rotate", nil, nil)
	f.houses[1].Eventually("the other signs with the new root", func() bool {
		return string(f.pem(1)) != was && string(f.pem(1)) == string(f.pem(0))
	})
}
