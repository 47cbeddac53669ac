package proxy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/wire"
)

// line is the HTTP library's side of one exchange. Nothing behind it may be
// kept once the handler has returned.
type line struct{ ctx *fasthttp.RequestCtx }

func (l line) context() context.Context { return wire.Context(l.ctx) }
func (l line) body() io.Reader          { return l.ctx.RequestBodyStream() }
func (l line) localAddr() net.Addr      { return l.ctx.LocalAddr() }
func (l line) conn() net.Conn           { return l.ctx.Conn() }
func (l line) header() answerHeader     { return answerHeader{&l.ctx.Response.Header} }
func (l line) status() int              { return l.ctx.Response.StatusCode() }

// hijack takes the connection over after the handler returned.
func (l line) hijack(f func(c net.Conn, early []byte)) { wire.Hijack(l.ctx, f) }

// send sends out and reads the head of the answer, which header and status
// then show. The body must be closed or handed to stream.
func (l line) send(ctx context.Context, c *wire.Client, d wire.Dest, out *outgoing) (*wire.Body, error) {
	req := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(req)
	writeRequest(req, out)
	return c.DoWhile(ctx, d, req, &l.ctx.Response, out.sent)
}

// upgrade is send for a request that asks for a WebSocket. Where the upstream
// consents there is no body.
func (l line) upgrade(ctx context.Context, c *wire.Client, d wire.Dest, out *outgoing) (*wire.Body, *wire.Switched, error) {
	req := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(req)
	writeRequest(req, out)
	return c.Upgrade(ctx, d, req, &l.ctx.Response, "websocket")
}

// fetch is send for an answer of which the worker gets the body alone: see is
// shown the head of it.
func (l line) fetch(ctx context.Context, c *wire.Client, d wire.Dest, out *outgoing, see func(status int, h answerHeader, length int64)) (*wire.Body, error) {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	writeRequest(req, out)
	b, err := c.Do(ctx, d, req, resp)
	if err == nil {
		see(resp.StatusCode(), answerHeader{&resp.Header}, b.Len())
	}
	return b, err
}

// stream sends an upstream's body on as it is; end is called when it is over.
// more, which may be nil, is asked for what is missing: see passing.
func (l line) stream(b *wire.Body, progress func(int64), more moreFunc, end func(sent int64, err error)) {
	b.Bind(l.ctx.Conn(), progress)
	resp := &l.ctx.Response
	resp.SetBodyStream(&passing{body: b, to: l.ctx.Conn(), progress: progress, more: more, end: end}, int(b.Len()))
	resp.ImmediateHeaderFlush = true
}

// inMemory is up to what length wire keeps a body in memory.
const inMemory = 64 << 10

// make sends a body that comes out of fill, of unknown length.
func (l line) make(fill func(w io.Writer) error, end func(sent int64, err error)) {
	l.ctx.Response.SetBodyStream(&made{fill: fill, end: end}, -1)
}

// held sends a body in memory of size bytes, with the header as it stands.
func (l line) held(h *held, size int) { l.ctx.Response.SetBodyStream(h, size) }

// setStatus changes the status, and with it the words that the upstream had
// for its own.
func (l line) setStatus(status int) {
	if l.status() != status {
		l.ctx.Response.SetStatusCode(status)
		l.ctx.Response.Header.SetStatusMessage(nil)
	}
}

// maskPhrase leaves the standard reason phrase of the status where the
// upstream's own has to be masked.
func (l line) maskPhrase(change func([]byte) int) {
	if h := &l.ctx.Response.Header; len(h.StatusMessage()) > 0 && change(bytes.Clone(h.StatusMessage())) > 0 {
		h.SetStatusMessage(nil)
	}
}

// reply sends an answer of our own in place of whatever was there.
func (l line) reply(r reply) {
	resp := &l.ctx.Response
	resp.ResetBody()
	h := l.header()
	h.remove(func([]byte) bool { return true })
	resp.SetStatusCode(r.status)
	resp.Header.SetStatusMessage(nil)
	for _, f := range r.fields {
		resp.Header.Add(f.name, f.value)
	}
	resp.SetBody(r.body)
	if r.close {
		resp.SetConnectionClose()
	}
}

// reply is an answer of our own.
type reply struct {
	status int
	fields fields
	body   []byte
	close  bool
}

// moreFunc is asked when a body has ended, well or by cause, after which the
// worker has got sent bytes. It returns the body that goes on from there, or
// nil: err then says how the whole ended.
type moreFunc func(sent int64, cause error) (next *wire.Body, err error)

// passing is an upstream's body on its way to the worker, and the bodies that
// more puts behind it.
type passing struct {
	body     *wire.Body
	to       net.Conn
	progress func(int64)
	more     moreFunc
	end      func(sent int64, err error)
	before   int64 // bytes of bodies before this one
	done     bool
	err      error
}

