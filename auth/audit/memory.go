package audit

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
)

// Memory keeps events in memory as they came, without bound, quota or chain,
// and is durable at once: for tests. A record without a disk is OpenMemory's.
type Memory struct {
	now func() time.Time

	mu      sync.Mutex
	events  []auth.Event
	err     *auth.Error
	changed chan struct{}
}

// NewMemory makes an empty sink. now may be nil.
func NewMemory(now func() time.Time) *Memory {
	if now == nil {
		now = time.Now
	}
	return &Memory{now: now, changed: make(chan struct{})}
}

// Fail trips the sink with this error, or heals it with nil.
func (m *Memory) Fail(err *auth.Error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// Record implements the method of [File].
func (m *Memory) Record(e auth.Event) auth.Ticket {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil && e.Action == auth.ActionUsed {
		return settled{m.err}
	}
	if e.Time.IsZero() {
		e.Time = m.now()
	}
	if e.ID == "" {
		e.ID = auth.NewID(e.Time)
	}
	if e.Outcome == "" {
		e.Outcome = auth.OutcomeOf(&e)
	}
	m.events = append(m.events, e)
	close(m.changed)
	m.changed = make(chan struct{})
	if m.err != nil {
		return settled{m.err}
	}
	return settled{}
}

// Err implements the method of [File].
func (m *Memory) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	return nil
}

// All returns a copy of everything recorded.
func (m *Memory) All() []auth.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.events)
}

// Events implements the method of [File].
func (m *Memory) Events(ctx context.Context, since time.Time, yield func(auth.Event) bool) error {
	for _, e := range m.All() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !e.Time.Before(since) && !yield(e) {
			return nil
		}
	}
	return nil
}

// Follow implements the method of [File].
func (m *Memory) Follow(ctx context.Context, since time.Time, yield func(auth.Event) bool) error {
	m.mu.Lock()
	at := 0
	if since.IsZero() {
		at = len(m.events)
	}
	m.mu.Unlock()
	for {
		m.mu.Lock()
		events, changed := m.events, m.changed
		m.mu.Unlock()
		for ; at < len(events); at++ {
			if e := &events[at]; !e.Time.Before(since) && !yield(*e) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// Lines yields nothing: what is in memory is in no chain.
func (m *Memory) Lines(context.Context, time.Time, func(string, int, []byte) bool) error { return nil }

// Verify reads nothing.
func (m *Memory) Verify(context.Context, *chain.Verifier) error { return nil }

// Close implements the method of [File].
func (m *Memory) Close() error { return nil }

// sink is what File and Memory have in common. Consumers declare what they
// need of it themselves.
type sink interface {
	Record(e auth.Event) auth.Ticket
	Err() error
	Events(ctx context.Context, since time.Time, yield func(auth.Event) bool) error
	Follow(ctx context.Context, since time.Time, yield func(auth.Event) bool) error
	Lines(ctx context.Context, since time.Time, yield func(file string, n int, line []byte) bool) error
	Verify(ctx context.Context, v *chain.Verifier) error
	Close() error
}

var (
	_ sink = (*File)(nil)
	_ sink = (*Memory)(nil)
)
