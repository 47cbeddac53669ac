package wire

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// ended is why a request's context ended. It is a context.Canceled.
type ended string

func (e ended) Error() string { return string(e) }

// Is says what the package context calls it.
func (ended) Is(target error) bool { return target == context.Canceled }

const (
	errWorkerGone = ended("wire: the worker broke its connection off")
	errAnswered   = ended("wire: the response was written")
	errCut        = ended("wire: the request was cut")
)

// ErrStopped is why the Context of a request ended that a Shutdown did not wait
// for.
const ErrStopped = ended("wire: the server was stopped")

// lookEvery is how often a connection is looked at while a handler waits.
const lookEvery = time.Second

// Context is a context that ends when the connection of ctx's worker broke
// before the response began (noticed within a second, without reading from it;
// on Linux only; a worker that ended its own side still gets its answer), when
// the server is killed, when Cut is called with it, and when the response was
// written or the hijacking function returned. Only for handlers of a Server.
func Context(ctx *fasthttp.RequestCtx) context.Context {
	x := servingOf(ctx)
	if x.ctx == nil {
		x.beginContext()
	}
	return x.ctx
}

// Cut ends a Context: its exchange with the upstream is broken off. It does
// nothing once the request has ended, or with any other context.
func Cut(ctx context.Context) {
	if c, ok := ctx.(*requestContext); ok {
		c.end(errCut)
	}
}

// requestContext is the context of one request: what the package context has
// for it, without an entry at its parent, a timer and a channel that a short
// request never needs.
type requestContext struct {
	mu   sync.Mutex
	err  error
	done chan struct{} // made when somebody asks for it
	// up is an upstream connection to close in the end; others are called.
	up     *upstream
	others []*func()
}

var _ context.Context = (*requestContext)(nil)

// Deadline implements context.Context: there is none.
func (*requestContext) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// Value implements context.Context: there is none.
func (*requestContext) Value(any) any { return nil }

// Err implements context.Context. The error is why it ended.
func (c *requestContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Done implements context.Context.
func (c *requestContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
	}
	return c.done
}

// AfterFunc is what the package context looks for, so that contexts derived
// from this one take no goroutine. See context.AfterFunc.
func (c *requestContext) AfterFunc(f func()) (stop func() bool) {
	entry := &f
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		go f()
		return func() bool { return false }
	}
	c.others = append(c.others, entry)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		i := slices.Index(c.others, entry)
		if i >= 0 {
			c.others = slices.Delete(c.others, i, i+1)
		}
		return i >= 0
	}
}

// end ends c for err, once.
func (c *requestContext) end(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	if c.done != nil {
		close(c.done)
	}
	up, others := c.up, c.others
	c.up, c.others = nil, nil
	c.mu.Unlock()
	if up != nil {
		up.close()
	}
	for _, f := range others {
		go (*f)()
	}
}

// leash closes an upstream connection when a context ends.
type leash struct {
	ctx  *requestContext
	stop func() bool // where the context is another one
}

// leashed puts u on the leash of ctx.
func leashed(ctx context.Context, u *upstream) leash {
	c, ok := ctx.(*requestContext)
	if !ok {
		return leash{stop: context.AfterFunc(ctx, u.close)}
	}
	c.mu.Lock()
	over, taken := c.err != nil, c.up != nil
	if !over && !taken {
		c.up = u
	}
	c.mu.Unlock()
	switch {
	case over:
		u.close()
	case taken: // there is one already
		return leash{stop: c.AfterFunc(u.close)}
	}
	return leash{ctx: c}
}

// free takes the connection u off. It reports false where it was closed.
func (l leash) free(u *upstream) bool {
	if l.ctx == nil {
		return l.stop()
	}
	l.ctx.mu.Lock()
	defer l.ctx.mu.Unlock()
	if l.ctx.up != u {
		return false
	}
	l.ctx.up = nil
	return true
}

// beginContext gives the request that runs its context, and has the worker's
// connection looked at meanwhile.
func (x *serving) beginContext() {
	c := &requestContext{}
	x.mu.Lock()
	x.ctx, x.looked = c, true
	switch {
	case x.armed:
	case x.look == nil:
		x.look = time.AfterFunc(lookEvery, x.lookAtWorker)
	default:
		x.look.Reset(lookEvery)
	}
	x.armed = true
	x.mu.Unlock()
	if x.s.killed.Load() {
		c.end(ErrStopped)
	}
}

// lookAtWorker runs by the connection's timer, which a request starts where it
// does not run already and which ends by itself where nobody needs it.
func (x *serving) lookAtWorker() {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case !x.looked:
		x.armed = false
	case x.base.gone():
		x.armed, x.looked = false, false
		x.ctx.end(errWorkerGone)
	default:
		x.look.Reset(lookEvery)
	}
}

// lookAway ends the looking at the worker's connection for this request.
func (x *serving) lookAway() {
	x.mu.Lock()
	x.looked = false
	x.mu.Unlock()
}

// kill ends the Context of the request that runs, if there is one.
func (x *serving) kill() {
	x.mu.Lock()
	c := x.ctx
	x.mu.Unlock()
	if c != nil {
		c.end(ErrStopped)
	}
}

// endContext ends the request's Context, if there is one.
func (x *serving) endContext() {
	c := x.ctx
	if c == nil {
		return
	}
	x.mu.Lock()
	x.ctx, x.looked = nil, false
	x.mu.Unlock()
	c.end(errAnswered)
}

// stopLooking is called when the connection has ended.
func (x *serving) stopLooking() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.looked = false
	if x.look != nil {
		x.look.Stop()
	}
}
