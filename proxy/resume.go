package proxy

import (
	"context"
	"errors"
	"strconv"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/box"
	"github.com/weighbridge/weighbridge/proxy/wire"
)

// rest asks for what is missing of an answer that broke off, so that its
// worker does not notice: by a request of its own for the bytes from there on,
// which only the same version of the file may answer.
type rest struct {
	x *exchange
	promise
	// mark is what the worker had got when the answer last broke off.
	mark int64
	// renewable says that the URL came to the worker in a sealed one, and that
	// the URL which led there can be asked for another.
	renewable bool
}

// resume returns what to ask for the rest of an answer, or nil where there is
// none or it could not be asked for.
func (x *exchange) resume(h answerHeader, length int64) moreFunc {
	if x.method != "GET" || length <= inMemory || x.target.SignedRange() {
		return nil
	}
	p := promiseOf(h, x.status, length)
	if p.validator == "" {
		return nil
	}
	r := &rest{x: x, promise: p, renewable: x.box != nil && x.box.Kind == box.KindURL}
	return r.next
}

// next is a moreFunc.
func (r *rest) next(sent int64, cause error) (*wire.Body, error) {
	switch {
	case cause == nil && sent == r.length():
		return nil, nil
	case cause == nil:
		cause = auth.NewError(auth.CodeUpstreamUnreachable, r.x.target.Host+" sent less than was asked for", nil)
	case !errors.Is(cause, wire.ErrBroken):
		return nil, cause // the worker's side, or given up
	}
	x := r.x
	if sent-r.mark >= enough {
		x.more.attempts = 0
	}
	r.mark = sent
	for failure := auth.AsError(cause); ; {
		if !x.pause() {
			return nil, cause
		}
		x.resuming(sent, failure)
		body, s := r.attempt(sent, failure)
		if s == nil {
			return body, nil
		}
		failure = s.err
		// The worker is told nothing, so the record and the log are: why it
		// broke off, and why it could not be resumed.
		cause = auth.NewError(failure.Code, failure.Reason, errors.Join(failure, cause))
		if !s.passing {
			return nil, cause
		}
	}
}

// setback is why a request for the rest brought none.
type setback struct {
	err *auth.Error
	// passing ones may be gone after a while.
	passing bool
	// refused says that the upstream refused a URL that carries a signature:
	// it has expired.
	refused bool
	// location is where the upstream sent us instead.
	location string
}

// attempt asks for the rest, and where the signature of a sealed URL has
// expired asks for another one. failure is how the request before ended.
func (r *rest) attempt(sent int64, failure *auth.Error) (*wire.Body, *setback) {
	x := r.x
	renewed := false
	for hops := 0; ; hops++ {
		x.again(sent, failure)
		x.more.late = true
		body, s := r.ask(sent)
		switch {
		case s == nil:
			return body, nil
		case hops == maxHops:
			return nil, s
		case s.refused && r.renewable && !renewed && x.goBack():
			renewed = true
		case s.location != "" && r.renewable && x.follow(s.location):
		default:
			return nil, s
		}
		failure = s.err
	}
}

// ask sends one request for the rest.
func (r *rest) ask(sent int64) (*wire.Body, *setback) {
	x := r.x
	if err := x.judge(); err != nil {
		return nil, x.deny(err)
	}
	if x.box != nil && !x.at.Before(x.box.Expires) {
		return nil, &setback{err: auth.NewError(auth.CodeBoxExpired, "the sealed URL has expired during the transfer", nil), refused: true}
	}
	out, err := x.outgoing(true)
	if err != nil {
		return nil, x.deny(err)
	}
	for _, name := range [...]string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		out.fields.Del(name) // the worker asked once, and this goes on from the answer
	}
	out.fields.Set("Range", r.span(sent))
	out.fields.Set("If-Range", r.validator)
	var s *setback
	body, _, err := x.carry(out, func(ctx context.Context, c *wire.Client, d wire.Dest, out *outgoing) (*wire.Body, error) {
		return x.line.fetch(ctx, c, d, out, func(status int, h answerHeader, length int64) {
			x.more.status = status
			s = r.judge(status, h, length, sent)
		})
	})
	switch {
	case err != nil:
		return nil, &setback{err: err, passing: passes(err) || x.outdated(err)}
	case s != nil:
		_ = body.Close()
		return nil, s
	}
	body.Share(x.identity.KeyID)
	body.Pace(x.pace)
	return body, nil
}

// judge says what keeps an answer from being the rest. nil is nothing.
func (r *rest) judge(status int, h auth.Header, length, sent int64) *setback {
	host := r.x.target.Host
	switch {
	case status == 206:
		if why := r.broken(h, length, sent); why != "" {
			return &setback{err: auth.NewError(auth.CodeUpstreamProtocol, "the rest that "+host+" sent cannot be used: "+why, nil)}
		}
		return nil
	case status == 200:
		return &setback{err: auth.NewError(auth.CodeUpstreamProtocol, "the file at "+host+" has changed, or there are no parts of it to be had", nil)}
	}
	s := &setback{err: auth.NewError(auth.CodeUpstreamUnreachable, host+" answered the request for the rest with status "+strconv.Itoa(status), nil)}
	switch status {
	case 408, 425, 429, 500, 502, 503, 504:
		s.passing = true
	case 401, 403:
		s.refused = r.x.decision.Signed
	case 301, 302, 303, 307, 308:
		s.location = one(h, "Location")
	}
	return s
}

// passes reports whether a request that got no answer may get one later.
func passes(err *auth.Error) bool {
	switch err.Code {
	case auth.CodeUpstreamUnreachable, auth.CodeUpstreamTimeout, auth.CodeAuditUnavailable, auth.CodeStoreUnavailable:
		return true
	}
	return false
}

// deny puts on record that a request for the rest was refused by us. The
// transfer ends with it: a key that has ended gets nothing more.
func (x *exchange) deny(err *auth.Error) *setback {
	x.recordDenial(err)
	return &setback{err: err}
}
