package wire

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"

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

// What is done while the upstream works is done between the request's last byte
// and the first one of the answer.
func TestDoWhileWorksWhileTheUpstreamDoes(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	done, read := make(chan struct{}), make(chan error, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			read <- err
			return
		}
		defer func() { _ = c.Close() }()
		_, err = readHead(bufio.NewReader(c))
		read <- err
		<-done
		_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
	}()
	c := newClient(t, ln.Addr().String(), nil)
	var req fasthttp.Request
	var resp fasthttp.Response
	req.Header.DisableNormalizing()
	req.Header.SetRequestURI("/")
	req.Header.SetHost("origin.test")
	calls := 0
	b, err := c.DoWhile(t.Context(), plainDest, &req, &resp, func() {
		if calls++; calls > 1 {
			return
		}
		if err := <-read; err != nil {
			t.Errorf("the upstream has not got the request: %v", err)
		}
		close(done)
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = b.Close()
	if calls != 1 || resp.StatusCode() != 204 {
		t.Errorf("called %d times, status %d", calls, resp.StatusCode())
	}
}
