package wire

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/weighbridge/weighbridge/auth"
)

// TestT71_NoBodyEndsByTheEndOfAUnixSocket: a unix socket cannot be reset, so a
// worker that speaks HTTP/1.0 would take a part of a body of unknown length for
// the whole. It is told so; every other answer is as anywhere.
func TestT71_NoBodyEndsByTheEndOfAUnixSocket(t *testing.T) {
	closed := make(chan struct{}, 1)
	s := NewServer(ServerOptions{
		Handler: func(ctx *fasthttp.RequestCtx) {
			length := -1
			if string(ctx.Path()) == "/known" {
				length = 5
			}
			ctx.Response.SetBodyStream(&closing{Reader: strings.NewReader("hello"), closed: closed}, length)
		},
		Refuse: func(ctx *fasthttp.RequestCtx, e *auth.Error) {
			ctx.Response.Header.Set("X-Weighbridge-Error", string(e.Code))
			ctx.Response.SetBodyString(e.Reason)
		},
	})
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	var g group
	g.Go(func() { _ = s.Serve(Listen(ln, ListenerOptions{})) })
	defer func() { _ = s.Shutdown(t.Context()); g.end() }()
	for request, want := range map[string]string{
		"GET /unknown HTTP/1.0": "HTTP/1.1 505 HTTP Version Not Supported\r\nX-Weighbridge-Error: bad_request\r\n",
		"GET /known HTTP/1.0":   "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
		"GET /unknown HTTP/1.1": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n",
		"HEAD /known HTTP/1.0":  "HTTP/1.1 200 OK\r\n",
	} {
		c, err := net.Dial("unix", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
		_, _ = io.WriteString(c, request+"\r\nHost: x\r\nConnection: close\r\n\r\n")
		b, err := io.ReadAll(c)
		_ = c.Close()
		if !strings.HasPrefix(string(b), want) || err != nil {
			t.Errorf("%s: %q, %v", request, b, err)
		}
		<-closed // whatever became of it
	}
}

type closing struct {
	io.Reader
	closed chan struct{}
}

func (c *closing) Close() error { c.closed <- struct{}{}; return nil }

// TestNothingOfARequestStaysInThePool: what is reused knows nothing of the
// connection that it served.
func TestNothingOfARequestStaysInThePool(t *testing.T) {
	ctx := new(fasthttp.RequestCtx)
	ctx.SetUserValue(servingKey{}, new(serving))
	ctx.Request.Header.SetMethod("POST")
	ctx.Response.SetBodyString("text")
	forget(ctx)
	if ctx.UserValue(servingKey{}) != nil || len(ctx.Response.Body()) != 0 || !ctx.Request.Header.IsGet() {
		t.Error("something stays")
	}
}
