package wire

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// servingKey is the user value under which a request finds its connection.
type servingKey struct{}

func servingOf(ctx *fasthttp.RequestCtx) *serving {
	x, ok := ctx.UserValue(servingKey{}).(*serving)
	if !ok {
		panic("wire: the request is not one of a wire.Server")
	}
	return x
}

// Hijack takes the connection of ctx over: no response is written, and after
// the handler returned, f runs in the connection's goroutine. It may use c as
// long as it runs; c is closed after it, and reset after a panic. early are
// bytes which the worker sent behind the request before it had any answer;
// they are not in c. A Write to c fails after StallTimeout without progress;
// there is no read deadline.
func Hijack(ctx *fasthttp.RequestCtx, f func(c net.Conn, early []byte)) { servingOf(ctx).hijack = f }

// BreakAfter makes the server reset the connection in place of a clean end of
// the response: for a body that the handler made itself and that is not whole.
// A stream that ends with an error has the same effect.
func BreakAfter(ctx *fasthttp.RequestCtx) { servingOf(ctx).broken = true }

// errWorkerGone and errAnswered are causes of a Context's end.
var (
	errWorkerGone = errors.New("wire: the worker closed its connection")
	errAnswered   = errors.New("wire: the response was written")
)

// lookEvery is how often a connection is looked at while a handler waits.
const lookEvery = time.Second

// Context is a context that ends when the worker of ctx closed its connection
// (noticed within a second, without reading from it; on Linux only), when the
// server is killed, and when the response was written or the hijacking
// function returned. Only for handlers of a Server.
func Context(ctx *fasthttp.RequestCtx) context.Context {
	x := servingOf(ctx)
	if x.ctx == nil {
		x.ctx, x.cancel = context.WithCancelCause(x.s.killed)
		cancel, base := x.cancel, x.base
		var look *time.Timer
		look = time.AfterFunc(lookEvery, func() {
			if base.gone() {
				cancel(errWorkerGone)
				return
			}
			look.Reset(lookEvery)
		})
		x.look = look
	}
	return x.ctx
}

// endContext ends the request's Context, if there is one.
func (x *serving) endContext() {
	if x.ctx == nil {
		return
	}
	x.look.Stop()
	x.cancel(errAnswered)
	x.ctx, x.cancel, x.look = nil, nil, nil
}
