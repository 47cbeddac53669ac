package proxy

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

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
