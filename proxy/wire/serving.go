package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/weighbridge/weighbridge/auth"
)

// firstRead is what an idle connection waits with: most heads fit, so that
// they take one system call, and the big buffer is taken only when a request
// is there.
const firstRead = 1 << 10

// serving is one worker connection.
type serving struct {
	s     *Server
	c     net.Conn
	base  *Conn
	h     fasthttp.RequestHandler
	inner bool // of ServeConn
	// state says who may close the connection while it waits.
	state atomic.Int32

	first [firstRead]byte
	pre   []byte        // of first, not taken yet
	br    *bufio.Reader // nil while idle

	// The rest belongs to the request that runs.
	body   *requestBody
	hijack func(c net.Conn, early []byte)
	broken bool // BreakAfter

	mu     sync.Mutex      // guards the rest
	ctx    *requestContext // written by the connection's goroutine alone
	look   *time.Timer     // looks at the worker's connection; nil until it is needed
	armed  bool            // look runs
	looked bool            // the request that runs wants it to
}

const (
	waiting int32 = iota // for a request, with nothing of it read
	working
	woken // told to end
)

func newServing(s *Server, c net.Conn, h fasthttp.RequestHandler, inner bool) *serving {
	base := Under(c)
	if base == nil {
		base = NewConn(c)
		c = base
	}
	return &serving{s: s, c: c, base: base, h: h, inner: inner}
}

// wake ends the connection where it waits for a request.
func (x *serving) wake() {
	if x.state.CompareAndSwap(waiting, woken) {
		_ = x.c.SetReadDeadline(longAgo)
	}
}

// Read gives the first bytes again and then reads on: what the request's
// bufio.Reader reads from.
func (x *serving) Read(p []byte) (int, error) {
	if len(x.pre) > 0 {
		n := copy(p, x.pre)
		x.pre = x.pre[n:]
		return n, nil
	}
	return x.c.Read(p)
}

// contexts are reused between requests, never held by an idle connection.
var contexts = sync.Pool{New: func() any { return new(fasthttp.RequestCtx) }}

// forget takes out of ctx what it has of a request and its connection.
func forget(ctx *fasthttp.RequestCtx) {
	ctx.Request.Reset()
	ctx.Response.Reset()
	ctx.ResetUserValues()
}

// serve serves requests until the connection ends.
func (x *serving) serve() {
	defer func() {
		if x.br != nil {
			putReader(x.br)
		}
		_ = x.c.Close()
		x.stopLooking()
		x.s.untrack(x)
	}()
	x.base.setWriteIdle(0) // what stands is of who served the connection before
	_ = x.c.SetReadDeadline(time.Now().Add(x.s.o.HeaderTimeout))
	for first := true; ; first = false {
		x.base.setWriteIdle(x.s.o.StallTimeout)
		if x.br == nil && !x.await(first) {
			return
		}
		if !first && !x.headHere() {
			_ = x.c.SetReadDeadline(time.Now().Add(x.s.o.HeaderTimeout))
		}
		if !x.request() {
			return
		}
		x.dropReader()
	}
}

// dropReader gives the request's reader back where nothing is in it: what a
// worker sent ahead (pipelining) stays.
func (x *serving) dropReader() {
	if x.br != nil && x.br.Buffered() == 0 && len(x.pre) == 0 {
		putReader(x.br)
		x.br = nil
	}
}

// headHere reports whether nothing more has to be read for a request's head.
func (x *serving) headHere() bool { return bytes.Contains(x.pre, []byte("\r\n\r\n")) }

// await waits for the first bytes of a request, holding next to nothing.
func (x *serving) await(first bool) bool {
	if !first {
		x.base.boundRead(x.s.o.IdleTimeout)
		x.state.Store(waiting)
		if x.s.draining.Load() {
			return false
		}
	}
	n, err := x.c.Read(x.first[:])
	if !x.state.CompareAndSwap(waiting, working) || n == 0 || err != nil {
		if first && err != nil {
			x.tellOfTLS(err)
		}
		return false
	}
	x.pre = x.first[:n]
	x.br = getReader(x)
	return true
}

