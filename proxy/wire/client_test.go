package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/weighbridge/weighbridge/auth"
)

// newClient reaches addr whatever the Dest.
func newClient(t testing.TB, addr string, change func(*ClientOptions)) *Client {
	t.Helper()
	o := ClientOptions{Buffers: NewBuffers(0), Dial: func(ctx context.Context, _ Dest) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	}}
	if change != nil {
		change(&o)
	}
	c := NewClient(o)
	t.Cleanup(c.Close)
	return c
}

var plainDest = Dest{Team: "a", Scheme: "http", Host: "origin.test", Port: 80}

type answer struct {
	resp fasthttp.Response
	body string
	err  error // of Do, or of reading
	code auth.Code
}

// do makes a request and reads its answer whole.
func do(t testing.TB, c *Client, d Dest, method, uri string, change func(*fasthttp.Request)) *answer {
	t.Helper()
	var req fasthttp.Request
	req.Header.DisableNormalizing()
	req.Header.SetMethod(method)
	req.Header.SetRequestURI(uri)
	req.Header.SetHost("origin.test")
	if change != nil {
		change(&req)
	}
	a := &answer{}
	b, err := c.Do(t.Context(), d, &req, &a.resp)
	if err == nil {
		var text []byte
		text, err = io.ReadAll(b)
		a.body = string(text)
		_ = b.Close()
	}
	a.err, a.code = err, codeOf(err)
	return a
}

// TestRequestBytesAreExact: what is given is what leaves.
func TestRequestBytesAreExact(t *testing.T) {
	got := make(chan string, 1)
	s := newScript(t, nil, func(c net.Conn, br *bufio.Reader) {
		raw, err := readHead(bufio.NewReaderSize(br, MaxHeader))
		if err != nil {
			return
		}
		got <- string(raw)
		_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
	})
	c := newClient(t, s.addr, nil)
	const uri = "/a%2Fb//../c/./%2e%2E;p=1/ü+x%20y?X-Amz-Signature=AbC%2b&&q=a b"
	// A space cannot be sent in a request line.
	if a := do(t, c, plainDest, "GET", uri, nil); a.code != auth.CodeBadRequest {
		t.Errorf("%v, want bad_request", a.err)
	}
	exact := strings.ReplaceAll(uri, "a b", "a~b")
	a := do(t, c, plainDest, "GET", exact, func(r *fasthttp.Request) {
		r.Header.SetHost("Origin.TEST:8443")
		r.Header.Add("x-lower-CASE", "a  b\tc")
		r.Header.Add("Cookie", "b=2; a=1;;c")
		r.Header.Add("X-Twice", "1")
		r.Header.Add("X-Twice", "2")
		r.Header.Add("Expect", "100-continue")
		r.Header.SetConnectionClose()
	})
	if a.err != nil {
		t.Fatal(a.err)
	}
	raw := <-got
	line, _, _ := strings.Cut(raw, "\r\n")
	if line != "GET "+exact+" HTTP/1.1" {
		t.Errorf("line %q", line)
	}
	for _, want := range []string{"\r\nHost: Origin.TEST:8443\r\n", "\r\nx-lower-CASE: a  b\tc\r\n", "\r\nX-Twice: 1\r\nX-Twice: 2\r\n"} {
		if !strings.Contains(raw, want) {
			t.Errorf("%q is not in %q", want, raw)
		}
	}
	for _, never := range []string{"User-Agent", "Content-", "Accept", "Connection", "Expect", "fasthttp"} {
		if strings.Contains(raw, never) {
			t.Errorf("%q is in %q", never, raw)
		}
	}
}

// TestRequestSplitting: nothing that a caller passes by mistake becomes a
// second field or a second request.
func TestRequestSplitting(t *testing.T) {
	c := newClient(t, "127.0.0.1:1", nil)
	for name, change := range map[string]func(*fasthttp.Request){
		"target": func(r *fasthttp.Request) { r.Header.SetRequestURI("/ HTTP/1.1\r\nX: y") },
		"method": func(r *fasthttp.Request) { r.Header.SetMethod("GET /x") },
		"two hosts": func(r *fasthttp.Request) {
			r.Header.DisableSpecialHeader()
			r.Header.Add("Host", "a")
			r.Header.Add("host", "b")
		},
		"no host":   func(r *fasthttp.Request) { r.Header.SetHost("") },
		"body":      func(r *fasthttp.Request) { r.SetBodyString("x") },
		"version":   func(r *fasthttp.Request) { r.Header.SetProtocol("HTTP/1.2") },
		"too large": func(r *fasthttp.Request) { r.Header.Add("X", strings.Repeat("x", MaxHeader)) },
	} {
		if a := do(t, c, plainDest, "GET", "/", change); a.code != auth.CodeBadRequest {
			t.Errorf("%s: %v, want bad_request", name, a.err)
		}
	}
}

