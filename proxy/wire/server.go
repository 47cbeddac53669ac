package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/weighbridge/weighbridge/auth"
)

// ServerOptions say how requests are served. Handler is required; the zero
// value of everything else is its default.
type ServerOptions struct {
	// Handler answers a request: it fills ctx.Response (body bytes, or a
	// stream: see Body.Attach). It may keep nothing of ctx after it returned,
	// except what Hijack was given. After a panic in it the worker gets what
	// Refuse makes of CodeInternal, and the connection is closed.
	//
	// ctx.Request has been checked strictly (see Server). Its body, where it
	// has one, is a stream (ctx.RequestBodyStream) of which the handler may
	// leave any part unread: the connection is closed then. 100 Continue is
	// sent by the stream's first Read.
	Handler fasthttp.RequestHandler
	// Refuse fills ctx.Response for a request that could not be read:
	// CodeBadRequest (also with status 408) or CodeHeaderTooLarge; and for
	// CodeInternal after a panic. ctx.Request may be empty. The connection is
	// closed afterwards. Nil sends the status alone.
	Refuse func(ctx *fasthttp.RequestCtx, err *auth.Error)
	// OnPanic is told what a handler panicked with; nil ignores it.
	OnPanic func(v any, stack []byte)
	// HeaderTimeout bounds the TLS handshake and the first request's head
	// together, and every later head from its first byte on. Default 10 s.
	HeaderTimeout time.Duration
	// IdleTimeout is how long a kept connection may wait for its next
	// request. Default 2 min.
	IdleTimeout time.Duration
	// StallTimeout is how long a worker may take or send not a single byte
	// of a message. Default 2 min.
	StallTimeout time.Duration
	// MaxConns bounds the connections served at once, those of ServeConn not
	// counted; those beyond it get 503 with Retry-After. Default no bound.
	MaxConns int
}

// Server serves HTTP/1.1 on worker connections: one goroutine each, no buffer
// while idle, one response for each request, and the connection closed after
// any framing or body error.
//
// Refused with CodeBadRequest before Handler sees it: versions other than 1.0
// and 1.1, bare CR or LF, obs-fold, spaces around names, field names that are
// no token, control characters, two Host fields or none in 1.1, two
// Content-Length fields or any that is not digits, Content-Length with
// Transfer-Encoding, a Transfer-Encoding other than chunked, or in 1.0, a body
// on GET, HEAD or CONNECT. Chunked bodies are decoded by the same strictness.
//
// The Content-Length, Transfer-Encoding and Connection of an answer are the
// server's own; a Content-Length that the handler left is sent only where
// there is no body to send (HEAD, 304). No other field is added.
type Server struct {
	o      ServerOptions
	killed atomic.Bool // every Context has ended

	draining atomic.Bool
	shedding atomic.Int32

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     map[*serving]struct{}
	outer     int           // of conns, those that Serve accepted
	empty     chan struct{} // closed when conns is empty while draining
}

// NewServer makes a server.
func NewServer(o ServerOptions) *Server {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.HeaderTimeout, 10*time.Second)
	def(&o.IdleTimeout, 2*time.Minute)
	def(&o.StallTimeout, 2*time.Minute)
	return &Server{o: o, listeners: map[net.Listener]struct{}{}, conns: map[*serving]struct{}{}, empty: make(chan struct{})}
}

// ErrServerClosed is what Serve returns on a server that was shut down before.
var ErrServerClosed = errors.New("wire: the server was shut down")

// Serve accepts from ln, which should come from Listen, until Shutdown, when
// it returns nil, or until ln fails. It closes ln.
func (s *Server) Serve(ln net.Listener) error {
	defer func() { _ = ln.Close() }()
	s.mu.Lock()
	if s.draining.Load() {
		s.mu.Unlock()
		return ErrServerClosed
	}
	s.listeners[ln] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, ln)
		s.mu.Unlock()
	}()
	for {
		c, err := ln.Accept()
		if err != nil {
			if s.draining.Load() {
				return nil
			}
			return err
		}
		x := newServing(s, c, s.o.Handler, false)
		switch s.track(x) {
		case tracked:
			go x.serve()
		case full:
			s.shed(c)
		case closed:
			Reset(c)
		}
	}
}

// ServeConn serves one connection with h (nil means ServerOptions.Handler)
// and returns when it is closed: the inside of an intercepted tunnel. c
// should have a *Conn below it. Such connections take part in Shutdown.
func (s *Server) ServeConn(c net.Conn, h fasthttp.RequestHandler) {
	if h == nil {
		h = s.o.Handler
	}
	x := newServing(s, c, h, true)
	if s.track(x) != tracked {
		Reset(c)
		return
	}
	x.serve()
}

// admission is what track says.
type admission int

const (
	closed admission = iota
	full
	tracked
)

func (s *Server) track(x *serving) admission {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.draining.Load() && !x.inner || s.killed.Load():
		return closed
	case !x.inner && s.o.MaxConns > 0 && s.outer >= s.o.MaxConns:
		return full
	}
	s.conns[x] = struct{}{}
	if !x.inner {
		s.outer++
	}
	return tracked
}

func (s *Server) untrack(x *serving) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, x)
	if !x.inner {
		s.outer--
	}
	s.checkEmpty()
}

// checkEmpty is called with s.mu held.
func (s *Server) checkEmpty() {
	if s.draining.Load() && len(s.conns) == 0 {
		select {
		case <-s.empty:
		default:
			close(s.empty)
		}
	}
}

// maxShedding bounds the connections that are told 503 at the same time; those
// beyond it are reset.
const maxShedding = 256

// shed answers 503 without reading a request.
func (s *Server) shed(c net.Conn) {
	if s.shedding.Add(1) > maxShedding {
		s.shedding.Add(-1)
		Reset(c)
		return
	}
	go func() {
		defer s.shedding.Add(-1)
		_ = c.SetDeadline(time.Now().Add(2 * time.Second))
		_, _ = io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n"+
			"X-Weighbridge-Error: "+string(auth.CodeOverloaded)+"\r\nConnection: close\r\n\r\n")
		_ = c.Close()
	}()
}

// Shutdown drains: no new connections, idle ones are closed at once, answers
// carry Connection: close, and running requests and hijacked connections may
// finish. When ctx ends first, those left are reset and ctx's error returned.
// It may be called again, with a shorter context.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining.Store(true)
	for ln := range s.listeners {
		_ = ln.Close()
	}
	for x := range s.conns {
		x.wake()
	}
	s.checkEmpty()
	s.mu.Unlock()
	select {
	case <-s.empty:
		return nil
	case <-ctx.Done():
	}
	s.killed.Store(true)
	s.mu.Lock()
	for x := range s.conns {
		x.kill()
		Reset(x.c)
	}
	s.mu.Unlock()
	return ctx.Err()
}

// Conns is the number of connections that Serve accepted and that are open,
// hijacked ones included.
func (s *Server) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outer
}
