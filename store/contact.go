package store

import (
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

// lose notes that a look failed, and reports whether it is the first.
func (c *contact) lose() (first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first = !c.lost
	c.lost = true
	return first
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
