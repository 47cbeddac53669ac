//go:build realclients

package realstores

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

// keyring is a directory of KEKs, which stands for what all weighbridges have
// mounted.
type keyring struct{ dir string }

func (k keyring) uri(name string) string { return "file:" + filepath.Join(k.dir, name) }

// make makes a KEK and returns it.
func (k keyring) make(t testing.TB, name string) store.KEK {
	t.Helper()
	kek, err := store.CreateFileKEK(filepath.Join(k.dir, name))
	check(t, err)
	return kek
}

// options open a store by the KEK of that name.
func (k keyring) options(name string) (store.Options, error) {
	kek, err := store.OpenKEK(k.uri(name), "")
	return store.Options{KEK: kek, KEKURI: k.uri(name), OpenKEK: func(_ context.Context, uri string) (store.KEK, error) { return store.OpenKEK(uri, "") }}, err
}

func (k keyring) open(t testing.TB, dsn auth.Secret, name string) store.Store {
	t.Helper()
	o, err := k.options(name)
	check(t, err)
	s, err := store.OpenPostgres(t.Context(), dsn, o)
	check(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// seal puts a credential into the store whose secret says its name.
func seal(t testing.TB, s store.Store, name string) {
	t.Helper()
	team, err := s.EnsureTeam(context.Background(), auth.DefaultTeam)
	check(t, err)
	_, err = s.CreateCredential(context.Background(), auth.Credential{TeamID: team.ID, Name: name, Provider: "http_bearer", Status: auth.StatusValid, Patterns: []string{"https://example.com/*"}},
		auth.Fields{"token": auth.NewSecret("secret of " + name)}, nil, auth.Event{Actor: "cli"})
	check(t, err)
}

// opens reads every secret, and returns how many there are.
func opens(s store.Store) (n int, err error) {
	st, err := s.State(context.Background())
	if err != nil {
		return 0, err
	}
	for _, c := range st.Credentials {
		f, err := s.OpenFields(context.Background(), c.ID, c.Version)
		if err != nil {
			return n, fmt.Errorf("%s: %w", c.Name, err)
		}
		if f["token"].Reveal() != "secret of "+c.Name {
			return n, fmt.Errorf("%s has another's secret", c.Name)
		}
		n++
	}
	return n, nil
}

// allOpen fails the test unless s comes to open n secrets, and never any wrong.
func allOpen(t testing.TB, s store.Store, n int) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		got, err := opens(s)
		check(t, err)
		if got == n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d secrets open, of %d", got, n)
		}
	}
}

// lingering takes its time to unwrap, as a key service does.
type lingering struct{ store.KEK }

// Unwrap implements store.KEK.
func (k lingering) Unwrap(ctx context.Context, wrapped, aad []byte) ([]byte, error) {
	time.Sleep(5 * time.Millisecond)
	return k.KEK.Unwrap(ctx, wrapped, aad)
}

// rotateVariable has this program rotate the KEK of a store, and be nothing else:
// the directory of the keyring.
const rotateVariable = "WEIGHBRIDGE_TEST_ROTATE"

// rotate is the program of a weighbridge that is killed while it rotates.
func rotate(dir string) error {
	k := keyring{dir}
	o, err := k.options("old")
	if err != nil {
		return err
	}
	o.KEK = lingering{o.KEK}
	s, err := store.OpenPostgres(context.Background(), auth.NewSecret(os.Getenv("DSN")), o)
	if err != nil {
		return err
	}
	to, err := store.OpenKEK(k.uri("new"), "")
	if err != nil {
		return err
	}
	return s.RotateKEK(context.Background(), to, k.uri("new"), auth.Event{Actor: "cli"}, func(done, total int) {
		_, _ = fmt.Println(done, total)
	})
}

