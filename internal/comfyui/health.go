package comfyui

import (
	"context"
	"sync"
	"time"
)

// patience is how many checks in a row have to fail before a server is not
// available any more: one that computes may be late with one answer.
const patience = 2

// Run asks every server how it is, at once and then every Interval, until ctx
// ends.
func (r *Route) Run(ctx context.Context) {
	for ctx.Err() == nil {
		r.mu.Lock()
		set, servers, changed := r.set, r.servers, r.changed
		r.mu.Unlock()
		var asked sync.WaitGroup
		for _, s := range servers {
			asked.Go(func() { r.check(ctx, s, set) })
		}
		asked.Wait()
		r.pause(ctx, set.Interval, changed)
	}
}

// pause waits for the next round, or for other settings. Without servers there
// is nothing else to wait for.
func (r *Route) pause(ctx context.Context, d time.Duration, changed <-chan struct{}) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if d <= 0 {
		select {
		case <-changed:
		case <-ctx.Done():
		}
		return
	}
	var over sync.WaitGroup
	defer over.Wait()
	over.Go(func() {
		select {
		case <-changed:
			stop()
		case <-ctx.Done():
		}
	})
	_ = r.o.Wait(ctx, d)
	stop()
}

// check asks one server.
func (r *Route) check(ctx context.Context, s *server, set Settings) {
	ctx, stop := context.WithTimeout(ctx, set.Timeout)
	defer stop()
	err := r.o.Ask(ctx, s.name+set.Path)
	if err != nil && context.Cause(ctx) == context.Canceled {
		return // we were stopped
	}
	r.mu.Lock()
	s.failures++
	if err == nil {
		s.failures = 0
	}
	late := err != nil && !s.down && s.failures < patience
	r.mu.Unlock()
	if !late {
		r.note(s, err == nil, err)
	}
}

// note takes down whether a server is available.
func (r *Route) note(s *server, available bool, err error) {
	r.mu.Lock()
	changed := s.down == available
	s.down = !available
	r.mu.Unlock()
	if changed && r.o.Changed != nil {
		r.o.Changed(s.name, available, err)
	}
}
