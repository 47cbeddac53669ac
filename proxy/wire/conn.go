package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// Conn wraps a TCP connection (or what a corporate proxy gave in its place).
// While a body streams it is lent a buffer for batched reading and one for
// batched writing; while idle it has neither. It is found again under TLS
// with [Under].
//
// One goroutine may read while another writes; SetIdle belongs to the one
// that is about to do either.
type Conn struct {
	net.Conn
	tcp *net.TCPConn    // nil where Conn is no TCP connection
	sys syscall.RawConn // of tcp
	// bottom is the TCP connection below Conn however many layers are between,
	// as behind a corporate proxy that is spoken to by TLS; nil where there is
	// none. It is only looked at.
	bottom syscall.RawConn

	rbuf []byte // lent read batch; rbuf[r:w] was read and not taken
	r, w int
	rerr error // met behind rbuf[r:w]
	fin  bool  // a Read met the end of the TCP connection

	wbuf []byte // lent write batch; wbuf[:n] was taken and not written
	n    int

	read, write idle
	drying      bool // reads give nothing: see dry
	// look is unread's, made once, and silent what it saw.
	look   func(fd uintptr)
	silent bool
	// bounded is when boundRead last moved the deadline, in nanoseconds of
	// Unix time, and bound for how long; zero after anybody else did.
	bounded atomic.Int64
	bound   time.Duration
	// turn is given up while c waits for its peer; nil outside of streams.
	turn *turn
	// abandoned makes every Read fail from now on: see abandonRead.
	abandoned atomic.Bool
}

// idle is the deadline of one direction, by progress.
type idle struct {
	limit  time.Duration // zero: deadlines are the caller's
	pushed time.Time     // when the deadline was last moved
}

// NewConn wraps c. Where c is a *Conn already it is returned as it is.
func NewConn(c net.Conn) *Conn {
	if w, ok := c.(*Conn); ok {
		return w
	}
	w := &Conn{Conn: c}
	if tcp := tcpBelow(c); tcp != nil {
		if sys, err := tcp.SyscallConn(); err == nil {
			w.bottom = sys
			if net.Conn(tcp) == c {
				w.tcp, w.sys = tcp, sys
			}
		}
	}
	return w
}

// tcpBelow finds the TCP connection that is c or below it; nil is none.
func tcpBelow(c net.Conn) *net.TCPConn {
	for {
		switch n := c.(type) {
		case *net.TCPConn:
			return n
		case netConner:
			c = n.NetConn()
		default:
			return nil
		}
	}
}

// NetConn returns the connection below, as (*tls.Conn).NetConn does.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// netConner is what *tls.Conn and *Conn have.
type netConner interface{ NetConn() net.Conn }

// Under finds the *Conn below c, through any number of wrappers that have a
// NetConn method (*tls.Conn has). It returns nil where there is none.
func Under(c net.Conn) *Conn {
	for c != nil {
		if w, ok := c.(*Conn); ok {
			return w
		}
		n, ok := c.(netConner)
		if !ok {
			return nil
		}
		c = n.NetConn()
	}
	return nil
}

