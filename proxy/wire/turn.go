package wire

import (
	"net"

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
