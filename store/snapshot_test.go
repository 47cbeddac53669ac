package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// A snapshot that is taken while changes are made is a store as it stood at
// one moment: all that was acknowledged before it was begun, nothing half done,
// and every secret opens.
func TestSnapshotWhileChangesAreMade(t *testing.T) {
	t.Parallel()
	kek := newKEK(t)
	c, path, team := newBolt(t, kek)
	var (
		mu    sync.Mutex
		acked = map[string]bool{}
		stop  = make(chan struct{})
		group sync.WaitGroup
	)
	begun := make(chan struct{})
	group.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			name := fmt.Sprintf("c%d", n)
			cred, err := c.CreateCredential(t.Context(), auth.Credential{TeamID: team, Name: name, Provider: "p", Status: auth.StatusValid},
				auth.Fields{"token": auth.NewSecret(name)}, nil, auth.Event{})
			if err == nil && n%3 == 2 {
				_, err = c.UpdateCredential(t.Context(), team, cred.ID, nil, auth.Fields{"token": auth.NewSecret(name + " anew")}, auth.Event{})
			}
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			acked[name] = true
			mu.Unlock()
			if n == 8 {
				close(begun)
			}
		}
	})
	<-begun
	for range 5 {
		mu.Lock()
		before := make([]string, 0, len(acked))
		for name := range acked {
			before = append(before, name)
		}
		mu.Unlock()
		copied := filepath.Join(t.TempDir(), "copy.db")
		takeSnapshot(t, c, copied)
		back := reopen(t, copied, kek)
		for _, name := range before {
			cred, err := back.Credential(t.Context(), team, name)
			check(t, err)
			f, err := back.OpenFields(t.Context(), cred.ID, cred.Version)
			check(t, err)
			want := name
			if cred.Version == 2 {
				want += " anew"
			}
			equal(t, "token", f["token"].Reveal(), want)
		}
		check(t, back.Close())
	}
	close(stop)
	group.Wait()
	// Nothing is left beside the store.
	left, err := filepath.Glob(newFilePattern(path))
	check(t, err)
	equal(t, "leftovers", len(left), 0)
	check(t, c.Close())
	if _, err := c.Snapshot(t.Context()); err == nil {
		t.Error("a closed store was copied")
	}
}

func takeSnapshot(t *testing.T, c *core, path string) {
	t.Helper()
	s, err := c.Snapshot(t.Context())
	check(t, err)
	content, err := io.ReadAll(s)
	check(t, err)
	equal(t, "size", int64(len(content)), s.Size())
	check(t, s.Close())
	check(t, os.WriteFile(path, content, 0o600))
}

func TestNoSnapshotOfMemory(t *testing.T) {
	t.Parallel()
	s, err := OpenMemory(Options{KEK: newKEK(t)})
	check(t, err)
	if _, err := s.Snapshot(t.Context()); !errors.Is(err, ErrInvalid) {
		t.Errorf("%v", err)
	}
	check(t, s.Close())
}
