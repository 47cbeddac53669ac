package proxy

import (
	"sync"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// repeatWindow is how long denials of one kind are gathered. A worker that is
// told to wait may ask again at once, as often as it likes: each of those on
// record would fill the record of its team.
const repeatWindow = time.Second

// repeats gathers the denials that a worker can bring about as fast as it can
// ask, by key and code: the first of a window is recorded as it is, the others
// are one event with their number. The zero value is ready.
type repeats struct {
	mu   sync.Mutex
	open map[repeatKey]*repeat
}

type repeatKey struct {
	key  string
	code auth.Code
}

type repeat struct {
	since time.Time
	count int64
	last  auth.Event
}

// gathers reports whether denials with code are gathered.
func gathers(code auth.Code) bool {
	switch code {
	case auth.CodeTooManyRequests, auth.CodeTooManyTransfers, auth.CodeSourceForbidden:
		return true
	}
	return false
}

// add takes a denial, and reports whether it is the first of its window, which
// is to be recorded.
func (r *repeats) add(e auth.Event, now time.Time) (first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := repeatKey{e.KeyID, e.Code}
	if g := r.open[k]; g != nil {
		g.count++
		g.last = e
		return false
	}
	if r.open == nil {
		r.open = map[repeatKey]*repeat{}
	}
	r.open[k] = &repeat{since: now}
	return true
}

// close ends the windows that are over at now, or all of them, and records
// what they gathered.
func (r *repeats) close(now time.Time, all bool, record func(auth.Event)) {
	var events []auth.Event
	r.mu.Lock()
	for k, g := range r.open {
		if age := now.Sub(g.since); !all && age >= 0 && age < repeatWindow {
			continue
		}
		if g.count == 0 {
			delete(r.open, k)
			continue
		}
		g.last.Count = g.count
		events = append(events, g.last)
		g.since, g.count = now, 0 // the next one is not the first
	}
	r.mu.Unlock()
	for _, e := range events {
		record(e)
	}
}
