package bridge

import (
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"

	"github.com/weighbridge/weighbridge/auth"
)

// live holds the snapshot that every decision is taken from. A change of the
// store compiles a new one before the changing call returns, so that it holds
// for the very next request.
type live struct {
	providers []auth.Provider
	log       zerolog.Logger

	current atomic.Pointer[auth.Snapshot]

	mu       sync.Mutex
	revision uint64
	// changed is closed and replaced with every new snapshot.
	changed chan struct{}
}

func newLive(providers []auth.Provider, log zerolog.Logger) *live {
	return &live{providers: providers, log: log, changed: make(chan struct{})}
}

// Snapshot returns the current snapshot; it is never nil once the store is
// open.
func (l *live) Snapshot() *auth.Snapshot { return l.current.Load() }

// update compiles st. The store has checked what it holds, so a failure is a
// defect or a row written by a newer weighbridge: what was decided so far is
// then no longer allowed to stand, and everything is refused until a state
// compiles again.
func (l *live) update(st auth.State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current.Load() != nil && st.Revision <= l.revision {
		return
	}
	snap, err := auth.Compile(st, auth.Options{Providers: l.providers})
	if err != nil {
		l.log.Error().Err(err).Uint64("revision", st.Revision).Msg("the stored state cannot be compiled: every request is refused until it can")
		empty, emptyErr := auth.Compile(auth.State{Revision: st.Revision}, auth.Options{Providers: l.providers})
		if emptyErr != nil {
			return
		}
		snap = empty
	}
	l.revision = st.Revision
	l.current.Store(snap)
	close(l.changed)
	l.changed = make(chan struct{})
}
