package wire

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// ListenerOptions say how connections are accepted.
type ListenerOptions struct {
	// TLS, if not nil, is what Accept ends TLS with (lazily: the handshake is
	// made by the first Read).
	TLS *tls.Config
	// KeepAlive is the time without traffic after which TCP keep-alive probes
	// begin; zero means 30 s.
	KeepAlive time.Duration
	// OnError is told of errors of accept(2) that were waited out, such as
	// EMFILE; nil ignores them.
	OnError func(error)
}

// Listener accepts connections as *Conn, or as *tls.Conn over a *Conn. It
// outlives a lack of file descriptors: a reserved one is used to accept and
// shed connections until there are some again, so that clients see a reset
// instead of a connection that nobody answers.
type Listener struct {
	net.Listener
	o    ListenerOptions
	done chan struct{}
	once sync.Once

	mu      sync.Mutex
	reserve *os.File
}

// Listen wraps ln.
func Listen(ln net.Listener, o ListenerOptions) *Listener {
	if o.KeepAlive <= 0 {
		o.KeepAlive = 30 * time.Second
	}
	l := &Listener{Listener: ln, o: o, done: make(chan struct{})}
	l.keepReserve()
	return l
}

// The wait after a failed accept(2), doubled up to the second figure.
const (
	acceptPause    = 5 * time.Millisecond
	acceptPauseMax = time.Second
)

// Accept returns the next connection: a *Conn, or a *tls.Conn over one. Its
// error is final.
func (l *Listener) Accept() (net.Conn, error) {
	pause := acceptPause
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			return l.wrap(c), nil
		}
		if !passing(err) {
			return nil, err
		}
		if l.o.OnError != nil {
			l.o.OnError(err)
		}
		l.shed()
		select {
		case <-l.done:
			return nil, net.ErrClosed
		case <-time.After(pause):
		}
		pause = min(2*pause, acceptPauseMax)
	}
}

func (l *Listener) wrap(c net.Conn) net.Conn {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: l.o.KeepAlive, Interval: l.o.KeepAlive / 2, Count: 4})
	}
	w := NewConn(c)
	if l.o.TLS == nil {
		return w
	}
	return tls.Server(w, l.o.TLS)
}

// passing says whether accept(2) may succeed later.
func passing(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// shed gives the reserved descriptor up for a moment, accepts what waits and
// resets it.
func (l *Listener) shed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reserve == nil {
		l.reopen()
		return
	}
	tcp, ok := l.Listener.(*net.TCPListener)
	if !ok {
		return
	}
	_ = l.reserve.Close()
	l.reserve = nil
	// Only what waits already: nothing may block here.
	_ = tcp.SetDeadline(time.Now().Add(time.Millisecond))
	if c, err := tcp.Accept(); err == nil {
		Reset(c)
	}
	_ = tcp.SetDeadline(time.Time{})
	l.reopen()
}

func (l *Listener) keepReserve() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reopen()
}

// reopen takes the reserved descriptor again. l.mu is held.
func (l *Listener) reopen() {
	select {
	case <-l.done:
	default:
		l.reserve, _ = os.Open(os.DevNull)
	}
}

// Close closes the listener and the reserved descriptor.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	l.mu.Lock()
	if l.reserve != nil {
		_ = l.reserve.Close()
		l.reserve = nil
	}
	l.mu.Unlock()
	return l.Listener.Close()
}
