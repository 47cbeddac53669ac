package wire

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// pipe is what splice(2) moves bytes through.
type pipe struct {
	r, w int
	size int
}

// pipeSize is asked for; an unprivileged user with many pipes gets less
// (pipe(7), pipe-user-pages-soft).
const pipeSize = 1 << 20

func (b *Buffers) pipe() *pipe {
	if b != nil {
		select {
		case p := <-b.pipes:
			return p
		default:
		}
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil
	}
	p := &pipe{r: fds[0], w: fds[1], size: 64 << 10}
	if n, err := unix.FcntlInt(uintptr(p.w), unix.F_SETPIPE_SZ, pipeSize); err == nil && n > 0 {
		p.size = n
	}
	return p
}

// returnPipe keeps an empty pipe or closes it.
func (b *Buffers) returnPipe(p *pipe, empty bool) {
	if b != nil && empty {
		select {
		case b.pipes <- p:
			return
		default:
		}
	}
	_ = unix.Close(p.r)
	_ = unix.Close(p.w)
}

// splicer moves bytes from one TCP connection to another inside the kernel.
// It is resumable: a stall loses nothing, what is in the pipe stays there.
// The closures are made once, so that a body of any length allocates the same.
type splicer struct {
	src, dst *Conn
	turn     *turn // of src
	b        *Buffers
	p        *pipe
	pending  int // bytes in the pipe

	want int
	got  int64
	err  error
	fill func(fd uintptr) bool
	pour func(fd uintptr) bool
}

// newSplicer returns nil where splicing is not to be had.
func newSplicer(dst, src *Conn, b *Buffers) *splicer {
	if src.sys == nil || dst.sys == nil {
		return nil
	}
	p := b.pipe()
	if p == nil {
		return nil
	}
	s := &splicer{src: src, dst: dst, turn: src.turn, b: b, p: p}
	s.fill = func(fd uintptr) bool { return s.move(int(fd), s.p.w, s.want) }
	s.pour = func(fd uintptr) bool { return s.move(s.p.r, int(fd), s.pending) }
	return s
}

// move splices up to n bytes and says whether it is done, not whether it went
// well: that is in got and err. A connection that is not ready has the others
// go first.
func (s *splicer) move(from, to, n int) (done bool) {
	for {
		s.got, s.err = unix.Splice(from, nil, to, nil, n, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		switch s.err {
		case unix.EINTR:
		case unix.EAGAIN:
			s.turn.give()
			return false
		default:
			return true
		}
	}
}

// close gives the pipe back.
func (s *splicer) close() { s.b.returnPipe(s.p, s.pending == 0) }

// errNoSplice says that these two sockets cannot be spliced; nothing was moved.
var errNoSplice = errors.New("wire: splice is not supported here")

// step moves up to max bytes. n is what reached dst; io.EOF from src comes with
// n == 0. fromSrc tells whose error err is.
func (s *splicer) step(max int64) (n int64, fromSrc bool, err error) {
	if s.pending == 0 {
		s.want = int(min(max, int64(s.p.size)))
		s.src.pushRead()
		if err := s.src.sys.Read(s.fill); err != nil {
			return 0, true, s.src.readStalled(err)
		}
		s.turn.take() // it may have been given up
		switch {
		case s.err == unix.EINVAL || s.err == unix.ENOSYS:
			return 0, true, errNoSplice
		case s.err != nil:
			return 0, true, os.NewSyscallError("splice", s.err)
		case s.got == 0:
			return 0, true, io.EOF
		}
		s.pending = int(s.got)
	}
	var watch progress
	for s.pending > 0 {
		if s.dst.write.limit != 0 {
			s.dst.pushWrite()
		}
		err := s.dst.sys.Write(s.pour)
		switch {
		case err == nil && s.err != nil:
			return n, false, os.NewSyscallError("splice", s.err)
		case err == nil:
			s.pending -= int(s.got)
			n += s.got
			watch = progress{}
		case s.dst.write.limit != 0 && errors.Is(err, os.ErrDeadlineExceeded):
			if watch.stalled(s.dst, false) {
				return n, false, &stallError{s.dst.write.limit}
			}
		default:
			return n, false, err
		}
	}
	return n, false, nil
}
