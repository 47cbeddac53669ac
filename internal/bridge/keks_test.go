package bridge

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/store"
)

// endingKEK ends a rotation after so many wraps, as a killed process does.
type endingKEK struct {
	store.KEK
	left atomic.Int64
}

var errEnded = errors.New("the process is killed here")

func (k *endingKEK) Wrap(ctx context.Context, dek, aad []byte) ([]byte, error) {
	if k.left.Add(-1) < 0 {
		return nil, errEnded
	}
	return k.KEK.Wrap(ctx, dek, aad)
}

// A rotation that was cut short goes on by itself after the next start, with
// either key configured; afterwards the old one opens nothing, and status says
// which has to be named.
func TestR08_ARotationGoesOnAfterTheNextStart(t *testing.T) {
	for _, configured := range []string{"file:kek", "file:kek2"} {
		t.Run(configured, func(t *testing.T) {
			dir := filepath.Join(shortDir(t), "data")
			cfg := load(t, func(c *config.Config) { c.DataDir, c.KEK = dir, "file:kek" })
			b := open(t, cfg)
			const n = 100 // more than one batch
			for i := range n {
				_, err := b.Store().CreateCredential(t.Context(), auth.Credential{TeamID: b.Team().ID, Name: fmt.Sprintf("c%d", i), Provider: "http_bearer",
					Patterns: []string{"models.example.com/*"}, Status: auth.StatusValid}, auth.Fields{"token": auth.NewSecret(fmt.Sprintf("secret %d", i))}, nil, auth.Event{})
				check(t, err)
			}
			kek2, err := store.CreateFileKEK(filepath.Join(dir, "kek2"))
			check(t, err)
			ending := &endingKEK{KEK: kek2}
			ending.left.Store(70)
			if err := b.Store().RotateKEK(t.Context(), ending, "file:kek2", auth.Event{Actor: "test"}, nil); !errors.Is(err, errEnded) {
				t.Fatalf("the rotation was to end early: %v", err)
			}
			s, err := b.keks.Status(t.Context())
			check(t, err)
			if s.Rotation == nil || s.Rotation.Done == 0 || s.Rotation.Done >= s.Rotation.Total {
				t.Fatalf("it is to be half done: %+v", s.Rotation)
			}
			check(t, b.Close())

			b = start(t, load(t, func(c *config.Config) { c.DataDir, c.KEK = dir, configured }))
			for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
				s, err = b.keks.Status(t.Context())
				check(t, err)
				if s.Rotation == nil {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("it does not go on: %+v", s.Rotation)
				}
			}
			if len(s.Uses) != 1 || s.Uses[0].KEK != kek2.ID() || s.Uses[0].DEKs < n || s.ChangeConfig != (configured == "file:kek") {
				t.Errorf("afterwards: %+v", s)
			}
			st, err := b.Store().State(t.Context())
			check(t, err)
			for _, c := range st.Credentials {
				f, err := b.Store().OpenFields(t.Context(), c.ID, c.Version)
				check(t, err)
				if f["token"].Reveal() != "secret "+c.Name[1:] {
					t.Errorf("%s opens to something else", c.Name)
				}
			}
			ended := false
			check(t, b.Store().Events(t.Context(), "", time.Time{}, func(e auth.Event) bool {
				ended = ended || e.Action == auth.ActionKEKRotated && e.Actor == "system"
				return true
			}))
			if !ended {
				t.Error("its end is not on record")
			}
		})
	}
}

// open opens and neither listens nor serves.
func open(t *testing.T, loaded *config.Loaded) *Bridge {
	t.Helper()
	b, err := Open(t.Context(), loaded, Options{})
	check(t, err)
	return b
}

// Who saw in the status that a rotation ended may ask for the next at once,
// while the last one still tells of itself.
func TestR08_TheNextRotationFollowsOneThatEnded(t *testing.T) {
	dir := filepath.Join(shortDir(t), "data")
	b := open(t, load(t, func(c *config.Config) { c.DataDir, c.KEK = dir, "file:kek" }))
	_, err := store.CreateFileKEK(filepath.Join(dir, "kek2"))
	check(t, err)
	defer func() { check(t, b.Close()) }()

	last := &rotating{ended: make(chan struct{})}
	b.keks.running = last
	if err := b.keks.Rotate(t.Context(), "file:kek2", auth.Event{Actor: "test"}); !errors.Is(err, store.ErrConflict) {
		t.Fatalf("beside one that begins: %v", err)
	}
	last.begun.Store(true) // and the store knows of none
	next := make(chan error, 1)
	go func() { next <- b.keks.Rotate(t.Context(), "file:kek2", auth.Event{Actor: "test"}) }()
	select {
	case err := <-next:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	b.keks.mu.Lock()
	b.keks.running = nil
	close(last.ended)
	b.keks.mu.Unlock()
	check(t, <-next)
}
