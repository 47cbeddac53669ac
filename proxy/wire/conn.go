package wire

import (
	"net"
	"time"
)

// Conn wraps a TCP connection. While a body streams it may be lent a buffer
// for batched reading and one for batched writing; while idle it has neither.
// It is found again under TLS with [Under].
type Conn struct {
	net.Conn
}

// NewConn wraps c. Where c is a *Conn already it is returned as it is.
func NewConn(c net.Conn) *Conn { panic("being written") }

// NetConn returns the connection below, as (*tls.Conn).NetConn does.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// SetIdle turns deadlines of progress on: from now on a Read fails after no
// byte arrived for read, and a Write after the peer took no byte for write.
// Zero turns a direction off and clears its deadline.
func (c *Conn) SetIdle(read, write time.Duration) { panic("being written") }

// Under finds the *Conn below c, through any number of wrappers that have a
// NetConn method (*tls.Conn has). It returns nil where there is none.
func Under(c net.Conn) *Conn { panic("being written") }

// Reset closes c so that the peer sees a broken connection (RST) and never a
// clean end: nothing that is buffered is sent, no close_notify, no FIN.
func Reset(c net.Conn) { panic("being written") }