// Reset closes c so that the peer sees a broken connection (RST) and never a
// clean end: nothing that is buffered is sent, no close_notify, no FIN.
func Reset(c net.Conn) {
	for {
		n, ok := c.(netConner)
		if !ok {
			break
		}
		c = n.NetConn()
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// stallError is a deadline of progress that was missed.
type stallError struct{ after time.Duration }

func (e *stallError) Error() string { return "no byte moved for " + e.after.String() }
func (e *stallError) Timeout() bool { return true }
func (e *stallError) Unwrap() error { return os.ErrDeadlineExceeded }

// Temporary is what a TLS layer asks whether it may read on, as a tunnel does of
// which the other direction works. What it writes fails for good either way.
func (e *stallError) Temporary() bool { return true }

var _ net.Error = (*stallError)(nil)

// errAbandoned is what reads fail with after abandonRead.
var errAbandoned = errors.New("wire: reading was given up")

// SetIdle turns deadlines of progress on: from now on a Read fails after no
// byte arrived for read, and a Write after the peer took no byte for write.
// Zero turns a direction off and clears its deadline. A Write of many bytes
// that a slow peer takes little by little never fails.
func (c *Conn) SetIdle(read, write time.Duration) {
	c.setReadIdle(read)
	c.setWriteIdle(write)
}

func (c *Conn) setReadIdle(d time.Duration) {
	if c.read.limit != 0 && d == 0 {
		_ = c.SetReadDeadline(time.Time{})
	}
	c.read = idle{limit: d}
}

// boundRead ends what is read from now on, as a whole, after d; deadlines of
// progress are off. The deadline of the last call stands for a second, or an
// eighth of a short d: moving it costs more than a small message.
func (c *Conn) boundRead(d time.Duration) {
	c.read = idle{}
	now := time.Now()
	if since := now.UnixNano() - c.bounded.Load(); c.bound == d && since >= 0 && since < int64(min(time.Second, d/8)) {
		return
	}
	_ = c.Conn.SetReadDeadline(now.Add(d))
	c.bound = d
	c.bounded.Store(now.UnixNano())
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.bounded.Store(0)
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	c.bounded.Store(0)
	return c.Conn.SetDeadline(t)
}

func (c *Conn) setWriteIdle(d time.Duration) {
	if d == c.write.limit {
		return // the deadline is moved when it is due
	}
	if c.write.limit != 0 && d == 0 {
		_ = c.SetWriteDeadline(time.Time{})
	}
	c.write = idle{limit: d}
}

// due says whether a deadline has to be moved: at most once a second, or once
// in an eighth of a short limit. It notes that it was.
func (i *idle) due(now time.Time) bool {
	if now.Sub(i.pushed) < min(time.Second, i.limit/8) {
		return false
	}
	i.pushed = now
	return true
}

func (c *Conn) pushRead() {
	if c.read.limit == 0 {
		return
	}
	if now := time.Now(); c.read.due(now) {
		_ = c.SetReadDeadline(now.Add(c.read.limit))
	}
}

// Read reads from the batch where there is one, and from the peer otherwise.
func (c *Conn) Read(p []byte) (int, error) {
	if c.r < c.w {
		n := copy(p, c.rbuf[c.r:c.w])
		c.r += n
		return n, nil
	}
	if err := c.rerr; err != nil {
		c.rerr = nil
		return 0, err
	}
	if len(p) >= len(c.rbuf) {
		return c.readRaw(p)
	}
	n, err := c.readRaw(c.rbuf)
	if n == 0 {
		return 0, err
	}
	c.r, c.w, c.rerr = copy(p, c.rbuf[:n]), n, err
	return c.r, nil
}

// dryError is what reading meets that must not reach the socket. A TLS layer
// takes it for something that passes.
type dryError struct{}

func (dryError) Error() string   { return "wire: nothing is read from the socket" }
func (dryError) Timeout() bool   { return true }
func (dryError) Temporary() bool { return true }

var (
	_      net.Error = dryError{}
	errDry error     = dryError{}
)

// dry reads from over, a connection above c, what that holds already: where it
// would read on from c the error is errDry. Nobody else may read meanwhile.
func (c *Conn) dry(over net.Conn, p []byte) (int, error) {
	c.drying = true
	defer func() { c.drying = false }()
	return over.Read(p)
}

func (c *Conn) readRaw(p []byte) (int, error) {
	if c.drying {
		return 0, errDry
	}
	if c.abandoned.Load() {
		return 0, errAbandoned
	}
	c.pushRead()
	if c.abandoned.Load() { // set before its deadline, which we may have moved
		_ = c.SetReadDeadline(longAgo)
	}
	read := c.Conn.Read
	if c.turn != nil {
		read = c.readInTurn
	}
	n, err := read(p)
	c.fin = c.fin || err == io.EOF
	if err != nil && n == 0 {
		err = c.readStalled(err)
	}
	return n, err
}

// readStalled turns a missed deadline of progress into what it means.
func (c *Conn) readStalled(err error) error {
	switch {
	case c.abandoned.Load():
		return errAbandoned
	case c.read.limit != 0 && errors.Is(err, os.ErrDeadlineExceeded):
		return &stallError{c.read.limit}
	default:
		return err
	}
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// abandonRead makes the Read that runs, and every later one, fail. Unlike a
// deadline it cannot be moved by the reader.
func (c *Conn) abandonRead() {
	c.abandoned.Store(true)
	_ = c.SetReadDeadline(longAgo)
}

// Write puts p into the batch where there is one, and sends it otherwise.
func (c *Conn) Write(p []byte) (int, error) {
	if len(c.wbuf) == 0 {
		return c.writeRaw(p)
	}
	total := 0
	for len(p) > 0 {
		if c.n == 0 && len(p) >= len(c.wbuf) {
			n, err := c.writeRaw(p)
			return total + n, err
		}
		n := copy(c.wbuf[c.n:], p)
		c.n += n
		p = p[n:]
		total += n
		if c.n == len(c.wbuf) {
			if err := c.Flush(); err != nil {
				return total, err
			}
		}
	}
	return total, nil
}

// Flush sends what the write batch holds.
func (c *Conn) Flush() error {
	if c.n == 0 {
		return nil
	}
	_, err := c.writeRaw(c.wbuf[:c.n])
	c.n = 0
	return err
}

// writeRaw sends p. With a limit it goes on as long as the peer takes bytes:
// each part of the limit that ends without the socket having room is looked
// at, and only a whole limit without progress is an error.
func (c *Conn) writeRaw(p []byte) (int, error) {
	if c.write.limit == 0 {
		return c.Conn.Write(p)
	}
	total := 0
	var watch progress
	write := c.Conn.Write
	if c.turn != nil {
		write = c.writeInTurn
	}
	for {
		c.pushWrite()
		n, err := write(p[total:])
		total += n
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return total, err
		}
		if watch.stalled(c, n > 0) {
			return total, &stallError{c.write.limit}
		}
	}
}

// pushWrite sets the deadline of one step: a quarter of the limit.
func (c *Conn) pushWrite() {
	if now := time.Now(); c.write.due(now) {
		_ = c.SetWriteDeadline(now.Add(c.write.limit / 4))
	}
}

// progress watches a peer that is slow to take bytes. The socket has room
// again only after a third of its buffer was taken, which may be megabytes:
// what shows earlier is the number of bytes that were not acknowledged.
type progress struct {
	since  time.Time // of the last progress
	unsent int       // as of then; -1 is unknown
}

// stalled is asked after a step in which a write did not end. It says whether
// there was no progress for the connection's whole limit.
func (w *progress) stalled(c *Conn, moved bool) bool {
	now := time.Now()
	unsent := c.unacknowledged()
	if w.since.IsZero() {
		// The first step: whatever happened, it began a step ago.
		w.since, w.unsent = now.Add(-c.write.limit/4), unsent
		if moved {
			w.since = now
		}
	} else if moved || unsent != w.unsent {
		w.since, w.unsent = now, unsent
	}
	c.write.pushed = time.Time{} // the deadline has passed
	return now.Sub(w.since) >= c.write.limit
}

// lendRead gives c a read batch for the time of a body; nil gives none.
func (c *Conn) lendRead(buf []byte) { c.rbuf, c.r, c.w, c.rerr = buf, 0, 0, nil }

// lendWrite gives c a write batch for the time of a body; nil gives none.
func (c *Conn) lendWrite(buf []byte) { c.wbuf, c.n = buf, 0 }

// buffered is how many bytes the read batch holds.
func (c *Conn) buffered() int { return c.w - c.r }

// endRead takes the read batch away. It reports false where bytes were left
// in it: the connection is of no use any more.
func (c *Conn) endRead() bool {
	clean := c.r == c.w && c.rerr == nil
	c.lendRead(nil)
	return clean
}

// endWrite takes the write batch away. It reports false where bytes were left
// in it: what the peer got is not whole.
func (c *Conn) endWrite() bool {
	clean := c.n == 0
	c.lendWrite(nil)
	return clean
}
