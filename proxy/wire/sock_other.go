//go:build !linux

package wire

// unacknowledged cannot be told here: -1.
func (c *Conn) unacknowledged() int { return -1 }

// gone cannot be told here without reading.
func (c *Conn) gone() bool { return false }

// unread cannot be told here without reading: see upstream.quiet, which reads
// with a deadline in the past.
func (c *Conn) unread() bool { return false }
