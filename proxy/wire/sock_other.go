//go:build !linux

package wire

// unacknowledged cannot be told here: -1.
func (c *Conn) unacknowledged() int { return -1 }

// gone cannot be told here without reading.
func (c *Conn) gone() bool { return false }

// unread reports whether c holds bytes that nobody asked for: what can be told
// without reading from the socket.
func (c *Conn) unread() bool { return c.bottom == nil || c.held() }
