package wire

import (
	"bufio"
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/weighbridge/weighbridge/auth"
)

// Dest is where a request goes and for whom. Connections and TLS sessions are
// never shared between different Dests.
type Dest struct {
	// Team is the id of the team the request belongs to.
	Team string
	// Scheme is "https" or "http".
	Scheme string
	// Host is a lower-case name without trailing dot, or an IP address without
	// brackets; the certificate must be valid for it.
	Host string
	Port uint16
	// Opened says that the operator allowed exactly this host and port, whatever
	// its address, to who comes by a certain way: other ways never share it.
	Opened bool
}

// ClientOptions say how upstreams are reached. Dial is required; the zero
// value of everything else is its default.
type ClientOptions struct {
	// Dial returns a TCP connection to a checked address of d: it is
	// guard.Dialer.Dial, called with d.Host and d.Port.
	Dial func(ctx context.Context, d Dest) (net.Conn, error)
	// Reuse, if not nil, is asked before a kept connection is used again, with
	// the connection that Dial returned; an error closes it and another is
	// dialled. What it said last of a connection holds for a second: whoever
	// changes what it says calls CloseIdle. It is guard.Dialer.Recheck.
	Reuse func(d Dest, c net.Conn) error
	// TLS is the base configuration, of which only RootCAs, MinVersion (1.2 at
	// least), Time and VerifyConnection (an operator's own policy, beside and
	// not in place of verification) are used. There is no way to turn
	// verification off.
	TLS     *tls.Config
	Buffers *Buffers
	// Shares give streams turns at the processors; nil lets all run at once.
	Shares *Shares
	// IdleTimeout is how long an unused connection is kept. Default 60 s.
	IdleTimeout time.Duration
	// StallTimeout is how long an upstream may send, or take, not a single
	// byte of a body. Default 60 s (upstream.idle_timeout).
	StallTimeout time.Duration
	// WorkerStallTimeout is how long a worker may take not a single byte of a
	// body. Default 2 min.
	WorkerStallTimeout time.Duration
	// ConnectTimeout bounds dialling and the TLS handshake, each. Default 10 s.
	ConnectTimeout time.Duration
	// HeaderTimeout bounds the wait for the answer's head after the request
	// was sent. Default 60 s.
	HeaderTimeout time.Duration
	// MaxIdle bounds the unused connections kept in all (default 512) and
	// MaxIdlePerDest those of one Dest (default 64).
	MaxIdle, MaxIdlePerDest int
}

// Client sends requests to upstreams over connections of its own, which it
// keeps for reuse by Dest. All methods may be used by any number of
// goroutines.
type Client struct {
	o ClientOptions

	mu         sync.Mutex
	dests      map[Dest]*dest
	recent     *list.List // of *dest, the most recently used first
	idle       int        // unused connections in all
	sweep      *time.Timer
	generation uint64 // grows with CloseIdle
	closed     bool
}

// NewClient makes a client.
func NewClient(o ClientOptions) *Client {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.IdleTimeout, 60*time.Second)
	def(&o.StallTimeout, 60*time.Second)
	def(&o.WorkerStallTimeout, 2*time.Minute)
	def(&o.ConnectTimeout, 10*time.Second)
	def(&o.HeaderTimeout, 60*time.Second)
	if o.MaxIdle <= 0 {
		o.MaxIdle = 512
	}
	if o.MaxIdlePerDest <= 0 {
		o.MaxIdlePerDest = 64
	}
	return &Client{o: o, dests: map[Dest]*dest{}, recent: list.New()}
}

const (
	// maxInterim bounds the 1xx answers before the real one.
	maxInterim = 8
	// smallBody is the largest body of known length that is read at once, so
	// that its connection is free before the worker has taken it.
	smallBody = 64 << 10
)

// Do sends req to d and reads the head of the answer into resp, which should
// be the worker's ctx.Response: fields such as Date survive only where
// fasthttp parsed them in place. Everything in req leaves as it is (call
// req.Header.DisableNormalizing() before adding fields, and do not touch
// req.URI()): req.Header.SetRequestURI takes the path and query bytes,
// req.Header.SetHost the Host. The body is req.Body() or its stream; a stream
// with ContentLength -1 is sent chunked. Expect is not sent: 100-continue is
// between a worker and us.
//
// Fields that are hop-by-hop (Connection and those it names, Keep-Alive,
// Proxy-Connection, TE, Trailer, Transfer-Encoding, Upgrade) are removed from
// resp: RFC 9110 section 7.6.1. The answer's body is not in resp: the returned
// Body has it, and must be closed or attached to a response. The context
// bounds the exchange up to the end of the body: when it ends, the upstream
// connection is closed.
//
// A request without a body whose method is safe is sent once more, over a new
// connection, where a kept one turned out to be closed before a single byte
// of the answer came.
//
// Errors are *auth.Error with CodeUpstreamTLS, CodeUpstreamUnreachable,
// CodeUpstreamTimeout, CodeUpstreamProtocol, or what Dial returned; or
// CodeBadRequest for a request that cannot be sent as it is. After an error
// resp is reset and nothing needs to be closed.
func (c *Client) Do(ctx context.Context, d Dest, req *fasthttp.Request, resp *fasthttp.Response) (*Body, error) {
	return c.DoWhile(ctx, d, req, resp, nil)
}

// DoWhile is Do that calls sent, which may be nil, once nothing is left to do
// but to wait for the answer: each time where the request is sent once more.
// What sent does costs the time that the upstream takes anyway.
func (c *Client) DoWhile(ctx context.Context, d Dest, req *fasthttp.Request, resp *fasthttp.Response, sent func()) (*Body, error) {
	b, _, err := c.do(ctx, d, req, resp, sent, "")
	return b, err
}

