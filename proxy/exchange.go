package proxy

import (
	"context"
	"io"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/box"
	"github.com/weighbridge/weighbridge/proxy/wire"
)

// mode is how a request came to us.
type mode uint8

const (
	// own requests are for weighbridge itself.
	own mode = iota
	// forward requests name the upstream as a proxy's clients do.
	forward
	// reverse requests name the upstream in their path.
	reverse
	// blind is a tunnel that is not looked into.
	blind
	// fronted requests speak the front's protocol to our own listener.
	fronted
)

// String is the mode in the words of the record; that of fronted requests is
// the name of the front.
func (m mode) String() string {
	switch m {
	case forward, blind:
		return "forward"
	case reverse:
		return "reverse"
	default:
		return "own"
	}
}

// An exchange is one request and what becomes of it, in our own words: every
// string is a copy, and nothing but line knows the HTTP library. It belongs
// to the goroutine of its connection.
type exchange struct {
	p    *Proxy
	line line
	// policy and snap stand for the whole exchange.
	policy *policy
	snap   *auth.Snapshot

	id      string
	started time.Time
	// at is the time by which everything about the request is decided.
	at time.Time
	// peer is the worker's address without port.
	peer string
	// secure says that the worker speaks TLS to our own listener.
	secure bool
	// tunnel is the intercepted tunnel in which the request came, or nil.
	tunnel *tunnel

	mode   mode
	method string
	// uri is the request target as it came.
	uri string
	// authority is the Host field.
	authority string
	http10    bool
	fields    fields
	// length is that of the request's body; -1 is chunked.
	length int64
	// body is the request's body where it was read to decide.
	body    []byte
	hasBody bool

	target auth.Target
	// back is how URLs of the target's host are written so that the worker
	// reaches them through us (reverse mode).
	back wayBack
	// box is the sealed URL by which the request came, or nil.
	box *box.Box
	// picking is about the route that picks the upstream, or nil. upgrading says
	// that the request asks for a WebSocket, switched is what it got.
	picking   *picking
	upgrading bool
	switched  *wire.Switched
	// entry is what the front made of the request, or nil.
	entry *auth.Entry

	who      evidence
	identity auth.Identity
	decision auth.Decision
	decided  bool

	// admitted says that the use is on record, so its end must be as well.
	admitted bool
	transfer *transfer
	// occupies is the key whose transfers this one is counted among, or empty.
	occupies string
	// metered says that it is counted among the requests of its key, pace is
	// that of its bodies, or nil.
	metered   bool
	pace      *wire.Pace
	firstByte time.Duration
	// status is that of the answer as the worker sees it.
	status  int
	failure *auth.Error
	ended   bool
	// astray says that the answer holds a URL that cannot be led back.
	astray bool
	// sent says that a request went to the upstream, or began to.
	sent bool
	// inLeg says that the last leg of trace is under way.
	inLeg bool
	// held is the answer where it is in memory.
	held held
	// more is about the requests beyond the first that the answer took.
	more more
	// trace is what a Tracer is told in the end, nil where there is none.
	trace *Trace
}

// recordMode is the mode in the words of the record.
func (x *exchange) recordMode() string {
	if x.mode == fronted {
		return x.p.o.Front.Name()
	}
	return x.mode.String()
}

// toUs reports whether the worker addressed our own listener as if it were the
// upstream.
func (x *exchange) toUs() bool { return x.mode == reverse || x.mode == fronted }

// refresh takes the state of the moment to decide by.
func (x *exchange) refresh() { x.snap, x.at = x.p.o.Snapshot(), x.p.o.Now() }

// safe reports whether the request only reads, by its method (RFC 9110, section
// 9.2.1) and by what the route says of it.
func (x *exchange) safe() bool {
	if p := x.picked(); p != nil && p.Write {
		return false
	}
	return x.method == "GET" || x.method == "HEAD" || x.method == "OPTIONS"
}

// aim takes t as what is asked for. A key of ours in it would reach the
// upstream, from where it cannot be taken without changing what was asked for;
// it is not recorded either.
func (x *exchange) aim(t auth.Target) *auth.Error {
	where := ""
	if x.holds(t.RawQuery) {
		where = "the query"
	}
	if x.holds(t.Path) {
		where = "the path"
		t.Path = "/" + auth.Redacted
	}
	x.target = t
	if where != "" {
		return carriesKey(where)
	}
	return nil
}

func carriesKey(where string) *auth.Error {
	return &auth.Error{
		Code: auth.CodeBadRequest, Reason: "the request carries an API key of weighbridge in " + where + ", from where it would reach the upstream",
		Next: "Send the key only where weighbridge reads it: Proxy-Authorization, Authorization, X-Weighbridge-Key, or a URL key in the path.",
	}
}

// context ends when the worker is gone, we are stopped, or the answer is out.
func (x *exchange) context() context.Context { return x.line.context() }

// classifiable reads the request's body for a decision. More than a decision
// may read is refused.
func (x *exchange) classifiable() *auth.Error {
	const limit = auth.MaxClassifyBody
	tooLong := &auth.Error{
		Code: auth.CodeScopeForbidden, Reason: "what the request would do cannot be told, because its body is over 64 KiB",
		Next: "Ask for fewer objects in one request; no scope allows a longer one.",
	}
	switch {
	case x.length > limit:
		return tooLong
	case x.length == 0:
		x.hasBody = true
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(x.line.body(), limit+1))
	if err != nil {
		return unreadable(err)
	}
	if len(b) > limit {
		return tooLong
	}
	x.body, x.hasBody = b, true
	return nil
}

// unreadable is the error for a request body that could not be read.
func unreadable(err error) *auth.Error {
	if e := auth.AsError(err); e.Code != auth.CodeInternal {
		return e
	}
	return auth.NewError(auth.CodeBadRequest, "the request's body broke off or is malformed", err)
}
