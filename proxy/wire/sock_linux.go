package wire

import (
	"golang.org/x/sys/unix"
)

// unacknowledged is how many bytes the peer has not acknowledged yet, or -1
// where that cannot be told: SIOCOUTQ of tcp(7).
func (c *Conn) unacknowledged() int {
	if c.sys == nil {
		return -1
	}
	n := -1
	err := c.sys.Control(func(fd uintptr) {
		if q, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err == nil {
			n = q
		}
	})
	if err != nil {
		return -1
	}
	return n
}

// gone reports whether the connection is over, without reading from it. A peer
// that ended its own side is not gone: it may be waiting for an answer (RFC
// 9112, section 9.6), and from one that closed both it cannot be told before
// something is written to it.
func (c *Conn) gone() bool {
	if c.sys == nil {
		return false
	}
	// States of include/net/tcp_states.h: in these the peer may still take what
	// is sent.
	const (
		established = 1
		synSent     = 2
		synRecv     = 3
		closeWait   = 8
	)
	state := byte(established)
	err := c.sys.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			state = info.State
		}
	})
	return err != nil || state != established && state != synSent && state != synRecv && state != closeWait
}

// unread reports whether c is closed by the peer or holds bytes that nobody
// asked for, in its socket or in a TLS layer that c leads through: such a
// connection must not be used for another exchange. Where there is no socket
// to look at it cannot be told, and it is so too.
func (c *Conn) unread() bool {
	if c.bottom == nil {
		return true
	}
	if c.look == nil {
		c.look = func(fd uintptr) {
			ask := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLRDHUP}} //nolint:gosec // a descriptor is an int
			n, err := unix.Poll(ask[:], 0)
			c.silent = n == 0 && err == nil
		}
	}
	c.silent = false
	// Control asks for no deadline: that of the last exchange may have passed.
	err := c.bottom.Control(c.look)
	return err != nil || !c.silent || c.sys == nil && c.held()
}