// do is DoWhile and Upgrade; protocol is empty for the former.
func (c *Client) do(ctx context.Context, d Dest, req *fasthttp.Request, resp *fasthttp.Response, sent func(), protocol string) (*Body, *Switched, error) {
	c.mu.Lock()
	generation := c.generation
	c.mu.Unlock()
	if d.Scheme != "https" && d.Scheme != "http" {
		resp.Reset() // never in clear by mistake
		return nil, nil, auth.NewError(auth.CodeInternal, "an internal error", errors.New("wire: the scheme is "+d.Scheme))
	}
	if protocol != "" {
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", protocol)
	}
	out, err := newOutgoing(req)
	if err != nil {
		resp.Reset()
		return nil, nil, err
	}
	var u *upstream
	if out.protocol = protocol; protocol == "" {
		u = c.take(d)
	}
	for ; ; u = nil {
		if u == nil {
			var err error
			if u, err = c.dial(ctx, d); err != nil {
				resp.Reset()
				return nil, nil, notSent(err)
			}
		}
		x := &exchange{u: u, ctx: ctx, out: out, resp: resp, sent: sent, generation: generation}
		b, err := x.run()
		if err == nil {
			return b, x.switched, nil
		}
		resp.Reset()
		if u.reused && out.repeatable && !x.answered && ctx.Err() == nil && isBroken(err) {
			continue
		}
		return nil, nil, x.public(err)
	}
}

// exchange is one request on one connection.
type exchange struct {
	u    *upstream
	ctx  context.Context
	out  *outgoing
	resp *fasthttp.Response

	sent       func()
	br         *bufio.Reader
	upload     *upload
	leash      leash
	answered   bool // a byte of the answer has come
	cut        bool // the request could not be sent whole
	generation uint64
	switched   *Switched // what the connection became

	mu    sync.Mutex // guards final, and the read deadline that awaitHead sets
	final bool       // the answer's head was read
}

// awaitHead bounds the wait for the answer's head from now on, unless it has
// come: the deadline is then that of the body, or of another exchange. The
// upload calls it, beside the reading.
func (x *exchange) awaitHead(limit time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.final {
		_ = x.u.base.SetReadDeadline(time.Now().Add(limit))
	}
}

// headCame is called when the answer's head was read.
func (x *exchange) headCame() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.final = true
}

// run sends the request and reads the answer's head. After an error the
// connection is closed and nothing is held any more.
func (x *exchange) run() (b *Body, err error) {
	u, held := x.u, true
	x.leash = leashed(x.ctx, u)
	x.br = getReader(u.net)
	defer func() {
		if !held {
			return
		}
		u.close()
		x.leash.free(u)
		x.upload.abort()
		putReader(x.br)
	}()
	limit := u.c.o.HeaderTimeout
	u.base.setWriteIdle(u.c.o.StallTimeout)
	if err := x.out.send(u); err != nil {
		// An upstream may answer and close without reading the request.
		if !isBroken(err) || x.out.repeatable {
			return nil, err
		}
		x.cut = true
	} else if x.out.stream != nil {
		u.base.setReadIdle(0)
		_ = u.base.SetReadDeadline(time.Time{})
		// The answer may come at any time: while the request is on its way
		// nobody waits for it by a clock but the upload's own, with whose end,
		// good or bad, the wait for the answer begins.
		x.upload = startUpload(u, x.out, func() { x.awaitHead(limit) })
	}
	if x.upload == nil {
		u.base.boundRead(limit)
	}
	if x.sent != nil {
		x.sent()
	}
	h, err := x.readAnswer()
	if err != nil {
		if failed := x.upload.failure(); failed != nil {
			return nil, failed // why the worker's body could not be read
		}
		return nil, err
	}
	x.headCame()
	held = false // from here on they are the body's
	if h.status == fasthttp.StatusSwitchingProtocols {
		return nil, x.switchOver()
	}
	return x.body(h)
}

// readAnswer reads heads until one is final, checks it and parses it into resp.
func (x *exchange) readAnswer() (head, error) {
	for range maxInterim {
		raw, err := readHeadFrom(&x.br, x.u.net)
		x.answered = x.answered || x.br.Buffered() > 0 || len(raw) > 0
		if err != nil {
			return head{}, err
		}
		h, err := parseAnswerHead(raw)
		if err != nil {
			return head{}, &protocolError{err}
		}
		switching := h.status == fasthttp.StatusSwitchingProtocols
		if switching && x.out.protocol == "" {
			return head{}, &protocolError{errors.New("the upstream switched protocols unasked")}
		}
		if h.status < 200 && !switching {
			_, _ = x.br.Discard(len(raw))
			continue
		}
		x.resp.Reset()
		x.resp.Header.DisableNormalizing()
		x.resp.Header.SetNoDefaultContentType(true)
		var named []string // the head's bytes are about to go
		for _, n := range h.named {
			named = append(named, string(n))
		}
		rest := x.br.Buffered() - len(raw)
		if err := x.resp.Header.Read(x.br); err != nil || x.br.Buffered() != rest {
			return head{}, &protocolError{errors.New("a field is not acceptable")}
		}
		if h.joined { // of several fields only the last was kept
			x.resp.Header.SetContentEncodingBytes(h.encoding)
		}
		if switching && !equalFold(x.resp.Header.Peek("Upgrade"), x.out.protocol) {
			return head{}, &protocolError{errors.New("the upstream switched to another protocol than was asked for")}
		}
		dropHopByHop(&x.resp.Header, named)
		return h, nil
	}
	return head{}, &protocolError{errors.New("too many interim answers")}
}
