package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/weighbridge/weighbridge/auth"
)

// serveTest starts a server with h and no upstream.
func serveTest(t testing.TB, h fasthttp.RequestHandler, change func(*ServerOptions)) *rig {
	t.Helper()
	return newRig(t, rigOptions{handler: func(*rig) fasthttp.RequestHandler { return h }, server: func(o *ServerOptions) {
		o.Refuse = func(ctx *fasthttp.RequestCtx, e *auth.Error) {
			ctx.Response.Header.Set("X-Weighbridge-Error", string(e.Code))
			ctx.Response.SetBodyString(e.Reason)
		}
		if change != nil {
			change(o)
		}
	}})
}

func hello(ctx *fasthttp.RequestCtx) { ctx.Response.SetBodyString("hello") }

func TestResponses(t *testing.T) {
	r := serveTest(t, func(ctx *fasthttp.RequestCtx) {
		resp := &ctx.Response
		switch string(ctx.Request.Header.RequestURI()) {
		case "/text":
			hello(ctx)
		case "/empty":
		case "/204":
			resp.SetStatusCode(204)
			resp.SetBodyString("never")
		case "/304":
			resp.SetStatusCode(304)
			resp.Header.Set("ETag", `"x"`)
		case "/stream":
			resp.SetBodyStream(strings.NewReader("hello"), 5)
		case "/chunks":
			resp.SetBodyStream(strings.NewReader("hello"), -1)
		case "/short":
			resp.SetBodyStream(strings.NewReader("hello"), 9)
		case "/broken":
			resp.SetBodyStream(io.MultiReader(strings.NewReader("hello"), brokenReader{}), -1)
		case "/marked":
			hello(ctx)
			BreakAfter(ctx)
		case "/panic":
			hello(ctx)
			panic("hf_canary")
		case "/latepanic":
			resp.SetBodyStream(panicReader{}, -1)
		case "/reason":
			resp.Header.SetStatusCode(299)
			resp.Header.SetStatusMessage([]byte("Just So"))
		case "/cookies":
			resp.Header.Add("Set-Cookie", "a=b; Path=/")
			resp.Header.Add("Set-Cookie", "c=d")
			resp.Header.Add("x-lower", "v")
		}
	}, nil)
	for _, tc := range []struct {
		request, want string
		broken        bool
	}{
		{"GET /text HTTP/1.1", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", false},
		{"HEAD /text HTTP/1.1", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", false},
		{"GET /empty HTTP/1.1", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", false},
		{"GET /204 HTTP/1.1", "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", false},
		{"GET /304 HTTP/1.1", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nConnection: close\r\n\r\n", false},
		{"GET /stream HTTP/1.1", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", false},
		{"GET /chunks HTTP/1.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n", false},
		{"GET /chunks HTTP/1.0", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", false},
		{"GET /reason HTTP/1.1", "HTTP/1.1 299 Just So\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", false},
		{"GET /cookies HTTP/1.1", "HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nSet-Cookie: c=d\r\nx-lower: v\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", false},
		{"GET /panic HTTP/1.1", "HTTP/1.1 500 Internal Server Error\r\nX-Weighbridge-Error: internal\r\nContent-Length: 17\r\nConnection: close\r\n\r\nan internal error", false},
		{"GET /short HTTP/1.1", "", true},
		{"GET /broken HTTP/1.1", "", true},
		{"GET /marked HTTP/1.1", "", true},
		{"GET /latepanic HTTP/1.1", "", true},
	} {
		t.Run(tc.request, func(t *testing.T) {
			got, err := talk(t, r, tc.request+"\r\nHost: x\r\nConnection: close\r\n\r\n")
			if tc.broken {
				if !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("ended with %v after %q, want a reset", err, got)
				}
				return
			}
			if err != nil || got != tc.want {
				t.Errorf("got %q, %v\nwant %q", got, err, tc.want)
			}
		})
	}
}

type panicReader struct{}

func (panicReader) Read([]byte) (int, error) { panic("late") }

// listener is a body stream of five bytes that notes what becomes of it.
type listener struct{ heard []string }

func (l *listener) SupportsBodyWriteTo() bool { return true }

func (l *listener) Read([]byte) (int, error) { return 0, io.ErrNoProgress }

func (l *listener) WriteTo(w io.Writer) (int64, error) {
	l.heard = append(l.heard, "write")
	n, err := io.WriteString(w, "hello")
	return int64(n), err
}

func (l *listener) Fail(err error) { l.heard = append(l.heard, fmt.Sprint("fail: ", err)) }

func (l *listener) Close() error {
	l.heard = append(l.heard, "close")
	return nil
}

// TestAStreamIsToldWhyItsResponseIsNotWhole, also where it was never asked for
// anything.
func TestAStreamIsToldWhyItsResponseIsNotWhole(t *testing.T) {
	for name, c := range map[string]struct {
		length int
		spoil  func(worker net.Conn)
		want   []string
	}{
		"a whole one":          {5, func(net.Conn) {}, []string{"write", "close"}},
		"too short":            {9, func(net.Conn) {}, []string{"write", "fail: unexpected EOF", "close"}},
		"nobody takes a head":  {5, func(c net.Conn) { _ = c.Close() }, []string{"fail: io: read/write on closed pipe", "close"}},
		"nobody takes a chunk": {-1, func(c net.Conn) { _ = c.Close() }, []string{"fail: io: read/write on closed pipe", "close"}},
		"the handler panicked": {5, func(net.Conn) { panic("x") }, []string{"fail: wire: the handler panicked", "close"}},
	} {
		t.Run(name, func(t *testing.T) {
			worker, ours := net.Pipe()
			l := &listener{}
			s := NewServer(ServerOptions{Handler: func(ctx *fasthttp.RequestCtx) {
				ctx.Response.SetBodyStream(l, c.length)
				c.spoil(worker)
			}})
			var g group
			g.Go(func() { s.ServeConn(NewConn(ours), nil) })
			_, _ = io.WriteString(worker, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			_, _ = io.Copy(io.Discard, worker)
			g.end()
			if !slices.Equal(l.heard, c.want) {
				t.Errorf("%q, want %q", l.heard, c.want)
			}
		})
	}
}
