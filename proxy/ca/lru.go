package ca

import (
	"container/list"
	"sync"
)

// lru holds at most size entries and forgets the one used longest ago. What it
// forgets stays good for whoever still holds it.
type lru[K comparable, V any] struct {
	mu    sync.Mutex
	size  int
	order *list.List // of *pair, the latest used first
	byKey map[K]*list.Element
}

type pair[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](size int) *lru[K, V] {
	return &lru[K, V]{size: size, order: list.New(), byKey: map[K]*list.Element{}}
}

// get returns the entry of k, made where it is missing. make runs under the
// cache's lock and must be quick: slow work belongs into the entry, behind a
// lock of its own, so that one key's callers wait for one another only.
func (c *lru[K, V]) get(k K, make func() V) V {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[k]; ok {
		c.order.MoveToFront(e)
		return e.Value.(*pair[K, V]).value
	}
	v := make()
	c.byKey[k] = c.order.PushFront(&pair[K, V]{k, v})
	if c.order.Len() > c.size {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.byKey, last.Value.(*pair[K, V]).key)
	}
	return v
}

func (c *lru[K, V]) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}

func (c *lru[K, V]) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.order.Init()
	clear(c.byKey)
}
