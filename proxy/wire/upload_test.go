package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/weighbridge/weighbridge/auth"
)

// TestUploadThroughTheServer: streaming, with both framings, never held whole.
func TestUploadThroughTheServer(t *testing.T) {
	var got atomic.Int64
	s := newScript(t, nil, func(c net.Conn, br *bufio.Reader) {
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			n, err := io.Copy(io.Discard, req.Body)
			if err != nil {
				return
			}
			got.Store(n)
			_, _ = io.WriteString(c, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
		}
	})
	r := newRig(t, rigOptions{origin: s.addr})
	const size = 20 << 20
	for _, known := range []bool{true, false} {
		body := io.Reader(io.LimitReader(zeros{}, size))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, r.url("/x"), body)
		if err != nil {
			t.Fatal(err)
		}
		if known {
			req.ContentLength = size
		}
		resp, err := r.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 201 || got.Load() != size {
			t.Errorf("known=%v: %d, %d bytes", known, resp.StatusCode, got.Load())
		}
	}
	if n := s.conns.Load(); n != 1 {
		t.Errorf("%d upstream connections", n)
	}
	eventually(t, "buffers are back", func() bool { return r.buffers.Lent() == 0 })
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestT43_AbortedUpload: a worker that leaves in the middle of its body; what the
// upstream gets ends by a reset and never looks whole.
func TestT43_AbortedUpload(t *testing.T) {
	for _, form := range []string{"Content-Length: 1000000", "Transfer-Encoding: chunked"} {
		t.Run(form, func(t *testing.T) {
			ended := make(chan error, 1)
			s := newScript(t, nil, func(_ net.Conn, br *bufio.Reader) {
				req, err := http.ReadRequest(br)
				if err == nil {
					_, err = io.Copy(io.Discard, req.Body)
				}
				ended <- err
			})
			r := newRig(t, rigOptions{origin: s.addr})
			c := r.raw(t)
			_, _ = io.WriteString(c, "PUT / HTTP/1.1\r\nHost: x\r\n"+form+"\r\n\r\n5\r\nabcde\r\n")
			time.Sleep(10 * time.Millisecond)
			_ = c.Close()
			if err := <-ended; err == nil {
				t.Error("the upstream saw a whole body")
			}
			eventually(t, "everything ends", func() bool { return r.server.Conns() == 0 && r.buffers.Lent() == 0 })
		})
	}
}

// piped is a Dial to an origin in the bubble of a synctest, through TLS where
// cfg is not nil.
func piped(cfg *tls.Config, f func(c net.Conn, br *bufio.Reader)) func(context.Context, Dest) (net.Conn, error) {
	return func(context.Context, Dest) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer func() { _ = far.Close() }()
			var c net.Conn = far
			if cfg != nil {
				c = tls.Server(far, cfg)
			}
			f(c, bufio.NewReader(c))
		}()
		return near, nil
	}
}

// TestT73_AnUploadThatIsNotTaken: an upstream that stops reading in the middle
// of a request, and keeps the connection. After the time for a stall it has as
// long as any other to answer, and no longer.
func TestT73_AnUploadThatIsNotTaken(t *testing.T) {
	const size = 64 << 20
	stall, wait := 20*time.Second, 40*time.Second
	for _, secure := range []bool{false, true} {
		for _, length := range []int{size, -1} {
			for _, late := range []bool{false, true} {
				t.Run(fmt.Sprintf("tls=%v length=%d late=%v", secure, length, late), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						ctx, over := context.WithTimeout(t.Context(), time.Hour)
						defer over()
						var cfg *tls.Config
						dest := plainDest
						o := ClientOptions{Buffers: NewBuffers(0), StallTimeout: stall, HeaderTimeout: wait}
						if secure {
							ca := newAuthority(t, nil)
							cfg = &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}}
							o.TLS = &tls.Config{RootCAs: ca.pool}
							dest.Scheme, dest.Port = "https", 443
						}
						o.Dial = piped(cfg, func(c net.Conn, br *bufio.Reader) {
							if _, err := http.ReadRequest(br); err != nil {
								t.Error(err)
							}
							if late {
								time.Sleep(stall + wait/2)
								_, _ = io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
							}
							<-ctx.Done()
						})
						c := NewClient(o)
						defer c.Close()
						var req fasthttp.Request
						var resp fasthttp.Response
						req.Header.DisableNormalizing()
						req.Header.SetMethod("PUT")
						req.Header.SetRequestURI("/")
						req.Header.SetHost("origin.test")
						req.SetBodyStream(io.LimitReader(zeros{}, size), length)
						began := time.Now()
						b, err := c.Do(ctx, dest, &req, &resp)
						took := time.Since(began)
						switch {
						case !late && (codeOf(err) != auth.CodeUpstreamTimeout || took > stall+wait+time.Second):
							t.Errorf("%v, after %v", err, took)
						case late && (err != nil || resp.StatusCode() != 413 || b.Close() != nil):
							t.Errorf("%d, %v, after %v", resp.StatusCode(), err, took)
						}
						if n := o.Buffers.Lent(); n != 0 {
							t.Errorf("%d bytes are lent", n)
						}
					})
				})
			}
		}
	}
}

// lateDeadline is a connection on which the first read deadline takes a moment to
// set. Any other that is set meanwhile is overtaken by it.
type lateDeadline struct {
	net.Conn
	begun, over atomic.Bool
	overtaken   *atomic.Bool
}

func (c *lateDeadline) NetConn() net.Conn { return c.Conn }

func (c *lateDeadline) SetReadDeadline(t time.Time) error {
	switch {
	case c.begun.Load():
		if !c.over.Load() {
			c.overtaken.Store(true)
		}
	case !t.IsZero():
		c.begun.Store(true)
		for range 50 {
			if c.overtaken.Load() {
				break
			}
			time.Sleep(time.Millisecond)
		}
		defer c.over.Store(true)
	}
	return c.Conn.SetReadDeadline(t)
}

// TestT43_NoDeadlineOfAnUploadOutlivesItsExchange: the upstream answers while
// the wait for its answer is only being bounded, and the next request goes by
// the same connection.
func TestT43_NoDeadlineOfAnUploadOutlivesItsExchange(t *testing.T) {
	s := newScript(t, nil, answers("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	var overtaken atomic.Bool
	c := newClient(t, s.addr, func(o *ClientOptions) {
		dial := o.Dial
		o.Dial = func(ctx context.Context, d Dest) (net.Conn, error) {
			c, err := dial(ctx, d)
			return &lateDeadline{Conn: c, overtaken: &overtaken}, err
		}
	})
	for range 2 {
		a := do(t, c, plainDest, "PUT", "/", func(r *fasthttp.Request) { r.SetBodyStream(io.LimitReader(zeros{}, 3), 3) })
		if a.err != nil || a.resp.StatusCode() != 200 {
			t.Fatalf("%d, %v", a.resp.StatusCode(), a.err)
		}
	}
	if n := s.conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	if overtaken.Load() {
		t.Error("a deadline of the first exchange was set in the second one")
	}
}
