package proxy

import (
	"context"
	"errors"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// event is what every event about the exchange has in common. It never holds
// a query.
func (x *exchange) event(action string, at time.Time) auth.Event {
	d := &x.decision
	e := auth.Event{
		Action: action, Time: at, TeamID: x.identity.TeamID, RequestID: x.id,
		Address: x.peer, KeyID: x.identity.KeyID, KeyName: x.identity.KeyName,
		CredentialID: d.CredentialID, CredentialName: d.CredentialName, Version: d.Version,
		Rule: d.Rule, Mode: x.recordMode(), Method: x.method, Reason: x.more.reason + d.Reason,
	}
	if x.target.Host != "" {
		e.Scheme, e.Host, e.Path = x.target.Recorded()
	}
	if x.identity.KeyName != "" {
		e.Actor = "key:" + x.identity.KeyName
	}
	return e
}

// summarised reports whether requests like this one are summed up by the
// minute and not recorded one by one: those to companion hosts that get
// nothing put on, of which one download makes thousands.
func (x *exchange) summarised() bool {
	return x.decision.Outcome == auth.Bare && x.decision.Companion
}

// admit puts the use on record, or refuses because that cannot be done now.
// The ticket is nil for what is summed up.
func (x *exchange) admit() (auth.Ticket, *auth.Error) {
	if err := x.p.o.Recorder.Err(); err != nil {
		return nil, unrecordable(err)
	}
	x.admitted = true
	if d := &x.decision; d.Outcome == auth.Inject && x.p.o.Seen != nil {
		x.p.o.Seen(d.CredentialID, x.peer, x.at)
	}
	if x.summarised() {
		return nil, nil
	}
	use := x.p.o.Recorder.Record(x.event(auth.ActionUsed, x.at))
	if s, ok := use.(auth.Settled); ok && s.Settled() != nil {
		x.admitted = false // there is nothing on record that would need an end
		return nil, unrecordable(s.Settled())
	}
	return use, nil
}

// await waits until the use is durable.
func (x *exchange) await(use auth.Ticket) *auth.Error {
	ctx := x.context()
	if x.transfer != nil {
		ctx = x.transfer.ctx
	}
	err := use.Wait(ctx)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		// Nobody waits any more, but the use may be on record: its end will be.
		return workerGone(context.Cause(ctx))
	}
	x.admitted = false // there is nothing on record that would need an end
	return unrecordable(err)
}

func unrecordable(err error) *auth.Error {
	if e, ok := errors.AsType[*auth.Error](err); ok && e.Code == auth.CodeStoreUnavailable {
		return e // not the record's
	}
	return auth.NewError(auth.CodeAuditUnavailable, "the use cannot be put on record, so the request is not served", err)
}

// recordDenial records a refusal to somebody who was identified. Who is not is
// only counted: strangers could fill the disk.
func (x *exchange) recordDenial(err *auth.Error) {
	if x.identity.KeyID == "" || x.admitted {
		return
	}
	e := x.event(auth.ActionDenied, x.p.o.Now())
	e.Code, e.Reason = err.Code, x.more.reason+err.Reason
	if d := &x.decision; d.Detail != "" && d.Code == err.Code {
		e.Reason += "; " + d.Detail
	}
	if gathers(err.Code) && !x.p.repeats.add(e, e.Time) {
		return
	}
	x.p.record(e)
}

// record puts an event on record that nobody waits for.
func (p *Proxy) record(e auth.Event) { p.o.Recorder.Record(e) }

// recordEnd records how what was admitted last ended. sent is what the worker
// has got by now of the whole answer.
func (x *exchange) recordEnd(sent int64, failure *auth.Error, now time.Time) {
	x.endLeg(failure, now)
	if !x.admitted {
		return
	}
	status, since := x.status, x.started
	if m := &x.more; m.count > 0 {
		since = m.since
		if m.late {
			status = m.status
		}
	}
	action := auth.ActionFinished
	if x.summarised() {
		action = auth.ActionSummary
	}
	e := x.event(action, now)
	e.Status, e.Bytes, e.Duration, e.Reason = status, sent-x.more.sent, now.Sub(since), ""
	if failure != nil {
		e.Code, e.Reason = failure.Code, failure.Reason
	}
	x.p.o.Recorder.Record(e)
	x.more.sent = sent
}

// restart ends one request to the upstream, with failure where it is not nil,
// and makes the exchange ready for another one in its place.
func (x *exchange) restart(failure *auth.Error) {
	x.refresh()
	x.recordEnd(0, failure, x.at)
	x.admitted, x.status = false, 0
	x.id = auth.NewID(x.at)
}
