package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/valyala/fasthttp"
)

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

// TestR12_T40_OneResponseAndClose: after a framing error there is one answer, the
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
		{"codings in several fields", "GET", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nX: y\r\ncontent-encoding: br, zstd\r\nContent-Encoding: aws-chunked\r\nContent-Length: 3\r\n\r\nabc",
			"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, br, zstd, aws-chunked\r\nX: y\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"},
		{"a coding and an empty field", "GET", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Encoding:\r\nContent-Length: 3\r\n\r\nabc",
			"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"},
		{"an empty field and a coding", "HEAD", "HTTP/1.1 200 OK\r\nContent-Encoding:\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n"},
		// RFC 9110, section 8.3: the last of several types is what recipients go by.
		// It is what we judge by, and all that the worker sees.
		{"two types", "GET", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Type: image/png\r\nContent-Length: 3\r\n\r\nabc",
			"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"},
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
