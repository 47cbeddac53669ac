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

// TestT43_UnaskedBytes: bytes that arrive on a kept
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
			eventually(t, "the bytes have arrived", keptFor(c, d).base.unread)
			goodOnAnother(t, c, d, s)
		})
	}
}

// keptFor is the one connection to d that waits for a request.
func keptFor(c *Client, d Dest) *upstream {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dests[d].idle[0]
}

// goodOnAnother asks three times more and holds that the answers are the
// server's to those requests, over a second connection.
func goodOnAnother(t *testing.T, c *Client, d Dest, s *script) {
	t.Helper()
	for range 3 {
		if a := do(t, c, d, "GET", "/", nil); a.body != "good" {
			t.Fatalf("%q, %v", a.body, a.err)
		}
	}
	if n := s.conns.Load(); n != 2 {
		t.Errorf("%d connections, want 2", n)
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

// TestRetryOverANewConnection: once, over a new connection, and only where nothing can have
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

// TestPoolsAreSeparate by team, scheme, host, port and permission, and by Reuse.
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
	dests := []Dest{plainDest, {"b", "http", "origin.test", 80, false}, {"a", "http", "other.test", 80, false}, {"a", "http", "origin.test", 81, false}, {"a", "http", "origin.test", 80, true}}
	for range 3 {
		for _, d := range dests {
			if a := do(t, c, d, "GET", "/", nil); a.err != nil {
				t.Fatal(a.err)
			}
		}
	}
	if n := s.conns.Load(); n != 5 {
		t.Errorf("%d connections for 5 destinations", n)
	}
	refusing.Store(true)
	_ = do(t, c, plainDest, "GET", "/", nil)
	if n := s.conns.Load(); n != 5 {
		t.Errorf("%d connections: Reuse was asked at once again", n)
	}
	c.mu.Lock()
	kept := c.dests[plainDest].idle[0]
	kept.judged = kept.judged.Add(-judgement)
	c.mu.Unlock()
	_ = do(t, c, plainDest, "GET", "/", nil)
	if n := s.conns.Load(); n != 6 {
		t.Errorf("%d connections: Reuse was not asked", n)
	}
	c.CloseIdle()
	if c.idle != 0 || len(c.dests) != 0 || c.recent.Len() != 0 {
		t.Errorf("left: %d connections, %d destinations", c.idle, len(c.dests))
	}
}

// TestBoundConnectionsAreNotKept: what authenticates a connection, and not a
// request, makes it nobody else's (RFC 4559, section 6).
func TestBoundConnectionsAreNotKept(t *testing.T) {
	for _, c := range []struct {
		authorization, answer string
		kept                  bool
	}{
		{"NTLM TlRMTVNTUAAB", "", false},
		{"negotiate YII=", "", false},
		{"", "WWW-Authenticate: Negotiate\r\n", false},
		{"", "www-authenticate: Basic realm=\"x\"\r\nWWW-AUTHENTICATE: NTLM TlRM\r\n", false},
		{"", "WWW-Authenticate: Basic realm=\"x\", NTLM\r\n", false},
		{"", "Proxy-Authenticate: Negotiate\r\n", false},
		{"Bearer NTLM", "WWW-Authenticate: Bearer realm=\"Negotiate\"\r\n", true},
		{"Basic TlRMTQ==", "", true},
	} {
		t.Run(c.authorization+c.answer, func(t *testing.T) {
			s := newScript(t, nil, answers("HTTP/1.1 200 OK\r\n"+c.answer+"Content-Length: 2\r\n\r\nok"))
			client := newClient(t, s.addr, nil)
			for range 2 {
				a := do(t, client, plainDest, "GET", "/", func(r *fasthttp.Request) {
					if c.authorization != "" {
						r.Header.Set("Authorization", c.authorization)
					}
				})
				if a.err != nil || a.body != "ok" {
					t.Fatal(a.body, a.err)
				}
			}
			want := int32(2)
			if c.kept {
				want = 1
			}
			if n := s.conns.Load(); n != want {
				t.Errorf("%d connections, want %d", n, want)
			}
		})
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
