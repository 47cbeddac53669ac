//go:build realclients

package realstores

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// link is the network between one weighbridge and a database, which a test can
// cut.
type link struct {
	to     string
	at     net.Listener
	served sync.WaitGroup

	mu   sync.Mutex
	down bool
	// pools says that the server's side of a connection is kept when the client
	// leaves, as a pooler does.
	pools bool
	open  map[net.Conn]bool
}

// newLink leads to the server until the test ends.
func newLink(t testing.TB, s *server) *link {
	t.Helper()
	at, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	l := &link{to: fmt.Sprintf("127.0.0.1:%d", s.port), at: at, open: map[net.Conn]bool{}}
	l.served.Go(func() {
		for {
			c, err := at.Accept()
			if err != nil {
				return
			}
			l.served.Go(func() { l.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = at.Close()
		l.cut()
		l.served.Wait()
	})
	return l
}

// through is a DSN of the server by way of l.
func (l *link) through(dsn auth.Secret) auth.Secret {
	return auth.NewSecret(strings.Replace(dsn.Reveal(), l.to, l.at.Addr().String(), 1))
}

// cut breaks every connection and lets none begin, until mend.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	for c := range l.open {
		_ = c.Close()
	}
}

// lead has it lead to another server from now on.
func (l *link) lead(s *server) {
	l.mu.Lock()
	l.to = fmt.Sprintf("127.0.0.1:%d", s.port)
	l.mu.Unlock()
	l.cut()
	l.mend()
}

func (l *link) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
}

// hold notes a connection, and reports whether it may be.
func (l *link) hold(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.down {
		l.open[c] = true
	}
	return !l.down
}

func (l *link) drop(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
	_ = c.Close()
}

func (l *link) serve(near net.Conn) {
	defer l.drop(near)
	if !l.hold(near) {
		return
	}
	l.mu.Lock()
	to := l.to
	l.mu.Unlock()
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer l.drop(far)
	if !l.hold(far) {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(near, far)
		_ = near.Close()
	})
	if !l.pools {
		_, _ = io.Copy(far, near)
		_ = far.Close()
	} else if lend(far, near) == nil {
		_ = near.Close() // and far stays, until all is cut
	}
	back.Wait()
}

// lend copies what the client sends until it takes its leave (Terminate, in
// PostgreSQL's documentation, "Message Formats"), which the server is not told.
func lend(far, near net.Conn) error {
	leave := []byte{'X', 0, 0, 0, 4}
	for b := make([]byte, 64<<10); ; {
		n, err := near.Read(b)
		if err != nil {
			return errors.Join(err, far.Close())
		}
		said, left := bytes.CutSuffix(b[:n], leave)
		if _, err := far.Write(said); err != nil || left {
			return err
		}
	}
}
