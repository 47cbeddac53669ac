package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// flight is one validation of a stored credential.
type flight struct {
	done chan struct{}
	// What it found, once done is closed.
	credential auth.Credential
	report     auth.Report
	err        error
}

// errClosed is what a validation meets after Close.
var errClosed = errors.New("weighbridge is shutting down")

// Check asks about a credential that is not stored yet, and waits for the
// answer no longer than Patience: where there is none by then it could not be
// told, and the engine asks again once the credential is stored.
func (e *Engine) Check(ctx context.Context, q auth.Inquiry) auth.Report {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	stop := context.AfterFunc(e.ctx, cancel)
	defer stop()
	return e.ask(ctx, q, false)
}

// Validate asks about a stored credential now and stores the report with ev,
// which says who wanted it. It waits no longer than Patience: the validation
// then goes on, and the report says so. resource may name one thing at the
// upstream that the credential should reach.
func (e *Engine) Validate(ctx context.Context, credentialID, resource string, ev auth.Event) (auth.Credential, auth.Report, error) {
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	for {
		c, ok := e.find(ctx, credentialID)
		if !ok {
			return c, auth.Report{}, auth.NewError(auth.CodeBadRequest, "there is no such credential any more", nil)
		}
		e.mu.Lock()
		if e.closed {
			e.mu.Unlock()
			return c, auth.Report{}, errClosed
		}
		en := e.entries[c.ID]
		if en == nil || en.version != c.Version {
			en = e.renew(c.ID, c.Version)
			en.host = e.o.Prober.Host(auth.Inquiry{Credential: c})
		}
		f, mine := en.flight, false
		if f == nil {
			f, mine = e.launch(en, false, resource, ev), true
		}
		e.mu.Unlock()
		select {
		case <-f.done:
			if mine {
				return f.credential, f.report, f.err
			}
			// Somebody else's, which may have been about less: now ours.
		case <-deadline.C:
			return c, unknown(e.o.Now(), "the upstream has not answered yet; the validation goes on", "Look again in a moment."), nil
		case <-ctx.Done():
			return c, auth.Report{}, ctx.Err()
		}
	}
}

// launch starts a validation of en. e.mu is held, and the engine is not closed.
func (e *Engine) launch(en *entry, background bool, resource string, ev auth.Event) *flight {
	f := &flight{done: make(chan struct{})}
	en.flight, en.hinted, en.tried = f, false, e.o.Now()
	if background {
		e.running++
	}
	id, version := en.id, en.version
	e.runs.Add(1)
	go func() {
		defer e.runs.Done()
		ctx, cancel := context.WithTimeout(e.ctx, attempt)
		defer cancel()
		f.credential, f.report, f.err = e.validate(ctx, id, version, resource, background, ev)
		e.land(f, id, version, background)
		close(f.done)
		e.wake()
	}()
	return f
}

// land remembers what f found.
func (e *Engine) land(f *flight, id string, version uint64, background bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dirty = true
	if background {
		e.running--
	}
	en := e.entries[id]
	if en == nil || en.flight != f {
		return
	}
	en.flight = nil
	if en.version != version {
		return
	}
	if f.err == nil && f.report.Verdict != auth.VerdictUnknown && f.report.Verdict != "" {
		en.fails, en.again = 0, time.Time{}
		return
	}
	pending := f.credential.Status == auth.StatusPending
	if e.o.Every < 0 && !pending {
		return
	}
	en.fails++
	wait := e.retry(id, pending, en.fails)
	en.again = e.o.Now().Add(max(wait, f.report.Wait))
}

// validate asks about one version of a stored credential and stores the report.
func (e *Engine) validate(ctx context.Context, id string, version uint64, resource string, background bool, ev auth.Event) (auth.Credential, auth.Report, error) {
	c, ok := e.find(ctx, id)
	if !ok || c.Version != version {
		return c, auth.Report{}, errors.New("the credential has changed meanwhile")
	}
	var r auth.Report
	fields, err := e.o.Store.OpenFields(ctx, id, version)
	if err != nil {
		r = unknown(e.o.Now(), "its fields could not be opened", "Look at the log of weighbridge.")
		e.o.Observer.Failed(err)
	} else {
		r = e.ask(ctx, auth.Inquiry{Credential: c, Fields: fields, Resource: resource}, background)
	}
	if e.ctx.Err() != nil {
		return c, r, errClosed
	}
	var was auth.Status
	ev.Reason = r.Meaning
	if ev.Actor == "" {
		ev.Actor = "system"
	}
	// The time that the probe may take is not the time to store in.
	store, cancel := context.WithTimeout(context.WithoutCancel(ctx), attempt)
	defer cancel()
	judged, err := e.o.Store.JudgeCredential(store, id, version, func(c *auth.Credential) {
		was = c.Status
		Judge(c, r, e.o.Now())
	}, ev)
	if err != nil {
		e.o.Observer.Failed(err)
		return c, r, err
	}
	e.o.Observer.Validated(judged, was, r)
	return judged, r, nil
}

// ask asks the prober once there is a turn and a slot. reserved says that the
// host's turn was taken.
func (e *Engine) ask(ctx context.Context, q auth.Inquiry, reserved bool) auth.Report {
	host := e.o.Prober.Host(q)
	if left := e.gates.shutLeft(host, time.Now()); left > 0 {
		r := unknown(e.o.Now(), fmt.Sprintf("%s asked not to be asked again for %s", host, left.Round(time.Second)), "Wait; it is asked again by itself.")
		r.Wait = left
		return r
	}
	for !reserved {
		wait := e.gates.reserve(host, time.Now())
		if wait == 0 {
			break
		}
		if !sleep(ctx, wait) {
			return late(e.o.Now(), host)
		}
	}
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	case <-ctx.Done():
		return late(e.o.Now(), host)
	}
	r := e.o.Prober.Probe(ctx, q)
	r.At = e.o.Now().UTC()
	if r.Verdict == "" {
		r.Verdict = auth.VerdictUnknown
	}
	e.gates.shutFor(host, time.Now(), r.Wait)
	return r
}

// late is the report where the time was over before anybody was asked.
func late(now time.Time, host string) auth.Report {
	return unknown(now, host+" could not be asked in time, because others were asked first", "It is asked again by itself.")
}

// sleep reports whether d passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
