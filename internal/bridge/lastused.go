package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

const (
	// coarse is how often the last use of a thing is noted, and how often what
	// was noted is written: a crash loses no more.
	coarse = time.Minute
	// usedFile is in the data directory.
	usedFile = "last-used.json"
	// maxUsedFile bounds what is read of it: 100 bytes for each of far more
	// things than there are.
	maxUsedFile = 64 << 20
)

// lastUsed knows when, and from where, each key, credential and access token was used last:
// to within a minute, and never at the cost of a request. It is no record of
// uses; that is the audit record.
type lastUsed struct {
	path string // empty keeps it in memory
	log  zerolog.Logger

	mu    sync.RWMutex        // guards uses, not what is in it
	uses  map[string]*lastUse // by id
	dirty atomic.Bool
}

// lastUse is one thing's; nil until there was a use.
type lastUse = atomic.Pointer[sighting]

// sighting is one use.
type sighting struct {
	At      time.Time `json:"at"`
	Address string    `json:"address,omitempty"`
}

// openLastUsed reads what was written before. What cannot be read is told in
// the log and begun anew: nothing is decided by it.
func openLastUsed(path string, log zerolog.Logger) *lastUsed {
	u := &lastUsed{path: path, log: log, uses: map[string]*lastUse{}}
	if path == "" {
		return u
	}
	seen, err := readLastUsed(path)
	if err != nil {
		log.Warn().Err(err).Str("file", path).Msg("when keys and credentials were used last cannot be read, and is noted anew")
	}
	for id, s := range seen {
		u.uses[id] = &lastUse{}
		u.uses[id].Store(&s)
	}
	return u
}

func readLastUsed(path string) (map[string]sighting, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case info.Size() > maxUsedFile:
		return nil, errors.New("it is too large")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var seen map[string]sighting
	if err := json.Unmarshal(b, &seen); err != nil {
		return nil, errors.New("it is not what was written") // the cause would quote it
	}
	return seen, nil
}

// see notes a use. It is quick: all but one call in a minute only look.
func (u *lastUsed) see(id, address string, at time.Time) {
	u.mu.RLock()
	e := u.uses[id]
	u.mu.RUnlock()
	if e == nil {
		u.mu.Lock()
		if e = u.uses[id]; e == nil {
			e = &lastUse{}
			u.uses[id] = e
		}
		u.mu.Unlock()
	}
	was := e.Load()
	if was != nil {
		if since := at.Sub(was.At); since >= 0 && since < coarse {
			return
		}
	}
	// Of several at once one notes.
	if e.CompareAndSwap(was, &sighting{at.UTC().Truncate(time.Second), address}) {
		u.dirty.Store(true)
	}
}

// last is the last use of a thing.
func (u *lastUsed) last(id string) (at time.Time, address string, ok bool) {
	u.mu.RLock()
	e := u.uses[id]
	u.mu.RUnlock()
	if e == nil {
		return time.Time{}, "", false
	}
	s := e.Load()
	if s == nil {
		return time.Time{}, "", false
	}
	return s.At, s.Address, true
}

// write writes what was noted since the last time. What is not among the ids of
// usable any more is forgotten.
func (u *lastUsed) write(usable func() (map[string]bool, error)) {
	if !u.dirty.Swap(false) || u.path == "" {
		return
	}
	known, err := usable()
	if err != nil {
		u.notWritten(err)
		return
	}
	seen := map[string]sighting{}
	u.mu.Lock()
	for id, e := range u.uses {
		s := e.Load()
		switch {
		case !known[id]:
			delete(u.uses, id)
		case s != nil:
			seen[id] = *s
		}
	}
	u.mu.Unlock()
	b, err := json.Marshal(seen)
	if err == nil {
		err = writeFile(u.path, b, 0o600)
	}
	if err != nil {
		u.notWritten(err)
	}
}

func (u *lastUsed) notWritten(err error) {
	u.dirty.Store(true) // again in a minute
	u.log.Warn().Err(err).Msg("when keys and credentials were used last cannot be written")
}

// run writes once a minute until ctx ends.
func (u *lastUsed) run(ctx context.Context, usable func() (map[string]bool, error)) {
	Every(ctx, coarse, func() { u.write(usable) })
}

// usable are the ids of all whose last use is worth keeping.
func (b *Bridge) usable(ctx context.Context) (map[string]bool, error) {
	st, err := b.store.State(ctx)
	if err != nil {
		return nil, err
	}
	ids := make(map[string]bool, len(st.Keys)+len(st.Credentials))
	for i := range st.Keys {
		ids[st.Keys[i].ID] = true
	}
	for i := range st.Credentials {
		ids[st.Credentials[i].ID] = true
	}
	for i := range st.Teams {
		tokens, err := b.store.Tokens(ctx, st.Teams[i].ID)
		if err != nil {
			return nil, err
		}
		for j := range tokens {
			ids[tokens[j].ID] = true
		}
	}
	return ids, nil
}
