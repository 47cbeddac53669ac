package lifecycle

import (
	"context"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// step does what is due and returns how long nothing is.
func (e *Engine) step(ctx context.Context) time.Duration {
	e.mu.Lock()
	dirty := e.dirty
	e.dirty = false
	e.mu.Unlock()
	st, err := e.o.Store.State(ctx)
	if err != nil {
		e.touch()
		if ctx.Err() == nil {
			e.o.Observer.Failed(err)
		}
		return tick
	}
	now := e.o.Now()
	e.mu.Lock()
	if e.dirty { // st may be older than what was stored meanwhile
		e.mu.Unlock()
		return time.Millisecond
	}
	back := e.last.Sub(now)
	e.last = now
	jumped := back > tick
	if jumped {
		e.moved(back)
	}
	if dirty || jumped || st.Revision != e.revision {
		e.rebuild(&st, now)
		e.next = now
	}
	var ended []*entry
	if !now.Before(e.next) {
		ended = e.look(now)
	}
	wait := min(max(e.next.Sub(now), 0), tick)
	e.mu.Unlock()
	if jumped {
		e.o.Observer.ClockMoved(back)
	}
	for _, en := range ended {
		e.expire(ctx, en)
	}
	if wait == 0 {
		wait = time.Millisecond // what is due waits for a slot, whose holder wakes us
	}
	return wait
}

// look starts what is due, and returns what has ended. It sets e.next. e.mu is
// held.
func (e *Engine) look(now time.Time) (ended []*entry) {
	next := now.Add(time.Hour)
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	for _, en := range e.entries {
		if !en.end.IsZero() {
			if !now.Before(en.end) {
				ended = append(ended, en)
				sooner(now.Add(tick)) // where it could not be stored
				continue
			}
			sooner(en.end)
			sooner(e.warn(en, now))
		}
		due := en.when(now)
		if due.IsZero() || en.flight != nil || e.closed {
			continue
		}
		if now.Before(due) {
			sooner(due)
			continue
		}
		// One slot stays for those who wait.
		if e.running >= max(cap(e.slots)-1, 1) {
			continue // whoever ends wakes us
		}
		if free := e.gates.reserve(en.host, time.Now()); free > 0 {
			sooner(now.Add(free))
			continue
		}
		e.launch(en, true, "", auth.Event{})
	}
	e.next = next
	return ended
}

// warn says ahead that en will end, and returns when to say it next.
func (e *Engine) warn(en *entry, now time.Time) time.Time {
	left := en.end.Sub(now)
	said := en.warned
	for en.warned < len(warnings) && left <= warnings[en.warned] {
		en.warned++
	}
	if en.warned > said && !e.closed {
		e.runs.Add(1)
		go func(id string) {
			defer e.runs.Done()
			if c, ok := e.find(e.ctx, id); ok {
				e.o.Observer.Expiring(c, left)
			}
		}(en.id)
	}
	if en.warned == len(warnings) {
		return time.Time{}
	}
	return en.end.Add(-warnings[en.warned])
}

// find reads a credential as it stands.
func (e *Engine) find(ctx context.Context, id string) (auth.Credential, bool) {
	st, err := e.o.Store.State(ctx)
	if err != nil {
		return auth.Credential{}, false
	}
	for i := range st.Credentials {
		if st.Credentials[i].ID == id {
			return st.Credentials[i], true
		}
	}
	return auth.Credential{}, false
}

// expire ends a credential whose time has come.
func (e *Engine) expire(ctx context.Context, en *entry) {
	ended := false
	c, err := e.o.Store.JudgeCredential(ctx, en.id, en.version, func(c *auth.Credential) {
		ended = Expire(c, e.o.Now())
	}, auth.Event{Actor: "system"})
	switch {
	case err == nil && ended:
		e.o.Observer.Expired(c)
	case err != nil && ctx.Err() == nil:
		e.o.Observer.Failed(err)
	}
	e.touch()
}

// touch has the entries made anew.
func (e *Engine) touch() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dirty = true
}
