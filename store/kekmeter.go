package store

import (
	"sync/atomic"
	"time"
)

// KEKMeter counts what the caches of NewKEKCache do that were given it, all of
// them together: while a KEK is rotated there are two. The zero value is ready,
// and all methods may be called by any number of goroutines.
type KEKMeter struct {
	hits, misses                    atomic.Int64
	unwrapped, refused, unreachable atomic.Int64
	kept                            atomic.Int64
	last                            atomic.Int64 // Unix nanoseconds, 0 is never
}

// KEKStats are what a KEKMeter has counted.
type KEKStats struct {
	// Hits are the DEKs that were kept when they were needed, Misses those that
	// were not: it was asked for them, by one for all who waited, or it was known
	// that nobody answers.
	Hits, Misses int64
	// Unwrapped, Refused and Unreachable are what came of asking the service.
	Unwrapped, Refused, Unreachable int64
	// Kept is how many DEKs are kept now.
	Kept int64
	// Last is when the service unwrapped one last, zero where it never did.
	Last time.Time
}

// Stats is what was counted so far.
func (m *KEKMeter) Stats() KEKStats {
	s := KEKStats{
		Hits: m.hits.Load(), Misses: m.misses.Load(),
		Unwrapped: m.unwrapped.Load(), Refused: m.refused.Load(), Unreachable: m.unreachable.Load(),
		Kept: m.kept.Load(),
	}
	if at := m.last.Load(); at != 0 {
		s.Last = time.Unix(0, at).UTC()
	}
	return s
}

// answered counts what came of a question.
func (m *KEKMeter) answered(err error, now time.Time) {
	switch {
	case err == nil:
		m.unwrapped.Add(1)
		m.last.Store(now.UnixNano())
	case transient(err):
		m.unreachable.Add(1)
	default:
		m.refused.Add(1)
	}
}
