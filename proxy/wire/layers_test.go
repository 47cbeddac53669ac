package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
)

// TestT43_UnaskedBytesBehindATLSProxy: the same where the connection leads
// through a corporate proxy that is spoken to by TLS. The bytes are in the
// socket, or already in the outer TLS layer because they came together with the
// answer.
func TestT43_UnaskedBytesBehindATLSProxy(t *testing.T) {
	const good, evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	ca := newAuthority(t, nil)
	outer := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}}
	for _, secure := range []bool{false, true} {
		for _, together := range []bool{false, true} {
			t.Run(fmt.Sprintf("tls=%v,together=%v", secure, together), func(t *testing.T) {
				poison, poisoned := make(chan struct{}), make(chan struct{})
				var first atomic.Bool
				s := newScript(t, nil, func(raw net.Conn, _ *bufio.Reader) {
					batch := NewConn(raw)
					var c net.Conn = tls.Server(batch, outer)
					if secure {
						c = tls.Server(c, serverTLS(t, ca, true))
					}
					for br := bufio.NewReader(c); ; {
						if _, err := readRequest(br); err != nil {
							return
						}
						ours := first.CompareAndSwap(false, true)
						if ours && together {
							batch.lendWrite(make([]byte, 64<<10))
							_, _ = io.WriteString(c, good)
							_, _ = io.WriteString(c, evil)
							_ = batch.Flush()
							batch.lendWrite(nil)
							continue
						}
						_, _ = io.WriteString(c, good)
						if ours {
							<-poison
							_, _ = io.WriteString(c, evil)
							close(poisoned)
						}
					}
				})
				c := newClient(t, s.addr, func(o *ClientOptions) {
					o.TLS = &tls.Config{RootCAs: ca.pool}
					o.Dial = func(ctx context.Context, _ Dest) (net.Conn, error) {
						raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.addr)
						if err != nil {
							return nil, err
						}
						through := tls.Client(raw, &tls.Config{RootCAs: ca.pool, ServerName: "origin.test"})
						return through, through.HandshakeContext(ctx)
					}
				})
				d := destTLS(secure)
				if a := do(t, c, d, "GET", "/", nil); a.body != "good" {
					t.Fatal(a.body, a.err)
				}
				if !together {
					close(poison)
					<-poisoned
					eventually(t, "the bytes have arrived", keptFor(c, d).base.unread)
				}
				goodOnAnother(t, c, d, s)
			})
		}
	}
}