// request reads one request and answers it. It reports whether the connection
// may serve another one.
func (x *serving) request() bool {
	// RFC 9112 section 2.2: one empty line before a request is ignored.
	if b, _ := x.br.Peek(2); len(b) == 2 && b[0] == '\r' && b[1] == '\n' {
		_, _ = x.br.Discard(2)
	}
	var raw []byte
	var err error
	if b, _ := x.br.Peek(1); len(b) == 1 && b[0] == recordHandshake {
		err = errTLS
	} else {
		raw, err = readHeadFrom(&x.br, x)
	}
	ctx := contexts.Get().(*fasthttp.RequestCtx)
	ctx.Init2(x.c, silent{}, true) // true: buffers of bodies are not kept with ctx
	x.body, x.hijack, x.broken = nil, nil, false
	defer func() {
		forget(ctx)
		contexts.Put(ctx)
	}()
	if err != nil {
		x.markHEAD(ctx)
		switch {
		case errors.Is(err, errHeadTooLarge):
			x.refuse(ctx, auth.NewError(auth.CodeHeaderTooLarge, err.Error(), nil))
		case errors.Is(err, errBareLF), errors.Is(err, errTLS):
			x.refuse(ctx, auth.NewError(auth.CodeBadRequest, err.Error(), nil))
		case errors.Is(err, os.ErrDeadlineExceeded):
			e := auth.NewError(auth.CodeBadRequest, "the request's head did not arrive in time", nil)
			e.Status = fasthttp.StatusRequestTimeout
			x.refuse(ctx, e)
		}
		return false
	}
	h, err := parseRequestHead(raw)
	if err != nil {
		x.markHEAD(ctx)
		x.refuse(ctx, auth.NewError(auth.CodeBadRequest, err.Error(), nil))
		return false
	}
	plainMessages(ctx)
	rest := x.br.Buffered() - len(raw)
	if err := ctx.Request.Header.Read(x.br); err != nil || x.br.Buffered() != rest {
		// err quotes what it read, an API key and all: it goes nowhere.
		x.refuse(ctx, auth.NewError(auth.CodeBadRequest, "the request is not acceptable", nil))
		return false
	}
	x.body = x.newBody(&h)
	if x.body != nil {
		_ = x.c.SetReadDeadline(time.Time{})
		ctx.Request.SetBodyStream(x.body, int(x.body.length))
	}
	ctx.SetUserValue(servingKey{}, x)
	defer x.endContext()
	if !x.handle(ctx) {
		_ = closeStream(&ctx.Response, errPanicked)
		ctx.Response.Reset()
		x.refuse(ctx, auth.NewError(auth.CodeInternal, "an internal error", nil))
		return false
	}
	if x.hijack != nil {
		x.handOver()
		return false
	}
	return x.answer(ctx, &h)
}

// markHEAD notes the method of a request that could not be read where it is
// HEAD: what refuses it has no body (RFC 9110 section 9.3.2).
func (x *serving) markHEAD(ctx *fasthttp.RequestCtx) {
	const method = "HEAD"
	if x.br.Buffered() <= len(method) {
		return
	}
	if b, _ := x.br.Peek(len(method) + 1); string(b) == method+" " {
		ctx.Request.Header.SetMethod(method)
	}
}

// plainMessages makes fasthttp leave names and values as they are.
func plainMessages(ctx *fasthttp.RequestCtx) {
	ctx.Request.Header.DisableNormalizing()
	ctx.Request.Header.SetNoDefaultContentType(true)
	ctx.Response.Header.DisableNormalizing()
	ctx.Response.Header.SetNoDefaultContentType(true)
}

// errPanicked is how a response ends that its handler did not live to see.
var errPanicked = errors.New("wire: the handler panicked")

// handle calls the handler. It reports false after a panic.
func (x *serving) handle(ctx *fasthttp.RequestCtx) (ok bool) {
	defer x.recovered(&ok)
	x.h(ctx)
	return true
}

// recovered is deferred: it turns a panic into false.
func (x *serving) recovered(ok *bool) {
	if v := recover(); v != nil {
		*ok = false
		if x.s.o.OnPanic != nil {
			x.s.o.OnPanic(v, debug.Stack())
		}
	}
}

// handOver runs what Hijack was given.
func (x *serving) handOver() {
	_ = x.c.SetReadDeadline(time.Time{})
	early := make([]byte, x.br.Buffered(), x.br.Buffered()+len(x.pre))
	_, _ = io.ReadFull(x.br, early)
	early = append(early, x.pre...)
	putReader(x.br)
	x.br, x.pre = nil, nil
	ok := false
	defer func() {
		if !ok {
			Reset(x.c)
		}
	}()
	defer x.recovered(&ok)
	ok = true
	x.hijack(x.c, early)
}

// answer writes the response. It reports whether the connection may serve
// another request.
func (x *serving) answer(ctx *fasthttp.RequestCtx, h *head) bool {
	// From here on a worker that is gone shows by the writes that fail. One
	// that only ended its own side (half-close) gets its whole answer.
	x.lookAway()
	unread := !x.body.settle()
	if !unread {
		x.dropReader() // a long answer holds none of it
	}
	if x.endUnseen(ctx, h) {
		e := auth.NewError(auth.CodeBadRequest, "the answer's length is not known, and over a unix socket HTTP/1.0 cannot tell its end: HTTP/1.1 can", nil)
		e.Status = fasthttp.StatusHTTPVersionNotSupported
		_ = closeStream(&ctx.Response, e)
		ctx.Response.Reset()
		x.refuse(ctx, e)
		return false
	}
	keep := h.persists() && !unread && !x.broken && !x.s.draining.Load() && !ctx.Response.ConnectionClose()
	keep, err := x.respond(ctx, h.http10, keep)
	if unread {
		x.body.stop()
	}
	switch {
	case err != nil || x.broken:
		Reset(x.c)
		return false
	case unread && !keep:
		x.linger()
	}
	return keep
}

// refuse answers a request that could not be read, and ends the connection.
func (x *serving) refuse(ctx *fasthttp.RequestCtx, e *auth.Error) {
	plainMessages(ctx)
	ctx.Response.SetStatusCode(e.HTTPStatus())
	if x.s.o.Refuse != nil {
		ctx.SetUserValue(servingKey{}, x)
		defer x.endContext()
		ok := true
		func() {
			defer x.recovered(&ok)
			x.s.o.Refuse(ctx, e)
		}()
		if !ok {
			Reset(x.c)
			return
		}
	}
	whole := x.body.settle()
	_, err := x.respond(ctx, false, false)
	if !whole {
		x.body.stop()
	}
	if err != nil {
		Reset(x.c)
		return
	}
	x.linger()
}

// silent is a logger that says nothing: fasthttp's would quote requests.
type silent struct{}

func (silent) Printf(string, ...any) {}