// TestT40_T43_BadAnswers: an answer whose framing is doubtful is refused and
// its connection never used again.
func TestT40_T43_BadAnswers(t *testing.T) {
	for _, tc := range []struct {
		name, raw string
		code      auth.Code
		want      string // of the reason
	}{
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", auth.CodeUpstreamProtocol, "two Content-Length"},
		{"equal lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", auth.CodeUpstreamProtocol, "two Content-Length"},
		{"both framings", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", auth.CodeUpstreamProtocol, "both"},
		{"bad coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", auth.CodeUpstreamProtocol, "Transfer-Encoding"},
		{"obs-fold", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", auth.CodeUpstreamProtocol, "folded"},
		{"bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", auth.CodeUpstreamProtocol, "bare LF"},
		{"too large", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 40<<10) + "\r\n\r\n", auth.CodeUpstreamProtocol, "32 KiB"},
		{"another protocol", "220 smtp ready\r\n\r\n", auth.CodeUpstreamProtocol, "version"},
		{"upgrade", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", auth.CodeUpstreamProtocol, "switched"},
		{"interim without end", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 9), auth.CodeUpstreamProtocol, "interim"},
		{"nothing", "", auth.CodeUpstreamUnreachable, "broke off"},
		{"half a head", "HTTP/1.1 200 OK\r\nX: ", auth.CodeUpstreamUnreachable, "broke off"},
		{"short small body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", auth.CodeUpstreamUnreachable, "ended its answer early"},
		{"short large body", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc", auth.CodeUpstreamUnreachable, "ended its answer early"},
		{"short chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", auth.CodeUpstreamUnreachable, "ended its answer early"},
		{"bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n", auth.CodeUpstreamProtocol, "chunk size"},
		{"bad chunk end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", auth.CodeUpstreamProtocol, "does not end"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t, nil, func(c net.Conn, br *bufio.Reader) {
				if _, err := readRequest(br); err != nil {
					return
				}
				_, _ = io.WriteString(c, tc.raw)
			})
			c := newClient(t, s.addr, nil)
			a := do(t, c, plainDest, "GET", "/", nil)
			if e := auth.AsError(a.err); a.code != tc.code || !strings.Contains(e.Reason, tc.want) {
				t.Errorf("%s: %s; want %s with %q", a.code, e.Reason, tc.code, tc.want)
			}
			if c.idle != 0 || s.conns.Load() != 1 {
				t.Errorf("%d connections kept, %d made", c.idle, s.conns.Load())
			}
		})
	}
}

