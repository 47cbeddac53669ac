package wire

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

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
