package proxy

import (
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/weighbridge/weighbridge/auth"
)

// Tracer is told of every request once it has ended, its legs with it. Trace
// must be quick, and t is its own from then on.
type Tracer interface {
	Trace(t *Trace)
}

// Trace is one request, told by when things happened. Parent apart, none of its
// strings is a worker's own: it has no path, no query, no header, and no name
// that somebody gave a key or a credential.
type Trace struct {
	Sample
	// RequestID is that of its log line.
	RequestID string
	// Method is the request's, or "_OTHER" (http.request.method of OpenTelemetry's
	// conventions) where that is none of HTTP's own.
	Method string
	// CredentialID is that of the decision, or empty.
	CredentialID string
	// Parent is the worker's traceparent (W3C Trace Context, section 3.2), not
	// looked into; empty where there is not exactly one.
	Parent         string
	Started, Ended time.Time
	// Failed says that the request was refused or broke off. Where the Code is
	// empty then, it was the worker that went away.
	Failed    bool
	Decisions []TracedDecision
	// Legs are the requests to upstreams that it took, at most maxLegs; Resumed
	// counts all but the first of an answer.
	Legs []Leg
}

// TracedDecision is a decision about a request. It is made anew for each leg.
type TracedDecision struct {
	At time.Time
	// Outcome is "inject", "bare" or "deny".
	Outcome string
	// Code is set where it denies.
	Code auth.Code
}

// Leg is one request to an upstream.
type Leg struct {
	// RequestID is that of its events: each leg is on record by itself.
	RequestID string
	// Host is empty where it would show a key.
	Host string
	Port uint16
	// Head is when the head of the answer was there, zero where there was none.
	Started, Head, Ended time.Time
	// Status is that of the upstream, zero where there was no answer.
	Status int
	// Failed and Code are as those of Trace.
	Failed bool
	Code   auth.Code
}

const (
	// maxLegs bounds what is kept of an answer that breaks off again and again.
	maxLegs = 32
	// maxParent bounds a traceparent: version 00 has 55 bytes, and later ones may
	// have more.
	maxParent = 256
)

// traced are the methods of RFC 9110, section 9, and RFC 5789.
var traced = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

// beginTrace makes the exchange remember what a Tracer is told in the end.
func (x *exchange) beginTrace() {
	x.trace = &Trace{Method: "_OTHER", Started: x.started}
	if i := slices.Index(traced, x.method); i >= 0 {
		x.trace.Method = traced[i]
	}
	if v := x.fields.Values("Traceparent"); len(v) == 1 && len(v[0]) <= maxParent {
		x.trace.Parent = strings.Clone(v[0]) // the rest of the header is not kept
	}
}

// traceDecision notes what was decided, err being the refusal.
func (x *exchange) traceDecision(err *auth.Error) {
	if x.trace == nil || len(x.trace.Decisions) == maxLegs {
		return
	}
	d := TracedDecision{At: x.p.o.Now(), Outcome: "bare"}
	switch {
	case err != nil:
		d.Outcome, d.Code = "deny", err.Code
	case x.decision.Outcome == auth.Inject:
		d.Outcome = "inject"
	}
	x.trace.Decisions = append(x.trace.Decisions, d)
}

// beginLeg notes that a request to t begins.
func (x *exchange) beginLeg(t *auth.Target) {
	if x.trace == nil {
		return
	}
	x.inLeg = len(x.trace.Legs) < maxLegs
	if !x.inLeg {
		return
	}
	l := Leg{RequestID: x.id, Port: t.Port, Started: x.p.o.Now()}
	if !x.holds(t.Host) {
		l.Host = strings.Clone(t.Host)
	}
	x.trace.Legs = append(x.trace.Legs, l)
}

// headOfLeg notes the upstream's answer.
func (x *exchange) headOfLeg(status int) {
	if x.inLeg && status > 0 {
		l := &x.trace.Legs[len(x.trace.Legs)-1]
		l.Head, l.Status = x.p.o.Now(), status
	}
}

// endLeg ends the leg that is under way, if there is one.
func (x *exchange) endLeg(failure *auth.Error, now time.Time) {
	if !x.inLeg {
		return
	}
	x.inLeg = false
	l := &x.trace.Legs[len(x.trace.Legs)-1]
	l.Ended = now
	if failure != nil {
		l.Failed, l.Code = true, failure.Code
	}
}

// endTrace hands the trace over. Requests for weighbridge itself that were
// answered are probes, and have none; of strangers there are only so many a
// second, as in the log.
func (x *exchange) endTrace(s *Sample, now time.Time) {
	t := x.trace
	if t == nil || x.probes() || x.strange() && !x.p.strangeTraces.Sample(zerolog.InfoLevel) {
		return
	}
	t.Sample, t.RequestID, t.CredentialID, t.Ended, t.Failed = *s, x.id, x.decision.CredentialID, now, x.failure != nil
	x.p.o.Tracer.Trace(t)
}