var (
	_ fasthttp.BodyWriterTo = (*passing)(nil)
	_ wire.Told             = (*passing)(nil)
)

func (s *passing) SupportsBodyWriteTo() bool { return true }

func (s *passing) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

func (s *passing) WriteTo(w io.Writer) (int64, error) {
	var sent int64
	for {
		n, err := s.body.WriteTo(w)
		sent += n
		if s.more == nil {
			s.err = err
			return sent, err
		}
		next, err := s.more(sent, err)
		if next == nil {
			s.err = err
			return sent, err
		}
		_ = s.body.Close()
		s.body, s.before = next, sent
		next.Bind(s.to, s.progress)
	}
}

// Fail implements wire.Told.
func (s *passing) Fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// Close implements io.Closer; the writer of answers calls it in the end.
func (s *passing) Close() error {
	if s.done {
		return nil
	}
	s.done = true
	if s.err == nil {
		s.err = s.body.Err()
	}
	s.end(s.before+s.body.Count(), s.err)
	return s.body.Close()
}

// made is a body that is made while it is written.
type made struct {
	fill func(w io.Writer) error
	end  func(sent int64, err error)
	sent int64
	err  error
	done bool
}

var (
	_ fasthttp.BodyWriterTo = (*made)(nil)
	_ wire.Told             = (*made)(nil)
)

func (m *made) SupportsBodyWriteTo() bool { return true }

// Read is never called, because WriteTo is supported.
func (m *made) Read([]byte) (int, error) { return 0, io.ErrNoProgress }

func (m *made) WriteTo(w io.Writer) (int64, error) {
	c := &counter{w: w}
	m.err = m.fill(c)
	m.sent = c.n
	return m.sent, m.err
}

// Fail implements wire.Told.
func (m *made) Fail(err error) {
	if m.err == nil {
		m.err = err
	}
}

// Close implements io.Closer.
func (m *made) Close() error {
	if !m.done {
		m.done = true
		m.end(m.sent, m.err)
	}
	return nil
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func (p *Proxy) newServer() *wire.Server {
	return wire.NewServer(wire.ServerOptions{
		Handler: func(ctx *fasthttp.RequestCtx) { p.serve(ctx, nil) },
		Refuse: func(ctx *fasthttp.RequestCtx, err *auth.Error) {
			x := p.begin(ctx, nil)
			x.refuseAndClose(err)
		},
		OnPanic: func(v any, stack []byte) {
			p.o.Logger.Error().Str("panic", harmless(v)).Bytes("stack", stack).Msg("a handler failed")
		},
		MaxConns: p.o.MaxConns,
	})
}

// serveInside serves the requests inside an intercepted tunnel.
func (p *Proxy) serveInside(c net.Conn, t *tunnel) {
	p.server.ServeConn(c, func(ctx *fasthttp.RequestCtx) { p.serve(ctx, t) })
}

// serve answers one request.
func (p *Proxy) serve(ctx *fasthttp.RequestCtx, t *tunnel) {
	x := p.begin(ctx, t)
	defer func() {
		if v := recover(); v != nil {
			p.o.Logger.Error().Str("request_id", x.id).Str("panic", harmless(v)).Bytes("stack", debug.Stack()).Msg("a request failed")
			x.refuseAndClose(auth.NewError(auth.CodeInternal, "an internal error", nil))
		}
	}()
	if err := x.dispatch(); err != nil {
		x.refuse(err)
	}
}

// begin makes an exchange of a request: everything it keeps is copied.
func (p *Proxy) begin(ctx *fasthttp.RequestCtx, t *tunnel) *exchange {
	h := &ctx.Request.Header
	now := p.o.Now()
	peer := ""
	if t != nil {
		peer = t.peer
	} else {
		peer = address(ctx.RemoteAddr())
	}
	x := &exchange{
		p: p, line: line{ctx}, policy: p.policy.Load(), snap: p.o.Snapshot(), at: now,
		id: auth.NewID(now), started: now,
		peer: peer, secure: ctx.IsTLS(), tunnel: t,
		method: string(h.Method()), uri: string(h.RequestURI()),
		authority: string(h.Host()), http10: !h.IsHTTP11(),
		fields: readFields(h), length: int64(h.ContentLength()),
	}
	if x.length < -1 {
		x.length = 0
	}
	if p.o.Tracer != nil {
		x.beginTrace()
	}
	return x
}

// address is that of a peer, without its port.
func address(a net.Addr) string {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap().String()
	}
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.Network()
	}
	return host
}

// harmless says what a panic was without quoting a value that could hold a
// header: the text of runtime errors, and the type of everything else.
func harmless(v any) string {
	if err, ok := v.(runtime.Error); ok {
		return strings.ToValidUTF8(err.Error(), "")
	}
	return fmt.Sprintf("a value of type %T", v)
}
