package store

import (
	"errors"
	"sync"
	"time"
)

// lookLimit is how long a look at the database may take before what is known
// counts as what was known: as long as a query may.
const lookLimit = queryLimit + time.Second

// contact is when a shared store's database was last known to hold what the
// model holds.
type contact struct {
	mu     sync.Mutex
	shared bool
	lost   bool
	// back says that it was lost because the database went back.
	back bool
	// last is the beginning of the last look that found it so.
	last time.Time
}

// found notes that a look which began at that time found it so, and reports
// whether it was unknown before.
func (c *contact) found(began time.Time) (again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	again = c.lost
	c.shared, c.lost, c.last = true, false, began
	return again
}

// lose notes that a look failed, and reports whether that is news: the first
// failure, or that a database which was out of reach now is there and went back,
// or the other way round.
func (c *contact) lose(err error) (news bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	back := errors.Is(err, ErrWentBack)
	news = !c.lost || c.back != back
	c.lost, c.back = true, back
	return news
}

// isBack reports whether the last look found that the database went back.
func (c *contact) isBack() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost && c.back
}

// Contact implements Store.
func (c *core) Contact() time.Time {
	k := &c.contact
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.shared || !k.lost && c.now().Sub(k.last) < lookLimit {
		return time.Time{}
	}
	return k.last
}
