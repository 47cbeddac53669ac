package bridge

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

// resumeEvery is how often a rotation that stopped is tried again.
const resumeEvery = time.Minute

// keks rotates the KEK in the background, one rotation at a time.
type keks struct {
	b    *Bridge
	ctx  context.Context
	stop context.CancelFunc
	jobs sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	running *rotating // nil where none runs
	failed  error     // of the last rotation
}

// rotating is a rotation that runs.
type rotating struct {
	// begun says that the store holds it; a store that does not any more has
	// ended it, whatever is left to do here.
	begun atomic.Bool
	// ended is closed once another one may run.
	ended chan struct{}
}

var _ admin.KEK = (*keks)(nil)

func newKEKs(b *Bridge) *keks {
	k := &keks{b: b}
	k.ctx, k.stop = context.WithCancel(context.Background())
	return k
}

// close stops what runs; it goes on after the next start.
func (k *keks) close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.stop()
	k.jobs.Wait()
}

// Status implements admin.KEK.
func (k *keks) Status(ctx context.Context) (admin.KEKStatus, error) {
	s, err := k.b.store.KEKs(ctx)
	if err != nil {
		return admin.KEKStatus{}, err
	}
	configured := k.b.loaded.Load().Config.KEK
	if k.b.loaded.Load().Config.Store.Driver == "memory" {
		configured = ""
	}
	out := admin.KEKStatus{KEK: s.KEK, URI: s.URI, Configured: configured, Former: s.Left, Uses: []admin.KEKUse{}}
	out.ChangeConfig = configured != "" && s.Rotation == nil && configured != s.URI && !k.names(ctx, configured)
	for _, u := range s.Uses {
		out.Uses = append(out.Uses, admin.KEKUse(u))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if r := s.Rotation; r != nil {
		out.Rotation = &admin.KEKRotation{From: r.From, FromURI: r.FromURI, To: r.To, ToURI: r.ToURI,
			StartedAt: r.StartedAt, Done: r.Done, Total: r.Total, Running: k.running != nil}
		if k.failed != nil && k.running == nil {
			out.Rotation.Error = k.failed.Error()
		}
	}
	return out, nil
}

// names reports whether uri names the KEK that is in use.
func (k *keks) names(ctx context.Context, uri string) bool {
	s, err := k.b.store.KEKs(ctx)
	if err != nil {
		return false
	}
	other, err := k.b.openKEK(ctx, uri)
	return err == nil && other.ID() == s.KEK
}

// Rotate implements admin.KEK. It returns once the rotation has begun.
func (k *keks) Rotate(ctx context.Context, uri string, ev auth.Event) error {
	if uri == "" {
		s, err := k.b.store.KEKs(ctx)
		if err != nil {
			return err
		}
		if s.Rotation == nil {
			return &store.Error{Kind: store.KindInvalid, What: "rotation of the KEK", Detail: "none is on its way, so it must be said which KEK to rotate to",
				Next: "make one (weighbridge kek generate --out FILE) and name it: --to file:FILE, or the URI of a key service's key"}
		}
		uri = s.Rotation.ToURI
	}
	to, err := k.b.openKEK(ctx, uri)
	var known interface{ NextStep() string }
	if _, ok := errors.AsType[*store.Error](err); err != nil && !ok && !errors.As(err, &known) {
		// Of the environment: a variable that is not set, a file that is not there.
		return &store.Error{Kind: store.KindInvalid, What: "KEK", Detail: "it cannot be opened: " + err.Error(), Cause: err}
	}
	if err != nil {
		return err
	}
	if err := k.pass(ctx); err != nil {
		return err
	}
	begun, err := k.start(to, uri, ev)
	if err != nil {
		return err
	}
	select {
	case err := <-begun:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pass waits for a rotation that the store knows as ended to end here too: who
// saw in the status that it did may ask for the next at once.
func (k *keks) pass(ctx context.Context) error {
	k.mu.Lock()
	was := k.running
	k.mu.Unlock()
	if was == nil || !was.begun.Load() {
		return nil
	}
	s, err := k.b.store.KEKs(ctx)
	if err != nil || s.Rotation != nil {
		return err
	}
	select {
	case <-was.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// start rotates in the background. The channel gives nil once the rotation has
// begun, or what came of it where that is sooner.
func (k *keks) start(to store.KEK, uri string, ev auth.Event) (<-chan error, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.running != nil || k.closed {
		return nil, &store.Error{Kind: store.KindConflict, What: "rotation of the KEK", Detail: "one is running"}
	}
	run := &rotating{ended: make(chan struct{})}
	k.running, k.failed = run, nil
	begun := make(chan error, 1)
	tell := func(err error) {
		select {
		case begun <- err:
		default:
		}
	}
	k.jobs.Add(1)
	go func() {
		defer k.jobs.Done()
		err := k.b.store.RotateKEK(k.ctx, to, uri, ev, func(int, int) {
			run.begun.Store(true)
			tell(nil)
		})
		k.mu.Lock()
		k.running, k.failed = nil, err
		close(run.ended)
		k.mu.Unlock()
		switch {
		case err == nil:
			k.b.log.Info().Str("kek", to.ID()).Msg("everything is sealed with this key encryption key; name it in the setting kek before the next start")
		case k.ctx.Err() == nil:
			k.b.log.Error().Err(err).Msg("the rotation of the key encryption key stopped")
		}
		tell(err)
	}()
	return begun, nil
}

// resume goes on with a rotation that the end of the process cut short, and
// tries again while its keys cannot be reached.
func (k *keks) resume() {
	s, err := k.b.store.KEKs(k.ctx)
	if err != nil || s.Rotation == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return
	}
	k.jobs.Add(1)
	go func() {
		defer k.jobs.Done()
		for {
			s, err := k.b.store.KEKs(k.ctx)
			if err != nil || s.Rotation == nil {
				return
			}
			if err := k.Rotate(k.ctx, "", auth.Event{Actor: "system"}); err != nil && k.ctx.Err() == nil {
				k.b.log.Warn().Err(err).Msg("the rotation of the key encryption key does not go on yet")
			}
			select {
			case <-k.ctx.Done():
				return
			case <-time.After(resumeEvery):
			}
		}
	}()
}
