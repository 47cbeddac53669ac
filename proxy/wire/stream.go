package wire

import (
	"errors"
	"io"
	"time"
)

// stallLimits are how long each side may move nothing.
type stallLimits struct{ upstream, worker time.Duration }

// SupportsBodyWriteTo tells fasthttp's writer to use WriteTo.
func (b *Body) SupportsBodyWriteTo() bool { return true }

// WriteTo streams what is left. A body of known length goes straight to the
// bound connection, past w, which must hold nothing any more: between two
// plain TCP connections inside the kernel, otherwise through buffers that are
// lent for the time. A body of unknown length goes through w, which frames
// and flushes each Write. It returns the bytes that were written and, where
// the body broke, b.Err(): the worker's connection must then be reset.
func (b *Body) WriteTo(w io.Writer) (n int64, err error) {
	start := b.count
	defer func() { n = b.count - start }()
	if len(b.mem) > 0 {
		m, err := w.Write(b.mem)
		b.moved(int64(m))
		b.mem = b.mem[m:]
		if err != nil {
			return 0, b.worker(err)
		}
	}
	if b.u == nil {
		if b.err == nil && !b.whole {
			return 0, io.ErrClosedPipe
		}
		return 0, b.err
	}
	b.pace.begin()
	defer b.pace.end()
	var down *Conn // of the worker
	sink := w
	if b.client != nil {
		down = Under(b.client)
		if b.left >= 0 {
			sink = b.client
		}
	}
	if down != nil && down.write.limit == 0 {
		down.setWriteIdle(b.limit.worker)
		defer down.setWriteIdle(0)
	}
	up := b.u.base // of the upstream; b.u goes with the last byte
	// A request that is still being sent uses the connections as well.
	if s := b.u.c.o.Shares; s != nil && b.upload == nil && down != nil && up.shares() && down.shares() {
		t := s.of(b.key)
		up.turn, down.turn = t, t
		defer func() {
			t.end()
			down.turn = nil
		}()
	}
	// TLS is where a *Conn is wrapped.
	upTLS := b.u.net != b.u.base
	downTLS := down != nil && b.client != down
	if b.left >= 0 && down != nil && !upTLS && !downTLS {
		if done, err := b.splice(down); done {
			return 0, err
		}
	}
	return 0, b.pump(sink, down, upTLS, downTLS)
}

// worker notes an error of the worker's side and closes the upstream. Whatever
// the upstream did, nothing can be resumed for a worker that is gone.
func (b *Body) worker(err error) error {
	b.err = err
	b.release(false)
	return b.err
}

// pump copies through a buffer: system calls are as large as the buffers while
// data is there, and nothing is delayed when it is not.
func (b *Body) pump(sink io.Writer, down *Conn, upTLS, downTLS bool) (err error) {
	up, turn := b.u.base, b.u.base.turn
	l := b.u.c.o.Buffers.lend(upTLS, downTLS)
	up.lendRead(slice(l.read))
	if downTLS {
		down.lendWrite(slice(l.writ))
	}
	defer func() {
		// The read batch was taken away where the connection was let go of
		// (see release): another stream may have it by now.
		if downTLS && !down.endWrite() && err == nil {
			err = b.worker(io.ErrShortWrite)
		}
		l.giveBack()
	}()
	whole := *l.copy
	// A write batch is sent when it has no room for another piece with its
	// records, and when nothing more is here to be sent with it.
	room := len(whole) + len(whole)>>8 + 1<<10
	for {
		b.dropReader()
		buf := whole
		if b.pace != nil {
			piece, err := b.paced(turn, int64(len(whole)))
			if err != nil {
				return err
			}
			buf = whole[:piece]
		}
		turn.step()
		n, pause, rerr := 0, false, error(nil)
		for n < len(buf) && rerr == nil {
			var m int
			m, rerr = b.next(buf[n:])
			n += m
			if pause = rerr != nil || b.ahead() == 0 && up.buffered() == 0; pause {
				break // more would have to be waited for
			}
		}
		b.pace.giveBack(int64(len(buf) - n))
		if n > 0 {
			m, werr := sink.Write(buf[:n])
			if werr == nil && downTLS && (pause || b.pace != nil || len(down.wbuf)-down.n < room) {
				werr = down.Flush()
			}
			if werr != nil {
				return b.worker(werr)
			}
			b.moved(int64(m))
		}
		if rerr != nil && n == 0 && downTLS {
			// The end, or the break, came alone: what waits in the batch is
			// the worker's all the same. What is lost below TLS makes all that
			// follows unreadable, and a rest may follow.
			if werr := down.Flush(); werr != nil {
				return b.worker(werr)
			}
		}
		if rerr == io.EOF {
			return nil
		}
		if rerr != nil {
			return b.err
		}
	}
}

// paced waits, without a turn, until bytes may be moved and returns how many,
// at most want.
func (b *Body) paced(t *turn, want int64) (int64, error) {
	if b.pace == nil {
		return want, nil
	}
	t.give()
	if b.left >= 0 {
		want = min(want, b.left)
	}
	n, err := b.pace.take(b.ctx, want)
	if err != nil {
		b.fail(err)
		return 0, b.err
	}
	return n, nil
}

// splice moves a body of known length between two plain TCP connections inside
// the kernel. It reports done == false, having moved nothing, where that is
// not to be had.
func (b *Body) splice(down *Conn) (done bool, err error) {
	s := newSplicer(down, b.u.base, b.u.c.o.Buffers)
	if s == nil {
		return false, nil
	}
	defer s.close()
	// First what came with the head.
	if k := int(min(int64(b.ahead()), b.left)); k > 0 {
		p, _ := b.br.Peek(k)
		n, err := down.Write(p)
		_, _ = b.br.Discard(n)
		b.left -= int64(n)
		b.moved(int64(n))
		if err != nil {
			return true, b.worker(err)
		}
	}
	b.dropReader()
	first := true
	for b.left > 0 {
		most, err := b.paced(s.turn, b.left)
		if err != nil {
			return true, err
		}
		s.turn.step()
		n, fromUpstream, err := s.step(most)
		b.pace.giveBack(most - n)
		s.turn.count(int(n))
		b.left -= n
		b.moved(n)
		switch {
		case err == nil:
			first = false
		case errors.Is(err, errNoSplice) && first:
			return false, nil
		case fromUpstream:
			b.fail(unexpected(err))
			return true, b.err
		default:
			return true, b.worker(err)
		}
	}
	b.finish()
	return true, nil
}
