package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

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

// talk sends raw and returns everything that comes back until the end, and
// how it ended.
func talk(t testing.TB, r *rig, raw string) (string, error) {
	t.Helper()
	c := r.raw(t)
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, raw); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	return string(b), err
}

// TestR12_OneResponseAndClose: after a framing error there is one answer, the
// connection ends, and nothing behind the error is taken for a request.
func TestR12_T40_OneResponseAndClose(t *testing.T) {
	var handled atomic.Int32
	r := serveTest(t, func(ctx *fasthttp.RequestCtx) {
		handled.Add(1)
		if s := ctx.RequestBodyStream(); s != nil {
			if _, err := io.Copy(io.Discard, s); err != nil {
				ctx.Response.SetStatusCode(400)
				ctx.Response.SetConnectionClose()
				return
			}
		}
		hello(ctx)
	}, nil)
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, tc := range map[string]struct {
		raw    string
		status string
		seen   int32
	}{
		"CL and TE":         {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, "400", 0},
		"two CL":            {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 40\r\n\r\n" + smuggled, "400", 0},
		"TE xchunked":       {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n" + smuggled, "400", 0},
		"obs-fold":          {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n 0\r\n\r\n" + smuggled, "400", 0},
		"HTTP/1.9":          {"GET / HTTP/1.9\r\nHost: x\r\n\r\n" + smuggled, "400", 0},
		"bare LF":           {"GET / HTTP/1.1\nHost: x\n\n" + smuggled, "400", 0},
		"body on GET":       {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 36\r\n\r\n" + smuggled, "400", 0},
		"chunk size space":  {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n" + smuggled, "400", 1},
		"chunk bare LF":     {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\na\n0\n\n" + smuggled, "400", 1},
		"chunk overflow":    {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000001\r\na\r\n0\r\n\r\n" + smuggled, "400", 1},
		"target with space": {"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n" + smuggled, "400", 0},
		"64 KiB of head":    {"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n" + smuggled, "431", 0},
		"fasthttp's own":    {"GET nonsense HTTP/1.1\r\nHost: x\r\n\r\n" + smuggled, "400", 0},
	} {
		t.Run(name, func(t *testing.T) {
			handled.Store(0)
			got, err := talk(t, r, tc.raw)
			if err != nil {
				t.Errorf("the answer was lost: %v", err)
			}
			if !strings.HasPrefix(got, "HTTP/1.1 "+tc.status+" ") || strings.Count(got, "Connection: close") != 1 || !strings.Contains(got, "Connection: close\r\n") {
				t.Errorf("got %q, want one %s and the end", got, tc.status)
			}
			if handled.Load() != tc.seen {
				t.Errorf("the handler saw %d requests, want %d", handled.Load(), tc.seen)
			}
		})
	}
}

// TestT43_UnreadBodyIsNoRequest: a handler that leaves a body unread ends the
// connection, or drops the body where it is there already.
func TestT43_UnreadBodyIsNoRequest(t *testing.T) {
	var paths sync.Map
	r := serveTest(t, func(ctx *fasthttp.RequestCtx) {
		paths.Store(string(ctx.Request.Header.RequestURI()), true)
		hello(ctx)
	}, nil)
	const evil = "GET /evil HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, tc := range map[string]struct {
		raw     string
		answers int
	}{
		"length, all here": {fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%sGET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", len(evil), evil), 2},
		"length, more":     {fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", 100<<10, evil), 1},
		"chunked":          {fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(evil), evil), 1},
		"expecting":        {"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 40000\r\n\r\n" + evil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := talk(t, r, tc.raw)
			if n := strings.Count(got, "HTTP/1.1 200 OK"); n != tc.answers || strings.Contains(got, "100 Continue") {
				t.Errorf("%d answers in %q, want %d", n, got, tc.answers)
			}
		})
	}
	if _, ok := paths.Load("/evil"); ok {
		t.Error("a body became a request")
	}
}

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

func TestKeepAliveAndPipelining(t *testing.T) {
	r := serveTest(t, func(ctx *fasthttp.RequestCtx) {
		ctx.Response.SetBody(ctx.Request.Header.RequestURI())
	}, nil)
	got, err := talk(t, r, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\nGET /3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /4 HTTP/1.0\r\n\r\nGET /5 HTTP/1.1\r\nHost: x\r\n\r\n")
	if err != nil || strings.Count(got, "200 OK") != 4 || strings.Contains(got, "/5") {
		t.Errorf("%q %v", got, err)
	}
	for i, path := range []string{"/1", "/2", "/3", "/4"} {
		if !strings.Contains(got, "\r\n\r\n"+path) {
			t.Errorf("answer %d is not in %q", i+1, got)
		}
	}
	if n := strings.Count(got, "Connection: keep-alive"); n != 1 {
		t.Errorf("%d keep-alive", n)
	}
}

// TestR13_Slowloris: whoever does not finish a head in time is told so and
// closed, before and after TLS, on a first and on a later request; an honest
// request meanwhile is served at once.
func TestR13_Slowloris(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, nil)
	const limit = 700 * time.Millisecond
	r := serveTest(t, hello, func(o *ServerOptions) { o.HeaderTimeout = limit })
	secure := newRig(t, rigOptions{ca: ca, downTLS: true, handler: func(*rig) fasthttp.RequestHandler { return hello },
		server: func(o *ServerOptions) { o.HeaderTimeout = limit }})
	clients := 100
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			rig, begin, drop := r, "", "GET / HTTP/1.1\r\nHost: x\r\nX: y"
			switch i % 4 {
			case 1:
				begin = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
			case 2:
				rig, drop = secure, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
			case 3:
				drop = ""
			}
			c, err := net.Dial("tcp", rig.addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = c.Close() }()
			_ = c.SetDeadline(time.Now().Add(30 * time.Second))
			_, _ = io.WriteString(c, begin)
			start := time.Now()
			ended := make(chan struct{})
			go func() { _, _ = io.Copy(io.Discard, c); close(ended) }()
			for i := range drop {
				_, _ = io.WriteString(c, drop[i:i+1])
				select {
				case <-ended:
					return
				case <-time.After(limit / 10):
				}
			}
			<-ended
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("client %d was closed after %v", i, took)
			}
		})
	}
	eventually(t, "an honest one is served", func() bool {
		got, _ := talk(t, r, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		return strings.HasSuffix(got, "hello")
	})
	wg.Wait()
	eventually(t, "all are gone", func() bool { return r.server.Conns() == 0 && secure.server.Conns() == 0 })
	got, _ := talk(t, r, "GET / HTTP/1.1\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 408 ") {
		t.Errorf("%q, want 408", got)
	}
}

// TestIdleConnectionsHoldNoBuffer: a thousand kept connections take next to
// nothing, although each has had a head of 16 KiB.
func TestIdleConnectionsHoldNoBuffer(t *testing.T) {
	r := serveTest(t, hello, nil)
	const n = 500
	request := "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 16<<10) + "\r\n\r\n"
	heap := func() uint64 {
		var m runtime.MemStats
		for range 3 { // sync.Pool gives up in two steps
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	before := heap()
	for range n {
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, len("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))); err != nil {
			t.Fatal(err)
		}
	}
	per := (int64(heap()) - int64(before)) / n
	t.Logf("%d bytes for each connection, the test's own end included", per)
	if per > 24<<10 {
		t.Errorf("%d bytes for each idle connection", per)
	}
}

func TestExpectContinue(t *testing.T) {
	r := serveTest(t, func(ctx *fasthttp.RequestCtx) {
		b, err := io.ReadAll(ctx.RequestBodyStream())
		if err != nil {
			t.Error(err)
		}
		ctx.Response.SetBody(b)
	}, nil)
	c := r.raw(t)
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(c)
	if line, err := br.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatal(line, err)
	}
	_, _ = br.ReadString('\n')
	if _, err := io.WriteString(c, "abc"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(resp.Body); string(b) != "abc" {
		t.Errorf("%q", b)
	}
}

// TestHijack: the bytes sent ahead are told apart, the connection works, and
// a panic in it resets.
func TestT44_Hijack(t *testing.T) {
	early := make(chan string, 1)
	r := serveTest(t, func(ctx *fasthttp.RequestCtx) {
		uri := string(ctx.Request.Header.RequestURI())
		Hijack(ctx, func(c net.Conn, e []byte) {
			early <- string(e)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			if uri == "panic:1" {
				panic("x")
			}
			_, _ = io.CopyN(c, c, 4)
		})
	}, nil)
	for _, sent := range []string{"", "early bytes"} {
		c := r.raw(t)
		_, _ = io.WriteString(c, "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n"+sent)
		if got := <-early; got != sent {
			t.Errorf("early bytes %q, want %q", got, sent)
		}
		_, _ = io.WriteString(c, "ping")
		if b, err := io.ReadAll(c); string(b) != "HTTP/1.1 200 OK\r\n\r\nping" || err != nil {
			t.Errorf("%q %v", b, err)
		}
	}
	if _, err := talk(t, r, "CONNECT panic:1 HTTP/1.1\r\nHost: panic:1\r\n\r\n"); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after a panic: %v, want a reset", err)
	}
	<-early
}

// TestServeConnInsideATunnel: TLS within a hijacked connection, with a
// handler of its own, takes part in draining.
func TestServeConnInsideATunnel(t *testing.T) {
	ca := newAuthority(t, nil)
	cfg := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}}
	r := newRig(t, rigOptions{ca: ca, handler: func(r *rig) fasthttp.RequestHandler {
		return func(ctx *fasthttp.RequestCtx) {
			Hijack(ctx, func(c net.Conn, _ []byte) {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
				r.server.ServeConn(tls.Server(c, cfg), func(ctx *fasthttp.RequestCtx) {
					if !ctx.IsTLS() || Under(ctx.Conn()) == nil {
						t.Error("inside there is no TLS over a Conn")
					}
					hello(ctx)
				})
			})
		}
	}})
	c := r.raw(t)
	_, _ = io.WriteString(c, "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n")
	if _, err := io.ReadFull(c, make([]byte, len("HTTP/1.1 200 OK\r\n\r\n"))); err != nil {
		t.Fatal(err)
	}
	tc := tls.Client(c, &tls.Config{RootCAs: ca.pool, ServerName: "127.0.0.1"})
	br := bufio.NewReader(tc)
	for range 3 {
		_, _ = io.WriteString(tc, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(resp.Body); string(b) != "hello" {
			t.Errorf("%q", b)
		}
	}
	if n := r.server.Conns(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	if err := r.server.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown with an idle tunnel: %v", err)
	}
	if b, err := io.ReadAll(br); len(b) != 0 || err != nil {
		t.Errorf("the tunnel ended with %q, %v, want close_notify", b, err)
	}
}

// TestR17_Drain: idle connections end at once, running transfers finish, new
// ones are not taken, and what is left at the end is reset.
func TestR17_Drain(t *testing.T) {
	begun, finish := make(chan struct{}, 2), make(chan struct{})
	r := serveTest(t, func(ctx *fasthttp.RequestCtx) {
		if string(ctx.Request.Header.RequestURI()) == "/slow" {
			pr, pw := io.Pipe()
			go func() {
				_, _ = pw.Write([]byte("abc"))
				begun <- struct{}{}
				<-finish
				_, _ = pw.Write([]byte("def"))
				_ = pw.Close()
			}()
			ctx.Response.SetBodyStream(pr, 6)
			return
		}
		hello(ctx)
	}, nil)
	idle, slow := r.raw(t), r.raw(t)
	_, _ = io.WriteString(idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	ib := bufio.NewReader(idle)
	resp, err := http.ReadResponse(ib, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_, _ = io.WriteString(slow, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	<-begun

	done := make(chan error, 1)
	go func() { done <- r.server.Shutdown(context.Background()) }()
	if b, err := io.ReadAll(ib); len(b) != 0 || err != nil {
		t.Errorf("the idle one got %q, %v", b, err)
	}
	if c, err := net.Dial("tcp", r.addr); err == nil {
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Error("a new connection was served")
		}
		_ = c.Close()
	}
	close(finish)
	b, err := io.ReadAll(slow)
	if err != nil || !strings.HasSuffix(string(b), "abcdef") {
		t.Errorf("the running one got %q, %v", b, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestR17_WhatIsLeftIsReset(t *testing.T) {
	ca := newAuthority(t, nil)
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%v", secure), func(t *testing.T) {
			s := newScript(t, nil, func(c net.Conn, br *bufio.Reader) {
				_, _ = readRequest(br)
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc")
				_, _ = io.Copy(io.Discard, br)
			})
			r := newRig(t, rigOptions{origin: s.addr, downTLS: secure, ca: ca})
			raw := r.raw(t)
			var c io.ReadWriter = raw
			if secure {
				c = tls.Client(raw, &tls.Config{RootCAs: ca.pool, ServerName: "127.0.0.1"})
			}
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			br := bufio.NewReader(c)
			if _, err := readHead(bufio.NewReaderSize(br, MaxHeader)); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer stop()
			if err := r.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Shutdown: %v", err)
			}
			if _, err := io.ReadAll(br); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("ended with %v, want a reset", err)
			}
			eventually(t, "the upstream is closed too", func() bool { return r.buffers.Lent() == 0 && r.server.Conns() == 0 })
		})
	}
}

// TestWorkerGone: the context of a request ends when its worker hangs up.
func TestWorkerGone(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		return
	}
	ended := make(chan error, 1)
	r := serveTest(t, func(ctx *fasthttp.RequestCtx) {
		c := Context(ctx)
		<-c.Done()
		ended <- context.Cause(c)
	}, nil)
	c := r.raw(t)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	_ = c.Close()
	select {
	case err := <-ended:
		if !errors.Is(err, errWorkerGone) {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("never noticed")
	}
}

func TestMaxConns(t *testing.T) {
	block := make(chan struct{})
	r := serveTest(t, func(ctx *fasthttp.RequestCtx) { <-block; hello(ctx) }, func(o *ServerOptions) { o.MaxConns = 2 })
	var held []net.Conn
	for range 2 {
		c := r.raw(t)
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		held = append(held, c)
	}
	eventually(t, "two are served", func() bool { return r.server.Conns() == 2 })
	c := r.raw(t)
	b, _ := io.ReadAll(c)
	if !strings.HasPrefix(string(b), "HTTP/1.1 503 ") || !strings.Contains(string(b), "Retry-After: 1") || !strings.Contains(string(b), "overloaded") {
		t.Errorf("%q", b)
	}
	close(block)
	for _, c := range held {
		_ = c.Close()
	}
}

// TestR16_DescriptorsRunOut: a listener that gets EMFILE sheds by reset, goes
// on, and serves as soon as there are descriptors again.
func TestR16_DescriptorsRunOut(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &failing{TCPListener: tcp.(*net.TCPListener)}
	f.left.Store(5)
	var told atomic.Int32
	ln := Listen(f, ListenerOptions{OnError: func(err error) {
		if !errors.Is(err, syscall.EMFILE) {
			t.Error(err)
		}
		told.Add(1)
	}})
	s := NewServer(ServerOptions{Handler: hello})
	var g group
	g.Go(func() { _ = s.Serve(ln) })
	defer g.end()
	defer func() { _ = s.Shutdown(context.Background()) }()
	eventually(t, "it is served again", func() bool {
		c, err := net.Dial("tcp", tcp.Addr().String())
		if err != nil {
			return false
		}
		defer func() { _ = c.Close() }()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		b, _ := io.ReadAll(c)
		return strings.HasSuffix(string(b), "hello")
	})
	if told.Load() != 5 {
		t.Errorf("told of %d errors, want 5", told.Load())
	}
}

// failing is a listener whose first accepts meet EMFILE.
type failing struct {
	*net.TCPListener
	left atomic.Int32
}

func (f *failing) Accept() (net.Conn, error) {
	if f.left.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return f.TCPListener.Accept()
}

// TestR16_Shed resets exactly what waits, and keeps its reserve.
func TestR16_Shed(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := Listen(tcp, ListenerOptions{})
	defer func() { _ = ln.Close() }()
	c, err := net.Dial("tcp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	eventually(t, "the waiting connection is reset", func() bool {
		ln.shed()
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
		_, err := c.Read(make([]byte, 1))
		return errors.Is(err, syscall.ECONNRESET)
	})
	if ln.reserve == nil {
		t.Error("the reserved descriptor is gone")
	}
	ln.shed() // nothing waits: returns at once
}

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

// TestAbortedUpload: a worker that leaves in the middle of its body; what the
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

// TestT71_T43_BrokenBodies: whatever breaks upstream, the worker sees a broken
// connection, in every framing and with every combination of sides.
func TestT71_BrokenBodies(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, nil)
	big := strings.Repeat("x", 200_000)
	for name, raw := range map[string]string{
		"99 % of the length":    "HTTP/1.1 200 OK\r\nContent-Length: 202000\r\n\r\n" + big,
		"no last chunk":         fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(big), big),
		"within a chunk":        fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s", len(big)+1, big),
		"a broken chunk":        fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\nxyz\r\n", len(big), big),
		"cut while until close": "reset",
	} {
		for _, upTLS := range []bool{false, true} {
			for _, downTLS := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s up=%v down=%v", name, upTLS, downTLS), func(t *testing.T) {
					t.Parallel()
					s := newScript(t, serverTLS(t, ca, upTLS), func(c net.Conn, br *bufio.Reader) {
						_, _ = readRequest(br)
						if raw == "reset" {
							_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"+big)
							time.Sleep(20 * time.Millisecond)
							Reset(c)
							return
						}
						_, _ = io.WriteString(c, raw)
					})
					r := newRig(t, rigOptions{origin: s.addr, upTLS: upTLS, downTLS: downTLS, ca: ca})
					resp, err := r.http.Get(r.url("/"))
					if err != nil {
						return // broken before the head was through: visible as well
					}
					defer func() { _ = resp.Body.Close() }()
					if n, err := io.Copy(io.Discard, resp.Body); err == nil {
						t.Errorf("a clean end after %d bytes", n)
					}
					eventually(t, "buffers are back", func() bool { return r.buffers.Lent() == 0 })
				})
			}
		}
	}
}