// The KEK rotates on one weighbridge while another reads and writes; the first is
// killed in the midst of it, and the other goes on with it.
func TestR08_ARotationOfTwoGoesOnWhereOneIsKilled(t *testing.T) {
	t.Parallel()
	ring := keyring{t.TempDir()}
	old, fresh := ring.make(t, "old"), ring.make(t, "new")
	dsn := shared.schema(t)
	other := ring.open(t, dsn, "old")
	const many = 130 // three batches
	for i := range many {
		seal(t, other, fmt.Sprintf("c%d", i))
	}
	one := exec.Command(os.Args[0], "-test.run=^$")
	one.Env = append(os.Environ(), rotateVariable+"="+ring.dir, "DSN="+dsn.Reveal())
	one.Stderr = os.Stderr
	out, err := one.StdoutPipe()
	check(t, err)
	check(t, one.Start())
	lines := bufio.NewScanner(out)
	n, done, total := many, 0, 0
	for done == 0 && lines.Scan() {
		_, err := fmt.Sscan(lines.Text(), &done, &total)
		check(t, err)
		seal(t, other, fmt.Sprintf("w%d", n)) // the other writes meanwhile
		n++
		allOpen(t, other, n)
	}
	_ = one.Process.Kill()
	_ = one.Wait()
	s, err := other.KEKs(t.Context())
	check(t, err)
	if s.Rotation == nil || s.Rotation.Done == 0 || s.Rotation.Done >= s.Rotation.Total || s.KEK != fresh.ID() {
		t.Fatalf("it was not killed half way: %+v", s)
	}
	allOpen(t, other, n)
	joined := ring.open(t, dsn, "old") // who starts meanwhile takes either
	allOpen(t, joined, n)

	// Both that are left go on with it at once.
	var group sync.WaitGroup
	for _, s := range []store.Store{other, joined} {
		group.Go(func() {
			if err := s.RotateKEK(context.Background(), fresh, ring.uri("new"), auth.Event{Actor: "cli"}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, s := range []store.Store{other, joined} {
		allOpen(t, s, n)
		k, err := s.KEKs(t.Context())
		check(t, err)
		if k.Rotation != nil || len(k.Uses) != 1 || k.Uses[0].KEK != fresh.ID() {
			t.Fatalf("it did not end: %+v", k)
		}
	}
	o, err := ring.options("old")
	check(t, err)
	if _, err := store.OpenPostgres(t.Context(), dsn, o); !errors.Is(err, store.ErrWrongKEK) || !strings.Contains(err.Error(), "rotated it to "+fresh.ID()) {
		t.Fatalf("the KEK %s opens the store still: %v", old.ID(), err)
	}
	allOpen(t, ring.open(t, dsn, "new"), n)
}

// Who saw nothing of a rotation, because it was cut off, opens by its KEK all the
// same; and one to whom the KEK was not given yet, once it is.
func TestR08_ARotationThatNobodySawElsewhere(t *testing.T) {
	t.Parallel()
	ring := keyring{t.TempDir()}
	ring.make(t, "old")
	fresh := ring.make(t, "new")
	dsn := shared.schema(t)
	one := ring.open(t, dsn, "old")
	seal(t, one, "before")
	cut := newLink(t, shared)
	other := ring.open(t, cut.through(dsn), "old")
	allOpen(t, other, 1)
	cut.cut()
	for end := time.Now().Add(patience); other.Contact().IsZero(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not notice that it is cut off")
		}
	}
	check(t, one.RotateKEK(t.Context(), fresh, ring.uri("new"), auth.Event{Actor: "cli"}, nil))
	seal(t, one, "after")
	hidden := filepath.Join(ring.dir, "not here yet")
	check(t, os.Rename(filepath.Join(ring.dir, "new"), hidden))
	cut.mend()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		_, err := opens(other)
		if errors.Is(err, store.ErrWrongKEK) && strings.Contains(err.Error(), "not at hand") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("it opens without the KEK, or says something else: %v", err)
		}
	}
	check(t, os.Rename(hidden, filepath.Join(ring.dir, "new")))
	allOpen(t, other, 2)
	seal(t, other, "by the other")
	allOpen(t, one, 3)
}

// meddled is a KEK by which something else happens before it wraps, once that is
// wanted.
type meddled struct {
	store.KEK
	meddle atomic.Pointer[func()]
}

// Wrap implements store.KEK.
func (k *meddled) Wrap(ctx context.Context, dek, aad []byte) ([]byte, error) {
	if meddle := k.meddle.Swap(nil); meddle != nil {
		(*meddle)()
	}
	return k.KEK.Wrap(ctx, dek, aad)
}

// A rotation is given up at another weighbridge while the first still works at it:
// what that has under way counts no more, and every secret opens.
func TestR08_ARotationThatIsGivenUpElsewhere(t *testing.T) {
	t.Parallel()
	for name, atOnce := range map[string]bool{"before anything is wrapped": true, "while it wraps": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ring := keyring{t.TempDir()}
			old := ring.make(t, "old")
			to := &meddled{KEK: ring.make(t, "new")}
			dsn := shared.schema(t)
			one, other := ring.open(t, dsn, "old"), ring.open(t, dsn, "old")
			const many = 3
			for i := range many {
				seal(t, one, fmt.Sprintf("c%d", i))
			}
			back := sync.OnceFunc(func() {
				if err := other.RotateKEK(context.Background(), old, ring.uri("old"), auth.Event{Actor: "cli"}, nil); err != nil {
					t.Error(err)
				}
			})
			err := one.RotateKEK(t.Context(), to, ring.uri("new"), auth.Event{Actor: "cli"}, func(int, int) {
				if atOnce {
					back()
				} else {
					to.meddle.Store(&back)
				}
			})
			if !errors.Is(err, store.ErrConflict) {
				t.Errorf("the rotation that was given up ended with %v", err)
			}
			for _, s := range []store.Store{one, other} {
				allOpen(t, s, many)
				k, err := s.KEKs(t.Context())
				check(t, err)
				if k.Rotation != nil || k.KEK != old.ID() || len(k.Uses) != 1 || k.Uses[0].KEK != old.ID() {
					t.Errorf("it is %+v", k)
				}
			}
			seal(t, one, "after")
			allOpen(t, ring.open(t, dsn, "old"), many+1)
		})
	}
}

