package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// isReset reports whether err is a reset, and not a clean end.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func TestT71_ABodyThatBreaksOffIsNeverACleanEnd(t *testing.T) {
	body := strings.Repeat("w", 1<<20)
	for name, answer := range map[string]func(*request) bool{
		"known length": func(q *request) bool {
			_, _ = fmt.Fprintf(q.w, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:len(body)*99/100])
			return false
		},
		"chunked": func(q *request) bool {
			_, _ = fmt.Fprintf(q.w, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(body), body)
			return false
		},
		"broken chunk": func(q *request) bool {
			_, _ = fmt.Fprintf(q.w, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\nzz\r\n\r\n", len(body), body)
			return true
		},
		"reset": func(q *request) bool {
			_, _ = fmt.Fprintf(q.w, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:100000])
			_ = q.raw.(*net.TCPConn).SetLinger(0)
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, rigOptions{})
			hub := r.hub(answer)
			plain := r.route(plainHost+":80", newOrigin(t, answer))
			for mode, ask := range map[string]func() (*worker, *workerReply){
				"tunnel": func() (*worker, *workerReply) { w := r.tunnel(hubHost); return w, w.get("/a", hubHost) },
				"reverse": func() (*worker, *workerReply) {
					w := r.worker()
					return w, w.get("/"+hubHost+"/a", r.addr, "Authorization: Bearer "+r.key.Reveal())
				},
				"plain-plain": func() (*worker, *workerReply) {
					w := r.worker()
					return w, w.get("http://"+plainHost+"/a", plainHost, r.proxyAuth())
				},
			} {
				w, a := ask()
				if a.status != 200 {
					t.Fatalf("%s: %d", mode, a.status)
				}
				if a.err == nil {
					t.Errorf("%s: %d of %d bytes look whole", mode, len(a.body), len(body))
				}
				if mode != "tunnel" && !isReset(a.err) {
					t.Errorf("%s: ended by %v and not by a reset", mode, a.err)
				}
				if _, clean := w.closed(); clean && mode != "tunnel" && !isReset(a.err) {
					t.Errorf("%s: a clean end", mode)
				}
			}
			_, _ = hub, plain
		})
	}
}

