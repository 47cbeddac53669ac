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
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// TestT44_Hijack: the bytes sent ahead are told apart, the connection works, and
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