// TestT74_Framing: what each kind of answer is, and whether its connection
// may be used again.
func TestT74_Framing(t *testing.T) {
	for _, tc := range []struct {
		name, method, raw, body string
		keep                    bool
		field                   string // "Name: value" that must have survived
	}{
		{"length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", true, "Content-Length: 3"},
		{"empty", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", true, ""},
		{"chunks", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n", "abc", true, ""},
		{"until close", "GET", "HTTP/1.1 200 OK\r\n\r\nabc", "abc", false, ""},
		{"HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 12345678901\r\nETag: \"x\"\r\n\r\n", "", true, "Content-Length: 12345678901"},
		{"HEAD of chunks", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "", true, ""},
		{"HEAD with a body", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "", false, ""},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: W/\"x\"\r\n\r\n", "", true, "ETag: W/\"x\""},
		{"304 with a body", "GET", "HTTP/1.1 304 Not Modified\r\n\r\nabc", "", false, ""},
		{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", "", true, ""},
		{"204 with a length", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc", "", false, ""},
		{"206", "GET", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-2/9\r\nContent-Length: 3\r\n\r\nabc", "abc", true, "Content-Range: bytes 0-2/9"},
		{"416", "GET", "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */9\r\nContent-Length: 0\r\n\r\n", "", true, "Content-Range: bytes */9"},
		{"gzip is not touched", "GET", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08", "\x1f\x8b\x08", true, "Content-Encoding: gzip"},
		{"Date and Server", "GET", "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nserver: x\r\nContent-Length: 0\r\n\r\n", "", true, "Date: Thu, 01 Jan 1970 00:00:00 GMT"},
		{"interim", "GET", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", true, ""},
		{"close", "GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", "abc", false, ""},
		{"1.0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", false, ""},
		{"1.0 kept", "GET", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 3\r\n\r\nabc", "abc", true, ""},
		{"more than asked for", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n\r\n", "abc", false, ""},
		{"more behind chunks", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nx", "", false, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t, nil, func(c net.Conn, br *bufio.Reader) {
				for {
					if _, err := readRequest(br); err != nil {
						return
					}
					_, _ = io.WriteString(c, tc.raw)
					if tc.name == "until close" {
						return
					}
				}
			})
			c := newClient(t, s.addr, nil)
			a := do(t, c, plainDest, tc.method, "/", nil)
			if a.err != nil || a.body != tc.body {
				t.Fatalf("body %q, %v; want %q", a.body, a.err, tc.body)
			}
			if name, value, ok := strings.Cut(tc.field, ": "); ok {
				if got := string(a.resp.Header.Peek(name)); got != value {
					found := false
					for k, v := range a.resp.Header.All() {
						found = found || string(k) == name && string(v) == value
					}
					if !found {
						t.Errorf("%s is %q, want %q", name, got, value)
					}
				}
			}
			_ = do(t, c, plainDest, tc.method, "/", nil)
			if n := s.conns.Load(); (n == 1) != tc.keep {
				t.Errorf("%d connections for two requests, want kept=%v", n, tc.keep)
			}
		})
	}
}

func TestHopByHopFieldsAreRemoved(t *testing.T) {
	s := newScript(t, nil, answers("HTTP/1.1 200 OK\r\nconnection: X-Private, keep-alive\r\nX-PRIVATE: 1\r\nKeep-Alive: timeout=5\r\n"+
		"Proxy-Connection: x\r\nTE: trailers\r\nTrailer: X-Sum\r\nUpgrade: h2c\r\nX-Sum: stays\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
	a := do(t, newClient(t, s.addr, nil), plainDest, "GET", "/", nil)
	if a.err != nil {
		t.Fatal(a.err)
	}
	var names []string
	for k := range a.resp.Header.All() {
		names = append(names, string(k))
	}
	if len(names) != 1 || names[0] != "X-Sum" {
		t.Errorf("fields %q, want X-Sum alone", names)
	}
}

// TestUnaskedBytesMakeAConnectionUseless: bytes that arrive on a kept
// connection between two requests never become an answer, in clear and under
// TLS.
func TestT43_UnaskedBytes(t *testing.T) {
	ca := newAuthority(t, nil)
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%v", secure), func(t *testing.T) {
			poison := make(chan struct{})
			poisoned := make(chan struct{})
			var first atomic.Bool
			s := newScript(t, serverTLS(t, ca, secure), func(c net.Conn, br *bufio.Reader) {
				for {
					if _, err := readRequest(br); err != nil {
						return
					}
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
					if first.CompareAndSwap(false, true) {
						<-poison
						_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
						close(poisoned)
					}
				}
			})
			c := newClient(t, s.addr, trust(ca))
			d := destTLS(secure)
			if a := do(t, c, d, "GET", "/", nil); a.body != "good" {
				t.Fatal(a.body, a.err)
			}
			close(poison)
			<-poisoned
			c.mu.Lock()
			kept := c.dests[d].idle[0]
			c.mu.Unlock()
			eventually(t, "the bytes have arrived", kept.base.unread)
			for range 3 {
				if a := do(t, c, d, "GET", "/", nil); a.body != "good" {
					t.Fatalf("%q, %v", a.body, a.err)
				}
			}
			if n := s.conns.Load(); n != 2 {
				t.Errorf("%d connections, want 2", n)
			}
		})
	}
}

func serverTLS(t *testing.T, ca *authority, on bool) *tls.Config {
	if !on {
		return nil
	}
	return &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}}
}

func trust(ca *authority) func(*ClientOptions) {
	return func(o *ClientOptions) { o.TLS = &tls.Config{RootCAs: ca.pool} }
}

func destTLS(on bool) Dest {
	d := plainDest
	if on {
		d.Scheme = "https"
	}
	return d
}

// TestRetry: once, over a new connection, and only where nothing can have
// happened.
func TestRetryOverANewConnection(t *testing.T) {
	// Each connection answers once and closes when the second request is there.
	var requests atomic.Int32
	s := newScript(t, nil, func(c net.Conn, br *bufio.Reader) {
		for i := range 2 {
			if _, err := readRequest(br); err != nil {
				return
			}
			requests.Add(1)
			if i == 0 {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		}
	})
	for _, tc := range []struct {
		method string
		body   string
		again  bool
	}{{"GET", "", true}, {"HEAD", "", true}, {"OPTIONS", "", true}, {"DELETE", "", false}, {"POST", "", false}, {"POST", "x", false}} {
		t.Run(tc.method+tc.body, func(t *testing.T) {
			c := newClient(t, s.addr, nil)
			set := func(r *fasthttp.Request) {
				if tc.body != "" {
					r.SetBodyString(tc.body)
				}
			}
			if a := do(t, c, plainDest, "GET", "/", nil); a.err != nil {
				t.Fatal(a.err)
			}
			before := requests.Load()
			a := do(t, c, plainDest, tc.method, "/", set)
			if tc.again && (a.err != nil || requests.Load() != before+2) {
				t.Errorf("%v after %d requests, want another try", a.err, requests.Load()-before)
			}
			if !tc.again && (a.code != auth.CodeUpstreamUnreachable || requests.Load() != before+1) {
				t.Errorf("%v after %d requests, want one and an error", a.err, requests.Load()-before)
			}
		})
	}
	t.Run("never on a new connection", func(t *testing.T) {
		var n atomic.Int32
		s := newScript(t, nil, func(_ net.Conn, br *bufio.Reader) {
			_, _ = readRequest(br)
			n.Add(1)
		})
		if a := do(t, newClient(t, s.addr, nil), plainDest, "GET", "/", nil); a.code != auth.CodeUpstreamUnreachable || n.Load() != 1 {
			t.Errorf("%v after %d requests", a.err, n.Load())
		}
	})
	t.Run("never after a byte of the answer", func(t *testing.T) {
		var n atomic.Int32
		s := newScript(t, nil, func(c net.Conn, br *bufio.Reader) {
			for i := range 2 {
				if _, err := readRequest(br); err != nil {
					return
				}
				n.Add(1)
				_, _ = io.WriteString(c, []string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "H"}[i])
			}
		})
		c := newClient(t, s.addr, nil)
		_ = do(t, c, plainDest, "GET", "/", nil)
		if a := do(t, c, plainDest, "GET", "/", nil); a.code != auth.CodeUpstreamUnreachable || n.Load() != 2 {
			t.Errorf("%v after %d requests", a.err, n.Load())
		}
	})
}

// TestPoolsAreSeparate by team, scheme, host and port, and by Reuse.
func TestPoolsAreSeparate(t *testing.T) {
	s := newScript(t, nil, answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	refuse := errors.New("no longer allowed")
	var refusing atomic.Bool
	c := newClient(t, s.addr, func(o *ClientOptions) {
		o.Reuse = func(d Dest, conn net.Conn) error {
			if _, ok := conn.(*net.TCPConn); !ok {
				t.Errorf("Reuse got a %T, want what Dial returned", conn)
			}
			if refusing.Load() {
				return refuse
			}
			return nil
		}
	})
	dests := []Dest{plainDest, {"b", "http", "origin.test", 80}, {"a", "http", "other.test", 80}, {"a", "http", "origin.test", 81}}
	for range 3 {
		for _, d := range dests {
			if a := do(t, c, d, "GET", "/", nil); a.err != nil {
				t.Fatal(a.err)
			}
		}
	}
	if n := s.conns.Load(); n != 4 {
		t.Errorf("%d connections for 4 destinations", n)
	}
	refusing.Store(true)
	_ = do(t, c, plainDest, "GET", "/", nil)
	if n := s.conns.Load(); n != 5 {
		t.Errorf("%d connections: Reuse was not asked", n)
	}
	c.CloseIdle()
	if c.idle != 0 || len(c.dests) != 0 || c.recent.Len() != 0 {
		t.Errorf("left: %d connections, %d destinations", c.idle, len(c.dests))
	}
}

// TestPoolIsBounded: 10,000 hosts leave no more than the bounds.
func TestPoolIsBounded(t *testing.T) {
	t.Parallel()
	s := newScript(t, nil, answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	c := newClient(t, s.addr, func(o *ClientOptions) { o.MaxIdle, o.MaxIdlePerDest = 16, 2 })
	hosts := 3000
	if raceEnabled {
		hosts = 1500
	}
	for i := range hosts {
		d := plainDest
		d.Host = fmt.Sprintf("h%d.test", i)
		if a := do(t, c, d, "GET", "/", nil); a.err != nil {
			t.Fatal(a.err)
		}
		if c.idle > 16 || len(c.dests) > maxDests || c.recent.Len() != len(c.dests) {
			t.Fatalf("%d connections, %d destinations", c.idle, len(c.dests))
		}
	}
	var bodies []*Body
	for range 5 {
		var req fasthttp.Request
		var resp fasthttp.Response
		req.Header.SetHost("x")
		req.Header.SetRequestURI("/")
		b, err := c.Do(t.Context(), plainDest, &req, &resp)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, b)
	}
	for _, b := range bodies {
		_ = b.Close()
	}
	if n := len(c.dests[plainDest].idle); n > 2 {
		t.Errorf("%d kept for one destination", n)
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	closed := make(chan struct{})
	s := newScript(t, nil, func(c net.Conn, br *bufio.Reader) {
		answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")(c, br)
		close(closed)
	})
	c := newClient(t, s.addr, func(o *ClientOptions) { o.IdleTimeout = 20 * time.Millisecond })
	if a := do(t, c, plainDest, "GET", "/", nil); a.err != nil {
		t.Fatal(a.err)
	}
	select {
	case <-closed:
	case <-time.After(30 * time.Second):
		t.Error("an unused connection stays open")
	}
}

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

// TestT43_Interleavings: two credentials, an upstream that misbehaves at
// random, workers that leave at random: nobody ever gets another one's answer.
func TestT43_Interleavings(t *testing.T) {
	t.Parallel()
	s := newScript(t, nil, func(c net.Conn, br *bufio.Reader) {
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			who := req.Header.Get("Authorization") + " " + req.Header.Get("X-Serial")
			kind := rand.IntN(12)
			if kind != 0 {
				_, _ = io.Copy(io.Discard, req.Body)
			}
			status := "200 OK"
			if kind == 0 {
				status = "413 Early"
			}
			switch {
			case kind == 1:
				_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			case kind == 2: // a body that must not be there
				status = "204 No Content"
			case kind == 3:
				return
			}
			switch {
			case kind%2 == 0 && kind < 8:
				_, err = fmt.Fprintf(c, "HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s", status, len(who), who)
			case kind == 9:
				_, _ = fmt.Fprintf(c, "HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s", status, len(who)+5, who) // short
				return
			case kind == 10: // more than it says
				_, err = fmt.Fprintf(c, "HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%sHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", status, len(who), who)
			default:
				_, err = fmt.Fprintf(c, "HTTP/1.1 %s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", status, len(who), who)
			}
			if err != nil {
				return
			}
		}
	})
	c := newClient(t, s.addr, func(o *ClientOptions) { o.HeaderTimeout = 20 * time.Second })
	n := 1500
	if raceEnabled {
		n = 400
	}
	var served atomic.Int64
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range n {
				cred := fmt.Sprintf("cred-%d", w%2)
				serial := fmt.Sprintf("%d-%d", w, i)
				ctx, stop := context.WithCancel(context.Background())
				var req fasthttp.Request
				var resp fasthttp.Response
				req.Header.DisableNormalizing()
				req.Header.SetHost("x")
				req.Header.SetRequestURI("/")
				req.Header.Set("Authorization", cred)
				req.Header.Set("X-Serial", serial)
				switch rand.IntN(4) {
				case 0:
					req.Header.SetMethod("HEAD")
				case 1:
					req.Header.SetMethod("POST")
					req.SetBodyStream(strings.NewReader(strings.Repeat("x", rand.IntN(100_000))), -1)
				}
				// The team is one and the same: only the transport keeps them apart.
				b, err := c.Do(ctx, plainDest, &req, &resp)
				if err == nil {
					p := make([]byte, 1000)
					k := len(p)
					if rand.IntN(5) == 0 {
						k = 3
					}
					m, err := io.ReadFull(b, p[:k])
					if (err == nil || err == io.EOF || err == io.ErrUnexpectedEOF) && m > 0 {
						if !strings.HasPrefix(cred+" "+serial, string(p[:m])) {
							t.Errorf("%s %s got %q", cred, serial, p[:m])
						}
						served.Add(1)
					}
					if rand.IntN(6) == 0 {
						stop()
					}
					_ = b.Close()
				}
				stop()
			}
		})
	}
	wg.Wait()
	if served.Load() == 0 {
		t.Error("nothing was served")
	}
	t.Logf("%d answers over %d connections", served.Load(), s.conns.Load())
}
