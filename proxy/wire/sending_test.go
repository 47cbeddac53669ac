package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/weighbridge/weighbridge/auth"
)

func TestContextClosesTheUpstream(t *testing.T) {
	for _, when := range []string{"head", "body", "upload"} {
		t.Run(when, func(t *testing.T) {
			gone := make(chan struct{})
			s := newScript(t, nil, func(c net.Conn, br *bufio.Reader) {
				defer close(gone)
				if when == "body" {
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nabc")
				}
				_, _ = io.Copy(io.Discard, br)
			})
			c := newClient(t, s.addr, nil)
			ctx, cancel := context.WithCancel(t.Context())
			var req fasthttp.Request
			var resp fasthttp.Response
			req.Header.SetHost("x")
			req.Header.SetRequestURI("/")
			pr, pw := io.Pipe()
			defer func() { _ = pw.Close() }()
			if when == "upload" {
				req.Header.SetMethod("PUT")
				req.SetBodyStream(pr, -1)
			}
			if when != "body" {
				time.AfterFunc(20*time.Millisecond, cancel)
			}
			b, err := c.Do(ctx, plainDest, &req, &resp)
			if when == "body" {
				if err != nil {
					t.Fatal(err)
				}
				cancel()
				_, err = io.ReadAll(b)
			}
			if codeOf(err) != auth.CodeUpstreamUnreachable || !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
			<-gone
			cancel()
		})
	}
}

func TestHeaderTimeout(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	s := newScript(t, nil, func(net.Conn, *bufio.Reader) { <-stop })
	c := newClient(t, s.addr, func(o *ClientOptions) { o.HeaderTimeout = 30 * time.Millisecond })
	if a := do(t, c, plainDest, "GET", "/", nil); a.code != auth.CodeUpstreamTimeout {
		t.Error(a.err)
	}
}

func TestDialErrors(t *testing.T) {
	refused := auth.NewError(auth.CodeAddressForbidden, "no", nil)
	for _, tc := range []struct {
		err  error
		code auth.Code
	}{{refused, auth.CodeAddressForbidden}, {fmt.Errorf("x: %w", refused), auth.CodeAddressForbidden}, {context.DeadlineExceeded, auth.CodeUpstreamTimeout}, {io.EOF, auth.CodeUpstreamUnreachable}} {
		c := NewClient(ClientOptions{Dial: func(context.Context, Dest) (net.Conn, error) { return nil, tc.err }})
		if a := do(t, c, plainDest, "GET", "/", nil); a.code != tc.code {
			t.Errorf("%v: %v", tc.err, a.err)
		}
	}
}

// TestUploads: bodies in memory, of known length and chunked arrive as they are.
func TestUploads(t *testing.T) {
	s := newScript(t, nil, func(c net.Conn, br *bufio.Reader) {
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			b, err := io.ReadAll(req.Body)
			if err != nil {
				return
			}
			text := fmt.Sprintf("%d %v %d", req.ContentLength, req.TransferEncoding, len(b))
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
		}
	})
	c := newClient(t, s.addr, nil)
	big := strings.Repeat("x", 300<<10)
	for i, tc := range []struct {
		set  func(*fasthttp.Request)
		want string
	}{
		{func(r *fasthttp.Request) { r.SetBodyString("abc") }, "3 [] 3"},
		{func(*fasthttp.Request) {}, "0 [] 0"},
		{func(r *fasthttp.Request) { r.SetBodyStream(strings.NewReader(big), len(big)) }, fmt.Sprintf("%d [] %d", len(big), len(big))},
		{func(r *fasthttp.Request) { r.SetBodyStream(strings.NewReader(big), -1) }, fmt.Sprintf("-1 [chunked] %d", len(big))},
		{func(r *fasthttp.Request) { r.SetBodyStream(strings.NewReader(""), -1) }, "-1 [chunked] 0"},
		{func(r *fasthttp.Request) { r.SetBodyStream(strings.NewReader("abcdef"), 3) }, "3 [] 3"},
	} {
		if a := do(t, c, plainDest, "POST", "/", tc.set); a.body != tc.want {
			t.Errorf("%d: %q, %v; want %q", i, a.body, a.err, tc.want)
		}
	}
	if n := s.conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	// A body that ends early must not look whole.
	if a := do(t, c, plainDest, "POST", "/", func(r *fasthttp.Request) { r.SetBodyStream(strings.NewReader("abc"), 10) }); a.code != auth.CodeBadRequest {
		t.Errorf("short: %v", a.err)
	}
	broken := io.MultiReader(strings.NewReader("abc"), brokenReader{})
	if a := do(t, c, plainDest, "POST", "/", func(r *fasthttp.Request) { r.SetBodyStream(broken, -1) }); a.code != auth.CodeBadRequest {
		t.Errorf("broken: %v", a.err)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("the worker is gone") }

// TestT43_EarlyAnswer: an upstream that answers before it has read the
// request; its connection is not used again.
func TestT43_EarlyAnswer(t *testing.T) {
	s := newScript(t, nil, func(c net.Conn, br *bufio.Reader) {
		if _, err := http.ReadRequest(br); err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
		_, _ = io.Copy(io.Discard, br)
	})
	c := newClient(t, s.addr, nil)
	pr, pw := io.Pipe()
	a := do(t, c, plainDest, "PUT", "/", func(r *fasthttp.Request) { r.SetBodyStream(pr, 1<<30) })
	_ = pw.CloseWithError(io.ErrClosedPipe)
	if a.err != nil || a.resp.StatusCode() != 413 || a.body != "big" {
		t.Errorf("%d %q %v", a.resp.StatusCode(), a.body, a.err)
	}
	if c.idle != 0 {
		t.Error("the connection was kept")
	}
}
