package lifecycle

import (
	"sync"
	"time"
)

// maxWait is the longest that an upstream can make us wait (Retry-After).
const maxWait = time.Hour

// gates pace the probes of each host. They go by the machine's own time, which
// nobody sets: a pause is a span, whatever the clock says.
type gates struct {
	pace time.Duration

	mu    sync.Mutex
	hosts map[string]*gate
}

// gate is one host.
type gate struct {
	// free is when the next probe may begin, shut until when the host does not
	// want to be asked.
	free, shut time.Time
}

// maxGates bounds what is remembered; beyond it the gates that are open go.
const maxGates = 4096

// reserve takes the turn of host at now, or returns how long it is until there
// is one.
func (g *gates) reserve(host string, now time.Time) time.Duration {
	if host == "" {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	at := g.at(host, now)
	free := at.free
	if at.shut.After(free) {
		free = at.shut
	}
	if wait := free.Sub(now); wait > 0 {
		return wait
	}
	at.free = now.Add(g.pace)
	return 0
}

// shutFor keeps host from being asked for so long.
func (g *gates) shutFor(host string, now time.Time, wait time.Duration) {
	if host == "" || wait <= 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	at := g.at(host, now)
	if until := now.Add(min(wait, maxWait)); until.After(at.shut) {
		at.shut = until
	}
}

// shutUntil is how long host does not want to be asked.
func (g *gates) shutLeft(host string, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if at := g.hosts[host]; at != nil {
		return max(at.shut.Sub(now), 0)
	}
	return 0
}

func (g *gates) at(host string, now time.Time) *gate {
	at := g.hosts[host]
	if at == nil {
		if len(g.hosts) >= maxGates {
			for h, at := range g.hosts {
				if !at.free.After(now) && !at.shut.After(now) {
					delete(g.hosts, h)
				}
			}
		}
		at = &gate{}
		g.hosts[host] = at
	}
	return at
}
