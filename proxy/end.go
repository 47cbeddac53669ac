package proxy

import (
	"errors"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/wire"
)

// end is called exactly once for each exchange, when its answer is out or has
// broken off: it records, counts and logs. cause is for the log only.
func (x *exchange) end(sent int64, cause error) {
	if x.ended {
		return
	}
	x.ended = true
	x.vacate()
	if x.picking != nil {
		x.unpick()
		x.picking.loan.giveBack()
	}
	now := x.p.o.Now()
	took := now.Sub(x.started)
	if x.transfer != nil {
		x.p.transfers.remove(x.transfer)
	}
	if cause != nil && x.failure == nil {
		x.failure = brokenOff(cause)
	}
	if stopped := x.stopped(cause); stopped != nil && x.failure != nil {
		x.failure, cause = stopped, nil // what broke by that is nobody's fault
	}
	x.recordEnd(sent, x.failure, now)
	if m := x.p.o.Metrics; m != nil || x.trace != nil {
		s := x.sample(sent, took)
		if m != nil {
			m.Observe(s)
		}
		x.endTrace(&s, now)
	}
	x.log(sent, cause, took.Seconds())
}

// sample is what the exchange was, for the metrics.
func (x *exchange) sample(sent int64, took time.Duration) Sample {
	s := Sample{Mode: x.modeName(), Outcome: x.outcome(), Status: x.status, Bytes: sent, Resumed: x.more.count, FirstByte: x.firstByte, Duration: took}
	if x.failure != nil {
		s.Code = x.failure.Code
	}
	if p := x.decision.Provider; p != nil {
		s.Provider = p.Schema().Name
	}
	return s
}

// probes reports whether the request was for weighbridge itself, and answered.
func (x *exchange) probes() bool { return x.mode == own && x.failure == nil }

// strange reports whether the request is nobody's who was identified, or one of
// those refusals that are gathered.
func (x *exchange) strange() bool {
	return x.identity.KeyID == "" || x.failure != nil && gathers(x.failure.Code)
}

// brokenOff is the failure of an answer that did not end well.
func brokenOff(cause error) *auth.Error {
	e := auth.AsError(cause)
	if e.Code == auth.CodeInternal {
		return workerGone(cause)
	}
	return e
}

// workerGone is the failure that is not the upstream's fault and not ours.
// Nobody is there to be answered by it.
func workerGone(cause error) *auth.Error {
	return &auth.Error{Code: "", Status: 503, Reason: "the worker broke off", Cause: cause}
}

// stopped is why the exchange was ended from our side, whatever broke by that;
// nil where it was not.
func (x *exchange) stopped(cause error) *auth.Error {
	if x.transfer != nil {
		if why := x.transfer.why.Load(); why != nil {
			return why
		}
	}
	if errors.Is(cause, wire.ErrStopped) {
		return errStopped()
	}
	return nil
}

func (x *exchange) modeName() string {
	if x.mode == blind {
		return "tunnel"
	}
	return x.recordMode()
}

func (x *exchange) outcome() string {
	switch {
	case x.failure != nil && !x.sent, x.decision.Outcome == auth.Deny && x.mode != own && x.mode != blind:
		return "refused"
	case x.decision.Outcome == auth.Inject:
		return "inject"
	default:
		return "bare"
	}
}

// log writes the one line of the exchange. There is no query in it and no
// header.
func (x *exchange) log(sent int64, cause error, seconds float64) {
	l := x.p.o.Logger
	var e *zerolog.Event
	switch {
	case x.probes():
		e = l.Debug()
	case x.strange():
		e = x.p.strangers.Info()
	case x.failure != nil && x.status >= 500:
		e = l.Warn()
	default:
		e = l.Info()
	}
	if e == nil {
		return
	}
	e = e.Str("request_id", x.id).Str("mode", x.modeName()).Str("method", x.method).Int("status", x.status).
		Int64("bytes", sent).Float64("seconds", seconds).Str("address", x.peer)
	if x.firstByte > 0 {
		e = e.Float64("first_byte", x.firstByte.Seconds())
	}
	if x.target.Host != "" {
		e = e.Str("url", x.target.Redacted())
	}
	if x.identity.KeyID != "" {
		e = e.Str("key_id", x.identity.KeyID).Str("key", x.identity.KeyName)
	}
	d := &x.decision
	if d.CredentialID != "" {
		e = e.Str("credential_id", d.CredentialID).Str("credential", d.CredentialName)
	}
	if d.Rule != "" {
		e = e.Str("rule", d.Rule)
	}
	if x.more.count > 0 {
		e = e.Int("resumed", x.more.count).Str("first_request_id", x.more.first)
	}
	if x.failure != nil {
		e = e.Str("code", string(x.failure.Code)).Str("reason", x.failure.Reason)
	}
	if cause != nil {
		e = e.Str("cause", withoutQueries(cause.Error()))
	}
	e.Msg("request")
}

// withoutQueries cuts what follows "?" up to the end of the word, everywhere
// in s: errors of libraries quote URLs.
func withoutQueries(s string) string {
	if strings.IndexByte(s, '?') < 0 {
		return s
	}
	var b strings.Builder
	cutting := false
	for _, r := range s {
		switch {
		case r == '?':
			cutting = true
		case cutting && strings.ContainsRune(" \t\n\"'`<>)]}", r):
			cutting = false
		}
		if !cutting {
			b.WriteRune(r)
		}
	}
	return b.String()
}
