package wire

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/valyala/fasthttp"
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
}

// ClientOptions say how upstreams are reached. Dial is required; the zero
// value of everything else is its default.
type ClientOptions struct {
	// Dial returns a TCP connection to a checked address of d. It is
	// guard.Dialer.Dial, in one shape or another.
	Dial func(ctx context.Context, d Dest) (net.Conn, error)
	// Reuse, if not nil, is asked before a kept connection is used again; an
	// error closes it and another is dialled.
	Reuse func(d Dest, c net.Conn) error
	// TLS is the base configuration: RootCAs, and what else an operator set.
	// Verification cannot be turned off by it (InsecureSkipVerify is
	// ignored); ServerName, NextProtos, MinVersion (at least 1.2) and the
	// session cache are the client's own.
	TLS     *tls.Config
	Buffers *Buffers
	// IdleTimeout is how long an unused connection is kept. Default 60 s.
	IdleTimeout time.Duration
	// StallTimeout is how long an upstream may send not a single byte of a
	// body. Default 60 s (upstream.idle_timeout).
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

// Client sends requests to upstreams. All methods may be used by any number
// of goroutines.
type Client struct{}

// NewClient makes a client.
func NewClient(o ClientOptions) *Client { panic("being written") }

// Do sends req to d and reads the head of the answer into resp, which should
// be the worker's ctx.Response: fields such as Date survive only where fasthttp
// parsed them in place. Everything in req leaves as it is (call
// req.Header.DisableNormalizing() before adding fields and do not use req.URI()):
// req.Header.SetRequestURI takes the path and query bytes. The body is
// req.Body() or its stream; a stream with ContentLength -1 is sent chunked.
//
// The answer's body is not in resp: the returned Body has it, and must be
// closed or attached to a response. The context bounds the exchange up to the
// end of the body: when it ends, the upstream connection is closed.
//
// Errors are *auth.Error with CodeUpstreamTLS, CodeUpstreamUnreachable,
// CodeUpstreamTimeout, CodeUpstreamProtocol, or what Dial returned. After an
// error resp is reset and nothing needs to be closed.
func (c *Client) Do(ctx context.Context, d Dest, req *fasthttp.Request, resp *fasthttp.Response) (*Body, error) {
	panic("being written")
}

// CloseIdle closes every unused connection, after a change of what may be
// dialled or trusted.
func (c *Client) CloseIdle() { panic("being written") }

// Close is CloseIdle for good: connections in use are closed after use.
func (c *Client) Close() { panic("being written") }
