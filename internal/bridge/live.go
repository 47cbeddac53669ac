package bridge

import (
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"

	"github.com/weighbridge/weighbridge/auth"
)

// live holds the snapshot that every decision is taken from. A change of the
// store is compiled before it is committed, so that nothing is stored that no
// request could be decided by, and holds before the changing call returns, for
// the very next request.
type live struct {
	providers []auth.Provider
	log       zerolog.Logger

	current atomic.Pointer[auth.Snapshot]

	mu       sync.Mutex
	revision uint64
	// checked is what check compiled last, of the revision checkedAs. More than one
	// state may be of a revision: one that could not be committed, and the one that
	// another weighbridge committed in its place. So check has the last word: the
	// store asks it about each state right before update is told of it.
	checked   *auth.Snapshot
	checkedAs uint64
}

func newLive(providers []auth.Provider, log zerolog.Logger) *live {
	return &live{providers: providers, log: log}
}

// Snapshot returns the current snapshot; it is never nil once the store is
// open.
func (l *live) Snapshot() *auth.Snapshot { return l.current.Load() }

// check compiles the state that a change would leave, and keeps the snapshot
// for update. The error names everything that is wrong with it; then none is
// kept.
func (l *live) check(st auth.State) error {
	l.mu.Lock()
	l.checked = nil
	l.mu.Unlock()
	snap, err := auth.Compile(st, auth.Options{Providers: l.providers, Previous: l.current.Load()})
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.checked, l.checkedAs = snap, st.Revision
	return nil
}

// update takes over st. What check has compiled is taken as it is. A state
// that was stored before and does not compile is a defect or a row of another
// weighbridge: what was decided so far is then no longer allowed to stand, and
// everything is refused until a state compiles again.
func (l *live) update(st auth.State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current.Load() != nil && st.Revision <= l.revision {
		return
	}
	snap := l.checked
	if l.checked = nil; snap == nil || l.checkedAs != st.Revision {
		snap = l.compile(st)
	}
	l.revision = st.Revision
	l.current.Store(snap)
}

// compile compiles st, or nothing at all where it does not compile.
func (l *live) compile(st auth.State) *auth.Snapshot {
	snap, err := auth.Compile(st, auth.Options{Providers: l.providers, Previous: l.current.Load()})
	if err == nil {
		return snap
	}
	l.log.Error().Err(err).Uint64("revision", st.Revision).Msg("the stored state cannot be compiled: every request is refused until it can")
	snap, err = auth.Compile(auth.State{Revision: st.Revision}, auth.Options{Providers: l.providers})
	if err != nil { // the providers themselves: no state compiles
		return l.current.Load()
	}
	return snap
}
