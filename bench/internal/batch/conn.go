// Package batch makes system calls large: a connection under TLS that reads
// and writes by many records at once. The origin, the load program and the
// bare relays use it, so that what they cost stays small beside the peer that
// is measured. It is written apart from weighbridge's own, so that a mistake
// there does not also move the floor.
package batch

import (
	"io"
	"net"
	"sync"
)

// Sizes of section 3 of the measurements that the product was designed from:
// past 256 KiB nothing is gained. A write batch holds the records of one copy
// buffer (RFC 8446, section 5.2: 22 bytes more for each 16 KiB).
const (
	CopySize  = 256 << 10
	readSize  = 256 << 10
	writeSize = 288 << 10
)

// Conn batches one direction or both, while it was lent buffers. One goroutine
// may read while another writes.
type Conn struct {
	net.Conn
	rbuf []byte
	r, w int
	wbuf []byte
	n    int
}

// New wraps c, without buffers.
func New(c net.Conn) *Conn { return &Conn{Conn: c} }

var (
	readers = sync.Pool{New: func() any { return new([readSize]byte) }}
	writers = sync.Pool{New: func() any { return new([writeSize]byte) }}
)

// Lend gives c buffers for the directions that it is to batch. What is written
// from then on has to be sent with Flush.
func (c *Conn) Lend(read, write bool) {
	if read && c.rbuf == nil {
		c.rbuf = readers.Get().(*[readSize]byte)[:]
	}
	if write && c.wbuf == nil {
		c.wbuf = writers.Get().(*[writeSize]byte)[:]
	}
}

// GiveBack takes the buffers away; what they hold is lost.
func (c *Conn) GiveBack() {
	if c.rbuf != nil {
		readers.Put((*[readSize]byte)(c.rbuf))
	}
	if c.wbuf != nil {
		writers.Put((*[writeSize]byte)(c.wbuf))
	}
	c.rbuf, c.wbuf, c.r, c.w, c.n = nil, nil, 0, 0, 0
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	if c.r == c.w {
		if len(p) >= len(c.rbuf) {
			return c.Conn.Read(p)
		}
		n, err := c.Conn.Read(c.rbuf)
		if n == 0 {
			return 0, err
		}
		c.r, c.w = 0, n
	}
	n := copy(p, c.rbuf[c.r:c.w])
	c.r += n
	return n, nil
}

// Buffered is what was read and not taken.
func (c *Conn) Buffered() int { return c.w - c.r }

// Write implements net.Conn: with a write batch it only collects, until the
// batch is full.
func (c *Conn) Write(p []byte) (int, error) {
	if len(c.wbuf) == 0 {
		return c.Conn.Write(p)
	}
	for done := 0; ; {
		n := copy(c.wbuf[c.n:], p[done:])
		c.n += n
		if done += n; done == len(p) {
			return done, nil
		}
		if err := c.Flush(); err != nil {
			return done, err
		}
	}
}

// Flush sends what Write collected.
func (c *Conn) Flush() error {
	if c.n == 0 {
		return nil
	}
	_, err := c.Conn.Write(c.wbuf[:c.n])
	c.n = 0
	return err
}

// Copy moves bytes from src to dst until src ends. from and to are the batches
// below src and dst, nil where there is none. Nothing is held back while more
// would have to be waited for.
func Copy(dst io.Writer, src io.Reader, to, from *Conn) error {
	buf := make([]byte, CopySize)
	for {
		n, err := 0, error(nil)
		for n < len(buf) && err == nil {
			var m int
			m, err = src.Read(buf[n:])
			n += m
			if from == nil || from.Buffered() == 0 {
				break
			}
		}
		if n > 0 {
			if _, werr := dst.Write(buf[:n]); werr != nil {
				return werr
			}
			if to != nil {
				if werr := to.Flush(); werr != nil {
					return werr
				}
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
