package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// upstream is a connection to a Dest.
type upstream struct {
	c    *Client
	d    Dest
	net  net.Conn // base, or TLS over it
	base *Conn
	// reused says that it has served an exchange before this one.
	reused bool
	idleAt time.Time // since when it is kept unused
	judged time.Time // when it was dialled, or Reuse last allowed it
}

// writers are bufio.Writers of one TLS record.
var writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 16<<10) }}

func getWriter(c net.Conn) *bufio.Writer {
	bw := writers.Get().(*bufio.Writer)
	bw.Reset(c)
	return bw
}

func putWriter(bw *bufio.Writer) {
	bw.Reset(nil)
	writers.Put(bw)
}

// dial makes a new connection to d, through TLS where its scheme says so. Not
// a byte of a request is written before the certificate was verified.
func (c *Client) dial(ctx context.Context, d Dest) (*upstream, error) {
	dctx, stop := context.WithTimeout(ctx, c.o.ConnectTimeout)
	raw, err := c.o.Dial(dctx, d)
	stop()
	if err != nil {
		var e *auth.Error
		switch {
		case errors.As(err, &e):
			return nil, e
		case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded):
			return nil, auth.NewError(auth.CodeUpstreamTimeout, "no connection to "+d.Host+" within the time allowed", err)
		default:
			return nil, auth.NewError(auth.CodeUpstreamUnreachable, "no connection to "+d.Host, err)
		}
	}
	u := &upstream{c: c, d: d, base: NewConn(raw), judged: time.Now()}
	u.net = u.base
	if d.Scheme != "https" {
		return u, nil
	}
	cfg := c.tlsFor(d)
	t := tls.Client(u.base, cfg)
	hctx, stop := context.WithTimeout(ctx, c.o.ConnectTimeout)
	defer stop()
	if err := t.HandshakeContext(hctx); err != nil {
		_ = u.base.Close()
		now := time.Now
		if cfg.Time != nil {
			now = cfg.Time
		}
		if cause := hctx.Err(); cause != nil {
			return nil, auth.NewError(auth.CodeUpstreamTimeout, "TLS to "+d.Host+" was not established in time", errors.Join(err, cause))
		}
		return nil, handshakeError(d, err, now())
	}
	u.net = t
	return u, nil
}

// judgement is how long what Reuse said of a connection holds.
const judgement = time.Second

// allowed reports whether u may still lead where it does.
func (u *upstream) allowed(now time.Time) bool {
	reuse := u.c.o.Reuse
	if reuse == nil || now.Sub(u.judged) < judgement {
		return true
	}
	if reuse(u.d, u.base.Conn) != nil {
		return false
	}
	u.judged = now
	return true
}

// quiet reports whether an unused connection is alive and holds no byte that
// nobody asked for, neither in the socket nor decrypted nor still encrypted
// (a whole record) in the TLS layer.
func (u *upstream) quiet() bool {
	if u.net != u.base {
		// Gives what TLS holds already, and nothing of the socket.
		var b [1]byte
		if n, err := u.base.dry(u.net, b[:]); n > 0 || !errors.Is(err, errDry) {
			return false
		}
	}
	return !u.base.unread()
}

// held reports whether the layers between c and its socket hold bytes: a read
// whose deadline has passed gives what they have decrypted, or could decrypt,
// and nothing of the socket. A part of a record, which nobody can tell from
// none, is authenticated before it becomes anything. Nobody else may read
// meanwhile.
func (c *Conn) held() bool {
	if c.SetReadDeadline(longAgo) != nil {
		return true
	}
	var b [1]byte
	n, err := c.Conn.Read(b[:])
	return n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || c.SetReadDeadline(time.Time{}) != nil
}

// close closes the connection at once, without close_notify: the exchange is
// over or broken.
func (u *upstream) close() { _ = u.base.Close() }
