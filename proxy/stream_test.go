package proxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
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

func TestR13_DribblersAreClosedAndOthersDoNotNotice(t *testing.T) {
	if testing.Short() {
		t.Log("the short form: 50 dribblers")
	}
	r := newRig(t, rigOptions{})
	r.hub(ok)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	for range 50 {
		c, err := net.Dial("tcp", r.addr)
		r.must(err)
		wg.Go(func() {
			defer func() { _ = c.Close() }()
			for _, b := range []byte("GET /" + hubHost + "/" + strings.Repeat("x", 1000)) {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
			}
		})
	}
	for range 20 {
		r.expect(r.reverse("/"+hubHost+"/a"), 200, "")
	}
}

func TestR16_BeyondTheLimitOfConnectionsThereIsAnAnswerAndRecovery(t *testing.T) {
	r := newRig(t, rigOptions{options: func(o *Options) { o.MaxConns = 8 }})
	r.hub(ok)
	var open []net.Conn
	shed := 0
	for range 24 {
		c, err := net.Dial("tcp", r.addr)
		r.must(err)
		open = append(open, c)
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	}
	for _, c := range open[8:] {
		b, _ := io.ReadAll(c)
		if strings.HasPrefix(string(b), "HTTP/1.1 503 ") && strings.Contains(string(b), "Retry-After") {
			shed++
		}
	}
	if shed == 0 {
		t.Error("nobody was told to come again")
	}
	for _, c := range open {
		_ = c.Close()
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		w := r.worker()
		_, _ = io.WriteString(w.c, "GET /.weighbridge/healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		if a, err := w.tryRead("GET"); err == nil && a.status == 200 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("it does not recover")
		}
	}
}

