package wire

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// shares reports whether c can tell when it is about to wait for its peer.
func (c *Conn) shares() bool { return c.sys != nil }

// readInTurn is a Read that gives the turn up while it waits.
func (c *Conn) readInTurn(p []byte) (n int, err error) {
	t := c.turn
	werr := c.sys.Read(func(fd uintptr) bool {
		for {
			n, err = unix.Read(int(fd), p)
			switch err {
			case unix.EINTR:
			case unix.EAGAIN:
				t.give()
				return false
			default:
				return true
			}
		}
	})
	t.take()
	switch {
	case werr != nil:
		return 0, werr
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	t.count(n)
	return n, nil
}

// writeInTurn is a Write that gives the turn up while it waits.
func (c *Conn) writeInTurn(p []byte) (total int, err error) {
	t := c.turn
	werr := c.sys.Write(func(fd uintptr) bool {
		for total < len(p) {
			var n int
			n, err = unix.Write(int(fd), p[total:])
			switch {
			case err == unix.EINTR:
			case err == unix.EAGAIN:
				t.give()
				return false
			case err != nil:
				return true
			default:
				total += n
			}
		}
		return true
	})
	switch {
	case werr != nil:
		return total, werr
	case err != nil:
		return total, os.NewSyscallError("write", err)
	}
	return total, nil
}