func TestT72_ASlowReaderIsNotCutAndHoldsTheUpstreamBack(t *testing.T) {
	t.Parallel()
	const size = 48 << 20
	// So long that a busy machine does not make it pass.
	const idle = 3 * time.Second
	r := newRig(t, rigOptions{options: func(o *Options) { o.IdleTimeout = idle }})
	var mu sync.Mutex
	sent := 0
	r.hub(func(q *request) bool {
		_, _ = fmt.Fprintf(q.w, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: application/octet-stream\r\n\r\n", size)
		piece := make([]byte, 64<<10)
		for n := 0; n < size; n += len(piece) {
			if _, err := q.w.Write(piece); err != nil {
				return false
			}
			mu.Lock()
			sent = n
			mu.Unlock()
		}
		return true
	})
	w := r.worker()
	w.send("GET /" + hubHost + "/a HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.key.Reveal() + "\r\n\r\n")
	_, err := rawHead(w.br)
	r.must(err)
	// Two idle timeouts pass while the worker takes a little now and then.
	buf := make([]byte, 256<<10)
	got := 0
	for range 12 {
		n, err := io.ReadFull(w.br, buf)
		r.must(err)
		got += n
		time.Sleep(idle / 6)
	}
	mu.Lock()
	ahead := sent - got
	mu.Unlock()
	if ahead > size/2 {
		t.Errorf("the upstream is %d MiB ahead of the worker", ahead>>20)
	}
	n, err := io.Copy(io.Discard, io.LimitReader(w.br, int64(size-got)))
	if err != nil || int(n)+got != size {
		t.Errorf("%d of %d bytes: %v", int(n)+got, size, err)
	}
}

func TestT73_AStalledUpstreamIsGivenUp(t *testing.T) {
	r := newRig(t, rigOptions{options: func(o *Options) { o.IdleTimeout = 300 * time.Millisecond }})
	stop := make(chan struct{})
	defer close(stop)
	r.hub(func(q *request) bool {
		_, _ = io.WriteString(q.w, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nContent-Type: application/octet-stream\r\n\r\nabc")
		<-stop
		return false
	})
	a := r.reverse("/" + hubHost + "/a")
	if a.err == nil || !isReset(a.err) || string(a.body) != "abc" {
		t.Errorf("%q %v", a.body, a.err)
	}
	if e := r.recorder.eventually(auth.ActionFinished, 1); len(e) != 1 || e[0].Code != auth.CodeUpstreamTimeout || e[0].Bytes != 3 {
		t.Errorf("finished: %+v", e)
	}
}

func TestT74_StatusesAndValidatorsPassByteExact(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.hub(func(q *request) bool {
		common := []string{`ETag: W/"a,b\"c"`, "Accept-Ranges: bytes", "Last-Modified: Tue, 15 Nov 1994 12:45:26 GMT", "Date: Tue, 15 Nov 1994 08:12:31 GMT", "x-lower: Kept", "Content-Type: application/octet-stream", "Server: up/1", "Vary: a", "Vary: b"}
		switch q.target {
		case "/206":
			return text(q, "206 Partial Content", "bcd", append(common, "Content-Range: bytes 1-3/10")...)
		case "/304":
			_, _ = io.WriteString(q.w, "HTTP/1.1 304 Not Modified\r\n"+strings.Join(common, "\r\n")+"\r\n\r\n")
			return true
		case "/416":
			return text(q, "416 Range Not Satisfiable", "", append(common, "Content-Range: bytes */10")...)
		case "/multi":
			return text(q, "206 Partial Content", "--x\r\nContent-Range: bytes 0-0/10\r\n\r\na\r\n--x--", append(common, "Content-Type: multipart/byteranges; boundary=x")...)
		case "/gzip":
			return text(q, "200 OK", "\x1f\x8b\x08binary", append(common, "Content-Encoding: gzip")...)
		case "/teapot":
			return text(q, "418 I am odd", "short", common...)
		}
		return text(q, "200 OK", "abcdefghij", common...)
	})
	in := r.tunnel(hubHost)
	for _, c := range []struct {
		target, method string
		status         int
		body, cr       string
	}{
		{"/206", "GET", 206, "bcd", "bytes 1-3/10"},
		{"/304", "GET", 304, "", ""},
		{"/416", "GET", 416, "", "bytes */10"},
		{"/multi", "GET", 206, "--x\r\nContent-Range: bytes 0-0/10\r\n\r\na\r\n--x--", ""},
		{"/gzip", "GET", 200, "\x1f\x8b\x08binary", ""},
		{"/teapot", "GET", 418, "short", ""},
		{"/x", "HEAD", 200, "", ""},
		{"/x", "GET", 200, "abcdefghij", ""},
	} {
		in.send(c.method + " " + c.target + " HTTP/1.1\r\nHost: " + hubHost + "\r\nRange: bytes=1-3\r\n\r\n")
		a := in.read(c.method)
		if a.status != c.status || string(a.body) != c.body || a.err != nil {
			t.Fatalf("%s: %d %q %v", c.target, a.status, a.body, a.err)
		}
		for n, want := range map[string]string{
			"ETag": `W/"a,b\"c"`, "Accept-Ranges": "bytes", "Last-Modified": "Tue, 15 Nov 1994 12:45:26 GMT", "Date": "Tue, 15 Nov 1994 08:12:31 GMT",
			"Content-Range": c.cr, "Server": "up/1",
		} {
			if got := strings.Join(a.header.Values(n), ","); got != want {
				t.Errorf("%s: %s %q, want %q", c.target, n, got, want)
			}
		}
		if !strings.Contains(a.raw, "x-lower: Kept\r\n") || strings.Join(a.header.Values("Vary"), " ") != "a b" {
			t.Errorf("%s: %q", c.target, a.raw)
		}
		if c.method == "HEAD" && a.header.Get("Content-Length") != "10" {
			t.Errorf("HEAD lost its length: %q", a.raw)
		}
		if c.target == "/teapot" && !strings.HasPrefix(a.raw, "HTTP/1.1 418 I am odd\r\n") {
			t.Errorf("%q", a.raw)
		}
	}
}

func TestHTTP10WorkersGetABodyOfUnknownLengthByItsEnd(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.hub(func(q *request) bool {
		_, _ = io.WriteString(q.w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/octet-stream\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
		return true
	})
	w := r.worker()
	w.send("GET /" + hubHost + "/a HTTP/1.0\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.key.Reveal() + "\r\n\r\n")
	a := w.read("GET")
	if a.status != 200 || string(a.body) != "hello" || a.header.has("Transfer-Encoding") || a.err != nil {
		t.Errorf("%q %q %v", a.raw, a.body, a.err)
	}
}

func TestUploadsStreamAndEarlyAnswersEndThem(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub := r.hub(ok)
	body := strings.Repeat("u", 1<<20)
	w := r.worker()
	w.send("PUT /" + hubHost + "/a HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.writeKey.Reveal() + "\r\nContent-Length: " + fmt.Sprint(len(body)) + "\r\n\r\n" + body)
	r.expect(w.read("PUT"), 200, "")
	if q := hub.last(); string(q.body) != body || q.fields.Get("Content-Length") != fmt.Sprint(len(body)) {
		t.Errorf("%d bytes", len(q.body))
	}
	w.send("PUT /" + hubHost + "/a HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.writeKey.Reveal() + "\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\n")
	r.expect(w.read("PUT"), 200, "")
	if q := hub.last(); string(q.body) != "abcde" {
		t.Errorf("%q", q.body)
	}
	// A refused upload: the answer arrives although the body is still coming.
	w = r.worker()
	w.send("PUT /" + hubHost + "/a HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.key.Reveal() + "\r\nContent-Length: 100000\r\n\r\n" + body[:50000])
	r.expect(w.read("PUT"), 403, auth.CodeScopeForbidden)
	// A worker that breaks off in its upload: the upstream sees no whole one.
	n := len(hub.requests())
	w = r.worker()
	w.send("PUT /" + hubHost + "/a HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.writeKey.Reveal() + "\r\nContent-Length: 100000\r\n\r\n" + body[:50000])
	_ = w.c.(*net.TCPConn).CloseWrite()
	if a, err := w.tryRead("PUT"); err == nil && a.status < 400 {
		t.Errorf("%d", a.status)
	}
	if len(hub.requests()) != n {
		t.Error("the upstream took a part for the whole")
	}
}
