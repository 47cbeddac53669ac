package store

import (
	"bytes"
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"sync"
	"time"
)

const (
	// DefaultKEKCache is how long an unwrapped DEK of a key service is kept.
	DefaultKEKCache = 5 * time.Minute
	// DefaultKEKCacheSize is how many are kept, 32 bytes each.
	DefaultKEKCacheSize = 4096

	// pauseWhenDown is how long nothing more is asked of a service that could
	// not be reached: requests are refused at once and not each after its own
	// wait.
	pauseWhenDown = time.Second
)

// KEKCacheOptions of NewKEKCache.
type KEKCacheOptions struct {
	// Keep is how long an unwrapped DEK is kept from when it was unwrapped; use
	// makes it no longer. Zero is not at all.
	Keep time.Duration
	// Size defaults to DefaultKEKCacheSize; the one not used for the longest
	// goes.
	Size int
	// Now defaults to time.Now. What is kept is wiped by the runtime's clock,
	// and by this one not used any longer, whichever is first.
	Now func() time.Time
	// Meter counts; nil is nobody.
	Meter *KEKMeter
}

// NewKEKCache keeps what the KEK of a key service unwrapped, for a while: an
// injected request then costs no call, and the service may be away for as long.
// What leaves the cache is wiped. Many who want the same DEK ask once. Failures
// are not kept, but that the service cannot be reached is, for a second.
//
// Close wipes everything; the KEK goes on without a cache.
func NewKEKCache(inner KEK, o KEKCacheOptions) KEK {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Size <= 0 {
		o.Size = DefaultKEKCacheSize
	}
	if o.Meter == nil {
		o.Meter = &KEKMeter{}
	}
	return &kekCache{KEK: inner, o: o, entries: map[cacheKey]*list.Element{}, flights: map[cacheKey]*flight{}}
}

type cacheKey [sha256.Size]byte

// kekCache is the cache around one KEK.
type kekCache struct {
	KEK
	o KEKCacheOptions

	mu      sync.Mutex
	entries map[cacheKey]*list.Element
	recent  list.List // of *cachedDEK, the last used first
	flights map[cacheKey]*flight
	down    error
	downAt  time.Time
	closed  bool
}

var (
	_ KEK       = (*kekCache)(nil)
	_ io.Closer = (*kekCache)(nil)
)

type cachedDEK struct {
	key  cacheKey
	dek  []byte
	at   time.Time
	wipe *time.Timer
}

// flight is one question to the service, and those who wait for its answer.
type flight struct {
	done chan struct{}
	dek  []byte
	err  error
	// waiting counts who has not taken a copy; the last wipes dek.
	waiting int
}

// Unwrap implements KEK.
func (c *kekCache) Unwrap(ctx context.Context, wrapped, aad []byte) ([]byte, error) {
	key := keyOf(wrapped, aad)
	c.mu.Lock()
	now := c.o.Now()
	if dek, ok := c.lookup(key, now); ok {
		c.mu.Unlock()
		c.o.Meter.hits.Add(1)
		return dek, nil
	}
	c.o.Meter.misses.Add(1)
	if c.down != nil {
		if age := now.Sub(c.downAt); age >= 0 && age < pauseWhenDown {
			err := c.down
			c.mu.Unlock()
			return nil, err
		}
		c.down = nil
	}
	f, ok := c.flights[key]
	if !ok {
		f = &flight{done: make(chan struct{})}
		c.flights[key] = f
		// One caller's end is not that of the others; a service bounds its calls.
		go c.ask(context.WithoutCancel(ctx), key, f, bytes.Clone(wrapped), bytes.Clone(aad))
	}
	f.waiting++
	c.mu.Unlock()
	select {
	case <-f.done:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f.waiting--
	dek, err := f.take()
	if err == nil && dek == nil {
		err = ctx.Err() // it is still being asked
	}
	return dek, err
}

// take gives a copy of an answer that is there, and wipes it after the last.
func (f *flight) take() ([]byte, error) {
	select {
	case <-f.done:
	default:
		return nil, nil
	}
	dek := bytes.Clone(f.dek)
	if f.waiting == 0 {
		clear(f.dek)
	}
	return dek, f.err
}

// ask asks the service and keeps its answer.
func (c *kekCache) ask(ctx context.Context, key cacheKey, f *flight, wrapped, aad []byte) {
	dek, err := c.KEK.Unwrap(ctx, wrapped, aad)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.o.Meter.answered(err, c.o.Now())
	f.dek, f.err = dek, err
	delete(c.flights, key)
	close(f.done)
	switch {
	case err != nil && transient(err):
		c.down, c.downAt = err, c.o.Now()
	case err == nil:
		c.put(key, dek)
	}
	if f.waiting == 0 {
		clear(f.dek)
	}
}

// keyOf names a DEK by what it is unwrapped from.
func keyOf(wrapped, aad []byte) cacheKey {
	h := sha256.New()
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(wrapped)))
	h.Write(n[:])
	h.Write(wrapped)
	h.Write(aad)
	return cacheKey(h.Sum(nil))
}

// lookup gives a copy of what is kept and not too old; c.mu is held. A clock
// that was set back makes everything too old.
func (c *kekCache) lookup(key cacheKey, now time.Time) ([]byte, bool) {
	e, ok := c.entries[key]
	if !ok {
		return nil, false
	}
	d := e.Value.(*cachedDEK)
	if age := now.Sub(d.at); age < 0 || age >= c.o.Keep {
		c.drop(e)
		return nil, false
	}
	c.recent.MoveToFront(e)
	return bytes.Clone(d.dek), true
}

// put keeps a copy of dek; c.mu is held.
func (c *kekCache) put(key cacheKey, dek []byte) {
	if c.closed || c.o.Keep <= 0 {
		return
	}
	if e, ok := c.entries[key]; ok {
		c.drop(e)
	}
	d := &cachedDEK{key: key, dek: bytes.Clone(dek), at: c.o.Now()}
	e := c.recent.PushFront(d)
	c.entries[key] = e
	c.o.Meter.kept.Add(1)
	d.wipe = time.AfterFunc(c.o.Keep, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.entries[key] == e {
			c.drop(e)
		}
	})
	for c.recent.Len() > c.o.Size {
		c.drop(c.recent.Back())
	}
}

// drop wipes and forgets; c.mu is held.
func (c *kekCache) drop(e *list.Element) {
	d := c.recent.Remove(e).(*cachedDEK)
	d.wipe.Stop()
	clear(d.dek)
	delete(c.entries, d.key)
	c.o.Meter.kept.Add(-1)
}

// Close wipes what is kept and keeps nothing more.
func (c *kekCache) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for c.recent.Len() > 0 {
		c.drop(c.recent.Back())
	}
	return nil
}
