//go:build !linux

package wire

// shares reports whether c can tell when it is about to wait for its peer.
func (c *Conn) shares() bool { return false }

func (c *Conn) readInTurn(p []byte) (int, error)  { return c.Conn.Read(p) }
func (c *Conn) writeInTurn(p []byte) (int, error) { return c.Conn.Write(p) }