// TestT74_ThroughTheServer: what an upstream says about a body arrives as it
// was said, whether there is a body or not.
func TestT74_ThroughTheServer(t *testing.T) {
	for _, tc := range []struct{ name, method, raw, want string }{
		{"HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 40000000000\r\nETag: \"x\"\r\nAccept-Ranges: bytes\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Length: 40000000000\r\nETag: \"x\"\r\nAccept-Ranges: bytes\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nConnection: close\r\n\r\n"},
		{"206", "GET", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-2/9\r\nContent-Length: 3\r\n\r\nabc",
			"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-2/9\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"},
		{"multipart ranges", "GET", "HTTP/1.1 206 Partial Content\r\nContent-Type: multipart/byteranges; boundary=x\r\nContent-Length: 8\r\n\r\n--x--\r\n.",
			"HTTP/1.1 206 Partial Content\r\nContent-Type: multipart/byteranges; boundary=x\r\nContent-Length: 8\r\nConnection: close\r\n\r\n--x--\r\n."},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\nETag: W/\"x\"\r\nContent-Length: 99\r\n\r\n",
			"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: W/\"x\"\r\nConnection: close\r\n\r\n"},
		{"416", "GET", "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */9\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */9\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"},
		{"302", "GET", "HTTP/1.1 302 Found\r\nLocation: /a%2Fb?c=D%2b&&\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 302 Found\r\nLocation: /a%2Fb?c=D%2b&&\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"},
		{"gzip", "GET", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\x1f\x8b\x08\r\n0\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\n\x1f\x8b\x08\r\n0\r\n\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t, nil, answers(tc.raw))
			r := newRig(t, rigOptions{origin: s.addr})
			got, err := talk(t, r, tc.method+" / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			if got != tc.want || err != nil {
				t.Errorf("got %q, %v\nwant %q", got, err, tc.want)
			}
		})
	}
}

// TestHalfClose: a worker that ends its own side after the request gets its
// whole answer, however long that takes.
func TestHalfClose(t *testing.T) {
	t.Parallel()
	s := newScript(t, nil, drip(15, strings.Repeat("x", 10_000), 100*time.Millisecond))
	r := newRig(t, rigOptions{origin: s.addr})
	c := r.raw(t)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	time.Sleep(50 * time.Millisecond)
	_ = closeWrite(c)
	if b, err := io.ReadAll(c); !strings.HasSuffix(string(b), strings.Repeat("x", 150_000)) || err != nil {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}
