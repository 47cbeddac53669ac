package wire

import (
	"container/list"
	"crypto/tls"
	"crypto/x509"
	"time"
)

// maxDests bounds the destinations that anything is remembered of: beyond it
// the least recently used is forgotten, with its connections and sessions.
const maxDests = 1024

// dest is what is kept of a destination.
type dest struct {
	d    Dest
	idle []*upstream // the most recently used last
	tls  *tls.Config // nil until it is needed
	at   *list.Element
}

// destOf returns the entry of d, the most recently used from now on. c.mu is
// held.
func (c *Client) destOf(d Dest) *dest {
	if e, ok := c.dests[d]; ok {
		c.recent.MoveToFront(e.at)
		return e
	}
	e := &dest{d: d}
	e.at = c.recent.PushFront(e)
	c.dests[d] = e
	for len(c.dests) > maxDests {
		c.forget(c.recent.Back().Value.(*dest))
	}
	return e
}

// forget drops an entry and closes its connections. c.mu is held.
func (c *Client) forget(e *dest) {
	for _, u := range e.idle {
		u.close()
	}
	c.idle -= len(e.idle)
	e.idle = nil
	c.recent.Remove(e.at)
	delete(c.dests, e.d)
}

// tlsFor returns the TLS configuration of d, the same each time, so that
// sessions are resumed.
func (c *Client) tlsFor(d Dest) *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.destOf(d)
	if e.tls == nil {
		e.tls = tlsConfig(c.o.TLS, d)
	}
	return e.tls
}

// take returns a kept connection to d that is fit for use, or nil.
func (c *Client) take(d Dest) *upstream {
	for {
		u := c.pop(d)
		if u == nil {
			return nil
		}
		now := time.Now()
		if now.Sub(u.idleAt) < c.o.IdleTimeout && u.quiet() && u.allowed(now) {
			u.reused = true
			return u
		}
		u.close()
	}
}

func (c *Client) pop(d Dest) *upstream {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.dests[d]
	if !ok || len(e.idle) == 0 {
		return nil
	}
	c.recent.MoveToFront(e.at)
	u := e.idle[len(e.idle)-1]
	e.idle[len(e.idle)-1] = nil
	e.idle = e.idle[:len(e.idle)-1]
	c.idle--
	return u
}

// keep puts u back for another exchange, or closes it where there are enough.
// Nothing of the exchange before may be left on it; what comes later, unasked,
// is found by take.
func (c *Client) keep(u *upstream, generation uint64) {
	// Deadlines that stand are nobody's while nothing is read or written.
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || generation != c.generation {
		u.close()
		return
	}
	e := c.destOf(u.d)
	if len(e.idle) >= c.o.MaxIdlePerDest {
		u.close()
		return
	}
	if c.idle >= c.o.MaxIdle {
		c.evict()
	}
	u.idleAt = time.Now()
	e.idle = append(e.idle, u)
	c.idle++
	if c.sweep == nil {
		c.sweep = time.AfterFunc(c.o.IdleTimeout, c.sweepIdle)
	}
}

// evict closes the oldest unused connection of the least recently used
// destination that has one. c.mu is held.
func (c *Client) evict() {
	for at := c.recent.Back(); at != nil; at = at.Prev() {
		if e := at.Value.(*dest); len(e.idle) > 0 {
			e.idle[0].close()
			e.idle = append(e.idle[:0], e.idle[1:]...)
			c.idle--
			return
		}
	}
}

// sweepIdle closes what was unused for too long, and comes back as long as
// there is something unused.
func (c *Client) sweepIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := time.Now().Add(-c.o.IdleTimeout)
	for _, e := range c.dests {
		n := 0
		for n < len(e.idle) && !e.idle[n].idleAt.After(old) {
			e.idle[n].close()
			n++
		}
		e.idle = append(e.idle[:0], e.idle[n:]...)
		c.idle -= n
	}
	if c.idle == 0 {
		c.sweep = nil
		return
	}
	c.sweep.Reset(c.o.IdleTimeout / 2)
}

// Trust verifies upstreams by other roots from now on, as ClientOptions.TLS
// names them; nil means the system's. Connections and sessions that were made
// under the old ones are not used again.
func (c *Client) Trust(roots *x509.CertPool) {
	c.mu.Lock()
	base := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.o.TLS != nil {
		base = c.o.TLS.Clone()
	}
	base.RootCAs = roots
	c.o.TLS = base
	c.mu.Unlock()
	c.CloseIdle()
}

// CloseIdle closes every unused connection and forgets every TLS session,
// after a change of what may be dialled or trusted. Connections in use are
// closed after use.
func (c *Client) CloseIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	for _, e := range c.dests {
		c.forget(e)
	}
	if c.sweep != nil {
		c.sweep.Stop()
		c.sweep = nil
	}
}

// Close is CloseIdle for good: nothing is kept from now on.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.CloseIdle()
}
