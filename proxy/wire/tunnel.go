package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// TunnelOptions of one blind tunnel.
type TunnelOptions struct {
	Buffers *Buffers
	// Shares give the tunnel turns as one of Key's streams; nil lets it run.
	Shares *Shares
	Key    string
	// Pace bounds both directions together; nil is none.
	Pace *Pace
	// Idle ends the tunnel after no byte moved in either direction. Default
	// 10 min.
	Idle time.Duration
	// OnProgress is told of bytes moved since its last call, from either of
	// two goroutines.
	OnProgress func(up, down int64)
}

const defaultTunnelIdle = 10 * time.Minute

// Tunnel copies bytes blindly between a worker and an upstream until both
// directions ended, one failed, nothing moved for Idle, or ctx ended. The end
// of one direction is passed on (half-close), so that protocols which rely on
// it work. After an error both connections were reset; otherwise closing them
// is up to the caller. up and down are the bytes moved.
func Tunnel(ctx context.Context, worker, upstream net.Conn, o TunnelOptions) (up, down int64, err error) {
	if o.Idle <= 0 {
		o.Idle = defaultTunnelIdle
	}
	// Before either direction begins: what one reads may make TLS write.
	worker, upstream = resting(worker, o.Idle), resting(upstream, o.Idle)
	t := &tunnel{o: o, ctx: ctx}
	t.last.Store(time.Now().UnixNano())
	t.breakUp = func() { Reset(worker); Reset(upstream) }
	stop := context.AfterFunc(ctx, t.breakUp)
	ends := make(chan error, 1)
	go func() { ends <- t.oneWay(upstream, worker, &up, func(n int64) { t.report(n, 0) }) }()
	err = t.oneWay(worker, upstream, &down, func(n int64) { t.report(0, n) })
	err = errors.Join(err, <-ends)
	if !stop() {
		err = errors.Join(context.Cause(ctx), err)
	}
	return up, down, err
}

// resting is c, or a *Conn over it, with limit as its deadlines of progress.
func resting(c net.Conn, limit time.Duration) net.Conn {
	base := Under(c)
	if base == nil {
		base = NewConn(c)
		c = base
	}
	base.SetIdle(limit, limit)
	return c
}

// tunnel is what both directions share.
type tunnel struct {
	ctx     context.Context
	o       TunnelOptions
	last    atomic.Int64 // when a byte moved, in either direction
	breakUp func()
}

func (t *tunnel) report(up, down int64) {
	t.last.Store(time.Now().UnixNano())
	if t.o.OnProgress != nil {
		t.o.OnProgress(up, down)
	}
}

// quiet says whether nothing moved for the whole idle time: one direction may
// rest as long as the other one works.
func (t *tunnel) quiet() bool {
	return time.Since(time.Unix(0, t.last.Load())) >= t.o.Idle
}

// oneWay copies src to dst until src ends. An error breaks both directions.
func (t *tunnel) oneWay(dst, src net.Conn, n *int64, report func(int64)) (err error) {
	defer func() {
		if err != nil {
			t.breakUp()
		}
	}()
	from, to := Under(src), Under(dst)
	t.o.Pace.begin()
	defer t.o.Pace.end()
	moved := func(k int64) { *n += k; report(k) }
	if src == from && dst == to {
		if s := newSplicer(to, from, t.o.Buffers); s != nil {
			s.turn = t.o.Shares.of(t.o.Key)
			err := t.splice(s, moved)
			s.turn.end()
			s.close()
			if !errors.Is(err, errNoSplice) {
				return endOfWay(err, dst)
			}
		}
	}
	return endOfWay(t.copy(dst, src, moved), dst)
}

// splice moves until an error; io.EOF is the clean end.
func (t *tunnel) splice(s *splicer, moved func(int64)) error {
	for {
		if t.o.Pace != nil {
			s.turn.give()
		}
		most, err := t.o.Pace.take(t.ctx, math.MaxInt64)
		if err != nil {
			return err
		}
		s.turn.step()
		n, fromSrc, err := s.step(most)
		t.o.Pace.giveBack(most - n)
		s.turn.count(int(n))
		if n > 0 {
			moved(n)
		}
		if fromSrc && errors.Is(err, os.ErrDeadlineExceeded) && !t.quiet() {
			continue
		}
		if err != nil {
			return err
		}
	}
}

// copy is splice through a buffer.
func (t *tunnel) copy(dst, src net.Conn, moved func(int64)) error {
	buf := t.o.Buffers.get(smallCopy)
	defer t.o.Buffers.put(buf)
	for {
		most, err := t.o.Pace.take(t.ctx, int64(len(*buf)))
		if err != nil {
			return err
		}
		n, err := src.Read((*buf)[:most])
		t.o.Pace.giveBack(most - int64(n))
		if n > 0 {
			if _, werr := dst.Write((*buf)[:n]); werr != nil {
				return werr
			}
			moved(int64(n))
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && !t.quiet() {
			continue
		}
		if err != nil {
			return err
		}
	}
}

// endOfWay passes a clean end on to dst.
func endOfWay(err error, dst net.Conn) error {
	if err != io.EOF {
		return err
	}
	if t, ok := dst.(*tls.Conn); ok {
		return ignoreClosed(t.CloseWrite())
	}
	if c := Under(dst); c != nil && c.tcp != nil {
		return ignoreClosed(c.tcp.CloseWrite())
	}
	return nil
}

// ignoreClosed drops the error of ending a direction that is over anyway.
func ignoreClosed(err error) error {
	var op *net.OpError
	if errors.Is(err, net.ErrClosed) || errors.As(err, &op) {
		return nil
	}
	return err
}
