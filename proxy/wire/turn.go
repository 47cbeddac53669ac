package wire

import (
	"context"
	"errors"
	"net"
	"sync"
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
// before the response began (noticed within a second, without reading from it;
// on Linux only), when the server is killed, and when the response was written
// or the hijacking function returned. Only for handlers of a Server.
func Context(ctx *fasthttp.RequestCtx) context.Context {
	x := servingOf(ctx)
	if x.ctx == nil {
		x.ctx, x.cancel = context.WithCancelCause(x.s.killed)
		x.watch = watchWorker(x.base, x.cancel)
	}
	return x.ctx
}

// endContext ends the request's Context, if there is one.
func (x *serving) endContext() {
	if x.ctx == nil {
		return
	}
	x.watch.stop()
	x.cancel(errAnswered)
	x.ctx, x.cancel, x.watch = nil, nil, nil
}

// watch looks at a worker's connection from time to time.
type watch struct {
	mu     sync.Mutex
	timer  *time.Timer
	over   bool
	base   *Conn
	cancel context.CancelCauseFunc
}

func watchWorker(base *Conn, cancel context.CancelCauseFunc) *watch {
	w := &watch{base: base, cancel: cancel}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(lookEvery, w.look)
	return w
}

func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.over:
	case w.base.gone():
		w.cancel(errWorkerGone)
	default:
		w.timer.Reset(lookEvery)
	}
}

// stop may be called more than once, and on nil.
func (w *watch) stop() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	w.timer.Stop()
}
