package wire

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/weighbridge/weighbridge/auth"
)

// Switched is a connection to an upstream that speaks another protocol from now
// on (RFC 9110, section 7.8).
type Switched struct {
	// Conn is the caller's to close.
	Conn net.Conn
	// Early came behind the head of the answer, and belongs before everything
	// that Conn gives.
	Early []byte
}

// Upgrade is Do for a GET without a body that asks to switch to protocol, which
// is lower-case; its Connection and Upgrade fields are written here. Where the
// upstream switches, the head of its answer is in resp and there is no Body;
// otherwise it is an answer like any other. The connection is a new one.
//
// Once it is switched nothing bounds the connection any more, ctx included:
// hand it to Tunnel.
func (c *Client) Upgrade(ctx context.Context, d Dest, req *fasthttp.Request, resp *fasthttp.Response, protocol string) (*Body, *Switched, error) {
	return c.do(ctx, d, req, resp, nil, protocol)
}

// switchOver takes the connection out of the exchange.
func (x *exchange) switchOver() error {
	early := make([]byte, x.br.Buffered())
	_, _ = x.br.Read(early)
	putReader(x.br)
	if !x.leash.free(x.u) {
		x.u.close()
		return context.Cause(x.ctx)
	}
	x.u.base.SetIdle(0, 0)
	_ = x.u.base.SetReadDeadline(time.Time{})
	x.switched = &Switched{Conn: x.u.net, Early: early}
	return nil
}

// ErrUnsent is in the error of a request of which not a byte has left: another
// upstream may be given it.
var ErrUnsent = errors.New("wire: nothing of the request was sent")

// notSent puts ErrUnsent into the cause of what dialling met.
func notSent(err error) error {
	e := *auth.AsError(err)
	e.Cause = &unsent{e.Cause}
	return &e
}

// unsent is a cause that says no more in words than it did.
type unsent struct{ cause error }

func (u *unsent) Error() string {
	if u.cause == nil {
		return ErrUnsent.Error()
	}
	return u.cause.Error()
}

func (u *unsent) Unwrap() error { return u.cause }

// Is implements the interface of the package errors.
func (u *unsent) Is(target error) bool { return target == ErrUnsent }