// Two weighbridges serve while the KEK is rotated at one of them.
func TestR08_ARotationAtOneIsHeededByTheOther(t *testing.T) {
	t.Parallel()
	f := newFleet(t, shared.schema(t), 2, nil)
	key := f.worker(0, "worker-1")
	f.houses[1].Eventually("the other knows the key", func() bool { status, _ := f.download(1, key.Key); return status == 200 })
	stop := make(chan struct{})
	var load sync.WaitGroup
	for i := range f.houses {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if status, code := f.download(i, key.Key); status != 200 {
					t.Errorf("while the KEK rotates, house %d answers %d %s", i, status, code)
					return
				}
			}
		})
	}
	for round := range 3 {
		at, other := round%2, (round+1)%2
		uri := "file:" + filepath.Join(f.dir, fmt.Sprintf("kek-%d", round))
		kek, err := store.CreateFileKEK(strings.TrimPrefix(uri, "file:"))
		check(t, err)
		_, err = f.houses[at].API().RotateKEK(t.Context(), admin.KEKRotate{To: uri})
		check(t, err)
		for _, h := range f.houses {
			h.Eventually("the rotation has ended", func() bool {
				s, err := h.API().GetKEK(t.Context())
				check(t, err)
				return s.Rotation == nil && s.KEK == kek.ID() && s.URI == uri && len(s.Uses) == 1
			})
		}
		name := fmt.Sprintf("sealed-after-%d", round)
		f.houses[other].AddCredential(admin.NewCredential{Name: name, Provider: "http_bearer", Fields: map[string]string{"token": "tok_" + name}, Patterns: []string{name + ".example.com/*"}, NoValidate: true})
	}
	close(stop)
	load.Wait()
	f.verified(0)
	f.verified(1)
}