// TestR18_NoSilentTruncation runs downloads with random sizes, ranges and
// faults on both sides: what a worker gets is whole, or it sees an error.
func TestR18_NoSilentTruncation(t *testing.T) {
	const runs = 100
	r := newRig(t, rigOptions{options: func(o *Options) { o.IdleTimeout = 400 * time.Millisecond }})
	content := make([]byte, 3<<20)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(content)
	serve := func(q *request) bool {
		// The target says what to do: /fault/size/at
		part := strings.Split(strings.TrimPrefix(q.target, "/"), "/")
		size, _ := strconv.Atoi(part[1])
		at, _ := strconv.Atoi(part[2])
		body, status, extra := content[:size], "200 OK", ""
		if rg := q.fields.Get("Range"); rg != "" && part[0] != "whole" {
			var from, to int
			_, _ = fmt.Sscanf(rg, "bytes=%d-%d", &from, &to)
			status, extra = "206 Partial Content", fmt.Sprintf("Content-Range: bytes %d-%d/%d\r\n", from, to, size)
			body = body[from : to+1]
		}
		cut := min(at, len(body))
		head := fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: application/octet-stream\r\n%s", status, extra)
		known := fmt.Sprintf("%sContent-Length: %d\r\n\r\n", head, len(body))
		switch part[0] {
		case "short":
			_, _ = io.WriteString(q.w, known)
			_, _ = q.w.Write(body[:cut])
			return false
		case "reset":
			_, _ = io.WriteString(q.w, known)
			_, _ = q.w.Write(body[:cut])
			_ = q.raw.(*net.TCPConn).SetLinger(0)
			return false
		case "stall":
			_, _ = io.WriteString(q.w, known)
			_, _ = q.w.Write(body[:cut])
			time.Sleep(600 * time.Millisecond)
			_, _ = q.w.Write(body[cut:])
			return true
		case "slice":
			_, _ = io.WriteString(q.w, known)
			for b := body; len(b) > 0; {
				n := min(len(b), 1+at%7000)
				_, _ = q.w.Write(b[:n])
				b = b[n:]
			}
			return true
		case "chunk", "chunkcut":
			_, _ = io.WriteString(q.w, head+"Transfer-Encoding: chunked\r\n\r\n")
			for b := body; len(b) > 0; {
				n := min(len(b), 1+at%90000)
				_, _ = fmt.Fprintf(q.w, "%x\r\n%s\r\n", n, b[:n])
				b = b[n:]
				if part[0] == "chunkcut" && len(b) < len(body)/2 {
					return false
				}
			}
			_, _ = io.WriteString(q.w, "0\r\n\r\n")
			return true
		}
		_, _ = io.WriteString(q.w, known)
		_, _ = q.w.Write(body)
		return true
	}
	r.hub(serve)
	r.route(plainHost+":80", newOrigin(t, serve))
	faults := []string{"none", "none", "short", "reset", "stall", "slice", "chunk", "chunkcut", "whole"}
	modes := []string{"tunnel", "reverse", "plain"}
	var whole, broken int
	var mu sync.Mutex
	sem := make(chan struct{}, 8)
	var wg sync.WaitGroup
	for i := range runs {
		rnd := rand.New(rand.NewPCG(uint64(i), 7))
		size := 1 + rnd.IntN(len(content))
		if i%4 == 0 {
			size = 1 + rnd.IntN(70<<10)
		}
		fault, mode := faults[i%len(faults)], modes[(i/len(faults))%len(modes)]
		target := fmt.Sprintf("/%s/%d/%d", fault, size, rnd.IntN(size+1))
		want, extra := content[:size], []string{}
		if rnd.IntN(3) == 0 {
			from := rnd.IntN(size)
			to := from + rnd.IntN(size-from)
			extra = append(extra, fmt.Sprintf("Range: bytes=%d-%d", from, to))
			if fault != "whole" {
				want = content[from : to+1]
			}
		}
		workerCut := rnd.IntN(8) == 0
		sem <- struct{}{}
		wg.Go(func() {
			defer func() { <-sem }()
			var w *worker
			var a *workerReply
			switch mode {
			case "tunnel":
				w = r.tunnel(hubHost)
				w.send("GET " + target + " HTTP/1.1\r\nHost: " + hubHost + "\r\n" + strings.Join(append(extra, ""), "\r\n") + "\r\n")
			case "reverse":
				w = r.worker()
				w.send("GET /" + hubHost + target + " HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.key.Reveal() + "\r\n" + strings.Join(append(extra, ""), "\r\n") + "\r\n")
			default:
				w = r.worker()
				w.send("GET http://" + plainHost + target + " HTTP/1.1\r\nHost: " + plainHost + "\r\n" + r.proxyAuth() + "\r\n" + strings.Join(append(extra, ""), "\r\n") + "\r\n")
			}
			if workerCut {
				_, _ = w.br.Peek(1)
				_ = w.c.Close()
				return
			}
			a, err := w.tryRead("GET")
			if err != nil {
				t.Errorf("run %d %s %s: no answer: %v", i, mode, target, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case a.status >= 500 && a.code() != "":
				broken++ // told before a byte of it was sent
			case a.err != nil:
				broken++
				if !bytes.HasPrefix(want, a.body) {
					t.Errorf("run %d %s %s: what came before the error is not the file", i, mode, target)
				}
			case sha256.Sum256(a.body) != sha256.Sum256(want):
				t.Errorf("run %d %s %s: %d bytes look whole, want %d", i, mode, target, len(a.body), len(want))
			default:
				whole++
			}
			wantStatus := 200
			if len(extra) > 0 && fault != "whole" {
				wantStatus = 206
			}
			if a.status != wantStatus && a.code() == "" {
				t.Errorf("run %d %s %s: status %d", i, mode, target, a.status)
			}
		})
	}
	wg.Wait()
	if whole < runs/4 || broken < runs/8 {
		t.Errorf("%d whole, %d broken: the runs do not exercise both", whole, broken)
	}
	for end := time.Now().Add(10 * time.Second); len(r.proxy.Transfers()) > 0 || r.proxy.Lent() > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("left behind: %+v, %d bytes lent", r.proxy.Transfers(), r.proxy.Lent())
		}
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

func TestTheTransferIsShownAndCanBeCut(t *testing.T) {
	r := newRig(t, rigOptions{})
	stop := make(chan struct{})
	r.hub(func(q *request) bool {
		_, _ = io.WriteString(q.w, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nContent-Type: application/octet-stream\r\n\r\n"+strings.Repeat("x", 1000))
		<-stop
		return false
	})
	defer close(stop)
	w := r.worker()
	w.send("GET /" + hubHost + "/a?query HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.key.Reveal() + "\r\n\r\n")
	_, err := rawHead(w.br)
	r.must(err)
	_, err = io.ReadFull(w.br, make([]byte, 1000))
	r.must(err)
	var live []Transfer
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if live = r.proxy.Transfers(); len(live) == 1 && live[0].Bytes == 1000 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%+v", live)
		}
	}
	if x := live[0]; x.Total != 1000000 || x.KeyName != "worker" || x.Credential != "hub-prod" || x.URL != "https://"+hubHost+"/a" || x.Mode != "reverse" || x.Method != "GET" || x.Worker != "127.0.0.1" || !strings.HasPrefix(x.ID, "req_") || x.Started.IsZero() {
		t.Errorf("%+v", x)
	}
	if c := r.proxy.Live(); c.Transfers != 1 || c.Conns != 1 {
		t.Errorf("%+v", c)
	}
	if n := r.proxy.Cut(func(x Transfer) bool { return x.KeyID == "key_read" }); n != 1 {
		t.Errorf("%d cut", n)
	}
	if _, err := io.ReadAll(w.br); !isReset(err) {
		t.Errorf("ended by %v", err)
	}
}

func TestR17_DrainLetsTransfersFinishAndCutsTheRest(t *testing.T) {
	r := newRig(t, rigOptions{})
	release, stuck := make(chan struct{}), make(chan struct{})
	defer close(stuck)
	r.hub(func(q *request) bool {
		_, _ = io.WriteString(q.w, "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\nContent-Type: application/octet-stream\r\n\r\n"+strings.Repeat("x", 100000))
		if q.target == "/stuck" {
			<-stuck
			return false
		}
		<-release
		_, _ = io.WriteString(q.w, strings.Repeat("y", 100000))
		return true
	})
	idle := r.worker()
	r.expect(idle.get("/.weighbridge/healthz", r.addr), 200, "")
	inTunnel := r.tunnel(hubHost)
	start := func(path string) *worker {
		w := r.worker()
		w.send("GET /" + hubHost + path + " HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.key.Reveal() + "\r\n\r\n")
		_, err := rawHead(w.br)
		r.must(err)
		_, err = io.ReadFull(w.br, make([]byte, 100000))
		r.must(err)
		return w
	}
	good, bad := start("/good"), start("/stuck")
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- r.proxy.Drain(ctx) }()
	for end := time.Now().Add(10 * time.Second); r.proxy.Ready() == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("ready while draining")
		}
	}
	if e := auth.AsError(r.proxy.Ready()); e.Code != auth.CodeDraining {
		t.Errorf("%v", e)
	}
	if ended, _ := idle.closed(); !ended {
		t.Error("an idle connection stays")
	}
	if ended, _ := inTunnel.closed(); !ended {
		t.Error("an idle tunnel stays")
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			break
		}
		_ = c.Close()
		if time.Now().After(end) {
			t.Fatal("it still accepts")
		}
	}
	close(release)
	rest, err := io.ReadAll(io.LimitReader(good.br, 100000))
	if err != nil || string(rest) != strings.Repeat("y", 100000) {
		t.Errorf("a transfer that fits is not whole: %d %v", len(rest), err)
	}
	if err := <-drained; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Drain: %v", err)
	}
	if _, err := io.ReadAll(bad.br); !isReset(err) {
		t.Errorf("what was cut ended by %v and not by a reset", err)
	}
}

