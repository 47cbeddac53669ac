package wire

import (
	"crypto/tls"
	"net"
	"time"
)

// ListenerOptions say how connections are accepted.
type ListenerOptions struct {
	// TLS, if not nil, is what Accept ends TLS with (lazily: the handshake is
	// made by the first Read).
	TLS *tls.Config
	// KeepAlive is the period of TCP keep-alive probes; zero means 30 s.
	KeepAlive time.Duration
	// OnError is told of errors of accept(2) that were waited out, such as
	// EMFILE; nil ignores them.
	OnError func(error)
}

// Listener accepts connections as *Conn, or as *tls.Conn over a *Conn. It
// outlives a lack of file descriptors: a reserved one is used to accept and
// shed connections until there are some again.
type Listener struct {
	net.Listener
}

// Listen wraps ln.
func Listen(ln net.Listener, o ListenerOptions) *Listener { panic("being written") }

// Accept returns the next connection: a *Conn, or a *tls.Conn over one.
func (l *Listener) Accept() (net.Conn, error) { panic("being written") }
