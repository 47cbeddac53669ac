package guard

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// race tries addrs in order, the next one as soon as one failed or after
// stagger, and returns the first connection (RFC 8305, without its sorting:
// the resolver did that by RFC 6724). No attempt outlives the call by more
// than the time it needs to notice that it lost.
func (d *Dialer) race(ctx context.Context, host string, addrs []netip.AddrPort) (net.Conn, error) {
	if len(addrs) == 1 {
		c, err := d.attempt(ctx, addrs[0])
		if err != nil {
			return nil, unreachable(ctx, host, err)
		}
		return c, nil
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	type result struct {
		c   net.Conn
		err error
	}
	results := make(chan result)
	next, running := 0, 0
	start := func() {
		addr := addrs[next]
		next++
		running++
		go func() {
			c, err := d.attempt(ctx, addr)
			select {
			case results <- result{c, err}:
			case <-ctx.Done(): // another one won
				if c != nil {
					_ = c.Close()
				}
			}
		}()
	}
	start()
	timer := time.NewTimer(stagger)
	defer timer.Stop()
	var first error
	for {
		select {
		case r := <-results:
			if r.err == nil {
				return r.c, nil
			}
			running--
			if first == nil {
				first = r.err
			}
			if next < len(addrs) {
				start()
				timer.Reset(stagger)
			} else if running == 0 {
				return nil, unreachable(ctx, host, first)
			}
		case <-timer.C:
			if next < len(addrs) {
				start()
				timer.Reset(stagger)
			}
		case <-ctx.Done():
			return nil, unreachable(ctx, host, ctx.Err())
		}
	}
}

func (d *Dialer) attempt(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	ctx, stop := context.WithTimeout(ctx, d.o.ConnectTimeout)
	defer stop()
	return d.o.Connect(ctx, addr)
}

// unreachable is the error of a dial that failed; a refusal stays one. The
// cause has the addresses and is for the log only.
func unreachable(ctx context.Context, host string, err error) *auth.Error {
	var e *auth.Error
	if errors.As(err, &e) {
		return e
	}
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || isTimeout(err) {
		return auth.NewError(auth.CodeUpstreamTimeout, "no connection to "+host+" within the time allowed", err)
	}
	return auth.NewError(auth.CodeUpstreamUnreachable, "no connection to "+host, err)
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}
