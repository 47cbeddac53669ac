package audit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Sparing says which of many like events go on record: those that come slowly
// enough, one by one; of what comes faster, the next that does says how many it
// stands for. Somebody whose requests are refused cannot fill the disk with it.
// It is safe for concurrent use.
type Sparing struct {
	now   func() time.Time
	limit *rate.Limiter

	mu   sync.Mutex
	held int64
}

// NewSparing lets atOnce events in a row through, and perSecond in the long run.
func NewSparing(now func() time.Time, perSecond rate.Limit, atOnce int) *Sparing {
	return &Sparing{now: now, limit: rate.NewLimiter(perSecond, atOnce)}
}

// Next counts one more, and says whether it goes on record now, and how many it
// stands for then.
func (s *Sparing) Next() (count int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held++
	if !s.limit.AllowN(s.now(), 1) {
		return 0, false
	}
	count, s.held = s.held, 0
	return count, true
}

// Hold counts n that do not go on record themselves, such as those whose event
// could not be written.
func (s *Sparing) Hold(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held += n
}