func TestDrainEndsAtOnceWhereNothingRuns(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.hub(ok)
	r.expect(r.reverse("/"+hubHost+"/a"), 200, "")
	if err := r.proxy.Drain(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestBlindTunnelsOfARevokedKeyAreClosedWithinASecond(t *testing.T) {
	for name, end := range map[string]func(r *rig){
		"revoked": func(r *rig) { r.revoke() },
		"expired": func(r *rig) { r.clock.advance(2 * time.Hour) },
		"deleted": func(r *rig) { r.change(func(s *auth.State) { s.Keys, s.Links = s.Keys[1:], nil }) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, rigOptions{state: func(s *auth.State) { s.Keys[0].ExpiresAt = time.Now().Add(time.Hour) }})
			r.route(casHost+":443", newOrigin(t, ok, casHost))
			w := r.worker()
			if a := w.connect(casHost+":443", r.proxyAuth()); a.status != 200 {
				t.Fatalf("%d", a.status)
			}
			in, err := w.inside(casHost)
			r.must(err)
			r.expect(in.get("/a", casHost), 200, "")
			if n := r.proxy.Tunnels(); n != 1 {
				t.Errorf("%d tunnels", n)
			}
			start := time.Now()
			end(r)
			_ = w.c.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.Copy(io.Discard, w.c); !isReset(err) {
				t.Errorf("ended by %v", err)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %v", took) // a second, on a machine that has the time
			}
			e := r.recorder.eventually(auth.ActionFinished, 1)
			if len(e) != 1 || e[0].Method != "CONNECT" || e[0].Host != casHost || e[0].Bytes == 0 {
				t.Errorf("finished: %+v", e)
			}
		})
	}
}

