package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pieces is an upstream's connection that gives one piece at a time and then
// err, and says of each piece but the last that more of the same read is here.
type pieces struct {
	net.Conn
	base *Conn
	left []string
	err  error
}

func (p *pieces) Read(b []byte) (int, error) {
	p.base.r, p.base.w = 0, 0
	if len(p.left) == 0 {
		return 0, p.err
	}
	n := copy(b, p.left[0])
	if p.left[0] = p.left[0][n:]; p.left[0] == "" {
		p.left = p.left[1:]
	}
	p.base.w = 1 // a record that is not whole yet
	return n, nil
}

// TestT71_NothingIsLostWhereABodyBreaksOff: what was read before the break
// reaches the worker, although the break came alone, behind as much as the
// buffer holds. Bytes that get lost below TLS would make all that follows
// unreadable, and with it the rest of an answer that is resumed.
func TestT71_NothingIsLostWhereABodyBreaksOff(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		left int64
		good bool
	}{
		"a reset":                 {syscall.ECONNRESET, 10 << 20, false},
		"the end of its own kind": {io.EOF, -1, true},
	} {
		t.Run(name, func(t *testing.T) {
			ca := newAuthority(t, nil)
			near, far := pair(t)
			worker := NewConn(near)
			server := tls.Server(worker, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}})
			client := tls.Client(far, &tls.Config{RootCAs: ca.pool, ServerName: "origin.test"})
			got := make(chan string, 1)
			go func() {
				b, err := io.ReadAll(client)
				if err != nil {
					b = append(b, err.Error()...)
				}
				got <- string(b)
			}()
			if err := server.Handshake(); err != nil {
				t.Fatal(err)
			}
			up, other := pair(t)
			defer func() { _ = other.Close() }()
			base := NewConn(up)
			text := strings.Repeat("x", smallCopy)
			b := &Body{
				u:   &upstream{c: NewClient(ClientOptions{Buffers: NewBuffers(0)}), base: base, net: &pieces{Conn: base, base: base, left: []string{text}, err: c.err}},
				ctx: context.Background(), leash: leashed(context.Background(), &upstream{base: base}),
				left: c.left, len: c.left, limit: stallLimits{time.Minute, time.Minute},
			}
			b.Bind(server, nil)
			n, err := b.WriteTo(server)
			if n != int64(len(text)) || (err == nil) != c.good || !c.good && !errors.Is(err, ErrBroken) {
				t.Errorf("%d bytes, %v", n, err)
			}
			_, _ = io.WriteString(server, "and the rest")
			_ = server.Close()
			if s := <-got; s != text+"and the rest" {
				t.Errorf("the worker got %d bytes, at the end %q", len(s), s[max(0, len(s)-40):])
			}
		})
	}
}
