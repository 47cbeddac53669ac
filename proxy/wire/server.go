package wire

import (
	"context"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/weighbridge/weighbridge/auth"
)

// MaxHeader is the limit of a request's or an answer's line and fields
// together, in bytes.
const MaxHeader = 32 << 10

// ServerOptions say how requests are served. Handler is required; the zero
// value of everything else is its default.
type ServerOptions struct {
	// Handler answers a request: it fills ctx.Response (body bytes, or a
	// stream: see Body.Attach). It may keep nothing of ctx after it returned,
	// except what Hijack was given. A panic in it resets the connection.
	//
	// ctx.Request has been checked strictly (see docs of Server); its body is
	// always a stream (ctx.RequestBodyStream) of which the handler may leave
	// any part unread.
	Handler fasthttp.RequestHandler
	// Refuse fills ctx.Response for a request that could not be read:
	// CodeBadRequest or CodeHeaderTooLarge. ctx.Request may be empty. The
	// connection is closed afterwards. Nil sends an empty body.
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
	// of a body. Default 2 min.
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
type Server struct{}

// NewServer makes a server.
func NewServer(o ServerOptions) *Server { panic("being written") }

// Serve accepts from ln until Shutdown or Kill, when it returns nil, or until
// ln fails.
func (s *Server) Serve(ln net.Listener) error { panic("being written") }

// ServeConn serves one connection with h (nil means ServerOptions.Handler)
// and returns when it is closed: the inside of an intercepted tunnel. c
// should have a *Conn below it. Such connections take part in Shutdown.
func (s *Server) ServeConn(c net.Conn, h fasthttp.RequestHandler) { panic("being written") }

// Shutdown drains: no new connections, idle ones are closed at once, answers
// carry Connection: close, and running requests and hijacked connections may
// finish. When ctx ends first, those left are reset and ctx's error returned.
func (s *Server) Shutdown(ctx context.Context) error { panic("being written") }

// Conns is the number of connections now, hijacked ones included.
func (s *Server) Conns() int { panic("being written") }

// Hijack takes the connection of ctx over: no response is written, and after
// the handler returned, f runs in the connection's goroutine. It may use c as
// long as it runs; c is closed after it. early are bytes which the worker sent
// behind the request before it had any answer; they are not in c.
func Hijack(ctx *fasthttp.RequestCtx, f func(c net.Conn, early []byte)) { panic("being written") }

// Context is a context that ends when the worker of ctx is gone, the server
// is killed, or the response was written. Only for handlers of a Server.
func Context(ctx *fasthttp.RequestCtx) context.Context { panic("being written") }

// BreakAfter makes the server reset the connection in place of a clean end of
// the response: for a body that the handler made itself and that is not whole.
func BreakAfter(ctx *fasthttp.RequestCtx) { panic("being written") }