func TestT34_OurOwnAddressesAreRefused(t *testing.T) {
	r := newRig(t, rigOptions{})
	_, port, _ := strings.Cut(r.addr, ":")
	r.dialer.resolve(otherHost+":80", r.addr) // what DNS would say
	for _, host := range []string{"127.0.0.1", "[::1]", "localhost"} {
		a := r.worker().get("http://"+host+":"+port+"/.weighbridge/healthz", host+":"+port, r.proxyAuth())
		if a.status != 403 && a.status != 502 {
			t.Errorf("%s: %d %s", host, a.status, a.code())
		}
		a = r.reverse("/http:" + host + ":" + port + "/.weighbridge/healthz")
		if a.status != 403 {
			t.Errorf("reverse %s: %d %s", host, a.status, a.code())
		}
	}
	r.expect(r.worker().get("http://"+otherHost+"/", otherHost, r.proxyAuth()), 403, auth.CodeAddressForbidden)
	r.expect(r.worker().connect("169.254.169.254:443", r.proxyAuth()), 403, auth.CodeAddressForbidden)
	// An intercepted address: the CONNECT itself says so.
	r.change(func(s *auth.State) { s.Credentials[0].Patterns = []string{"127.0.0.1/*", hubHost + "/*"} })
	r.expect(r.worker().connect("127.0.0.1:443", r.proxyAuth()), 403, auth.CodeAddressForbidden)
}

func TestT36_NoNameIsLookedUpForWhoMayNotAsk(t *testing.T) {
	r := newRig(t, rigOptions{policy: Policy{UnmatchedForward: auth.UnmatchedDeny}})
	r.expect(r.worker().connect("unlisted.example:443", r.proxyAuth()), 403, auth.CodeNoCredentialMatched)
	r.expect(r.worker().connect("unlisted.example:443"), 407, auth.CodeKeyMissing)
	r.expect(r.worker().get("http://unlisted.example/", "unlisted.example", r.proxyAuth()), 403, auth.CodeNoCredentialMatched)
	r.expect(r.reverse("/unlisted.example/a"), 403, auth.CodeNoCredentialMatched)
	if len(r.dialer.look.asked) > 0 {
		t.Errorf("asked for %q", r.dialer.look.asked)
	}
}

func TestConnectToAHostThatIsNotReachedSaysSoInItsAnswer(t *testing.T) {
	r := newRig(t, rigOptions{})
	a := r.worker().connect("nowhere.example:443", r.proxyAuth())
	r.expect(a, 502, auth.CodeUpstreamUnreachable)
	if e := r.recorder.eventually(auth.ActionFinished, 1); len(e) != 1 || e[0].Code != auth.CodeUpstreamUnreachable {
		t.Errorf("%+v", e)
	}
	// For an intercepted host it is said inside.
	r.expect(r.tunnel(hubHost).get("/a", hubHost), 502, auth.CodeUpstreamUnreachable)
}
