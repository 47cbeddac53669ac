package wire

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

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

// TestWorkerGone: the context of a request ends when its worker resets the
// connection.
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
	Reset(c)
	select {
	case err := <-ended:
		if !errors.Is(err, errWorkerGone) {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("never noticed")
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

// TestHalfCloseBeforeALateHead: it does not count as gone either while the
// upstream takes its time before it answers at all.
func TestHalfCloseBeforeALateHead(t *testing.T) {
	t.Parallel()
	s := newScript(t, nil, func(c net.Conn, br *bufio.Reader) {
		if _, err := readRequest(br); err != nil {
			return
		}
		time.Sleep(5 * lookEvery / 2)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
	})
	r := newRig(t, rigOptions{origin: s.addr})
	c := r.raw(t)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	_ = closeWrite(c)
	if b, err := io.ReadAll(c); !strings.HasPrefix(string(b), "HTTP/1.1 200 ") || !strings.HasSuffix(string(b), "late") || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}
