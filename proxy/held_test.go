package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// thin is a listener whose sockets hold what they hold on a long thin path.
type thin struct{ net.Listener }

func (l thin) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		_ = c.(*net.TCPConn).SetWriteBuffer(4 << 10)
	}
	return c, err
}

// serveThin serves on a thin listener as well, and returns its address.
func (r *rig) serveThin() string {
	r.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	r.must(err)
	done := make(chan error, 1)
	go func() { done <- r.proxy.Serve(thin{ln}) }()
	r.t.Cleanup(func() {
		_ = r.proxy.Close()
		if err := <-done; err != nil {
			r.t.Errorf("Serve: %v", err)
		}
	})
	return ln.Addr().String()
}

// stuck asks for a URL of the hub by reverse mode and reads nothing of the
// answer, over a socket that holds next to nothing.
func (r *rig) stuck(addr, path string) net.Conn {
	r.t.Helper()
	return r.stuckAt(addr, "/"+hubHost+path)
}

// stuckAt is stuck for any path of reverse mode.
func (r *rig) stuckAt(addr, path string) net.Conn {
	r.t.Helper()
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
	}}
	c, err := d.Dial("tcp", addr)
	r.must(err)
	r.t.Cleanup(func() { _ = c.Close() })
	_, err = io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: "+r.addr+"\r\nAuthorization: Bearer "+r.key.Reveal()+"\r\n\r\n")
	r.must(err)
	return c
}

// TestT51_ATextIsInProgressUntilItIsOut: what is looked into as a whole is a
// transfer like any other, until the worker has it or is gone.
func TestT51_ATextIsInProgressUntilItIsOut(t *testing.T) {
	const size = 900_000
	for name, framing := range map[string]string{
		"known length": fmt.Sprintf("Content-Length: %d\r\n\r\n%s", size, strings.Repeat("t", size)),
		"chunked":      fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", size, strings.Repeat("t", size)),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, rigOptions{})
			r.hub(func(q *request) bool {
				_, err := io.WriteString(q.w, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"+framing)
				return err == nil
			})
			c := r.stuck(r.serveThin(), "/a")
			r.eventually("a text on its way", func() bool {
				live := r.proxy.Transfers()
				return len(live) == 1 && live[0].Total == size
			})
			if n := len(r.recorder.of(auth.ActionFinished)); n != 0 {
				t.Errorf("%d are on record as finished while the worker has not taken them", n)
			}
			if n := r.proxy.texts.held(); n < size || n > size+size/2 {
				t.Errorf("%d bytes of the budget are taken", n)
			}
			_ = c.Close()
			e := r.recorder.eventually(auth.ActionFinished, 1)
			if len(e) != 1 || e[0].Bytes >= size || e[0].Reason != "the worker broke off" {
				t.Errorf("on record is %+v", e)
			}
			r.eventually("nothing held", func() bool { return r.proxy.texts.held() == 0 && len(r.proxy.Transfers()) == 0 })
		})
	}
}

// TestT51_ASmallTextIsInProgressUntilItIsOut by its end on record.
func TestT51_ASmallTextIsInProgressUntilItIsOut(t *testing.T) {
	for _, kind := range []string{"application/json", "application/octet-stream"} {
		r := newRig(t, rigOptions{})
		const size = 64 << 10
		r.hub(func(q *request) bool { return text(q, "200 OK", strings.Repeat("t", size), "Content-Type: "+kind) })
		c := r.stuck(r.serveThin(), "/a")
		r.eventually("an answer on its way", func() bool {
			live := r.proxy.Transfers()
			return len(live) == 1 && live[0].Total == size
		})
		_ = c.Close()
		e := r.recorder.eventually(auth.ActionFinished, 1)
		if len(e) != 1 || e[0].Bytes >= size || e[0].Reason != "the worker broke off" {
			t.Errorf("%s: on record is %+v", kind, e)
		}
	}
}

// TestR19_HeldTextsAreBounded: workers that take nothing fill the share of
// their key, not the memory; who comes then is told to wait.
func TestR19_HeldTextsAreBounded(t *testing.T) {
	const size = 1 << 20
	r := newRig(t, rigOptions{})
	r.proxy.texts.limit, r.proxy.texts.share, r.proxy.texts.patience = 4*size, 2*size, time.Millisecond
	r.hub(func(q *request) bool {
		return text(q, "200 OK", strings.Repeat("t", size), "Content-Type: application/json")
	})
	thin := r.serveThin()
	for range 2 {
		r.stuck(thin, "/a")
	}
	r.eventually("two texts", func() bool { return r.proxy.texts.held() == 2*size })
	a := r.reverse("/" + hubHost + "/a")
	r.expect(a, 503, auth.CodeOverloaded)
	if a.header.Get("Retry-After") == "" {
		t.Error("there is no Retry-After")
	}
	// Another key has a share of its own.
	if a := r.worker().get("/"+hubHost+"/a", r.addr, "Authorization: Bearer "+r.writeKey.Reveal()); a.status != 200 || len(a.body) != size {
		t.Errorf("another key got %d %s", a.status, a.code())
	}
	r.eventually("the stuck ones alone", func() bool { return len(r.proxy.Transfers()) == 2 })
	if n := r.proxy.Cut(func(Transfer) bool { return true }); n != 2 {
		t.Errorf("%d were cut", n)
	}
	r.eventually("nothing held", func() bool { return r.proxy.texts.held() == 0 })
	if a := r.reverse("/" + hubHost + "/a"); a.status != 200 || len(a.body) != size {
		t.Errorf("afterwards: %d %s", a.status, a.code())
	}
}

// A request waits for room, and those behind it for what they may have.
func TestTextsAreGrantedInOrder(t *testing.T) {
	b := newTexts()
	b.limit, b.share, b.patience = 100, 60, time.Minute
	ctx := context.Background()
	first, err := b.take(ctx, "a", 60)
	if err != nil {
		t.Fatal(err)
	}
	granted := make(chan string)
	ask := func(key string, size int64) {
		b.mu.Lock()
		n := len(b.waiting)
		b.mu.Unlock()
		go func() {
			l, err := b.take(ctx, key, size)
			if err != nil {
				t.Error(err)
			}
			granted <- key
			l.giveBack()
			l.giveBack()
		}()
		for queued := n; queued == n; time.Sleep(time.Millisecond) {
			b.mu.Lock()
			queued = len(b.waiting)
			b.mu.Unlock()
			if key == "b" {
				break // it does not wait
			}
		}
	}
	ask("a", 10) // over its share
	ask("b", 40) // who is over a share holds up nobody else
	if got := <-granted; got != "b" {
		t.Errorf("%s was let go on", got)
	}
	first.resize(50)
	if got := <-granted; got != "a" {
		t.Errorf("%s was let go on", got)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := b.take(gone, "a", 60); err != context.Canceled {
		t.Errorf("%v", err)
	}
	first.giveBack()
	for b.held() != 0 {
		time.Sleep(time.Millisecond)
	}
	if len(b.byKey) != 0 || len(b.waiting) != 0 {
		t.Errorf("%v, %d wait", b.byKey, len(b.waiting))
	}
}

// BenchmarkText is a text that is looked into, over kept connections.
func BenchmarkText(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size>>10, "KiB"), func(b *testing.B) {
			r := newRig(b, rigOptions{options: func(o *Options) { o.Metrics = nil; o.Logger = o.Logger.Level(8) }})
			r.recorder.forget = true
			body := strings.Repeat("t", size)
			plain := newOrigin(b, func(q *request) bool {
				return text(q, "200 OK", body, "Content-Type: application/json")
			})
			g := r.route(plainHost+":80", plain)
			w := r.worker()
			w.c.SetDeadline(time.Time{})
			request := "GET /http:" + plainHost + "/a HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.key.Reveal() + "\r\n\r\n"
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				w.send(request)
				if a := w.read("GET"); len(a.body) != size {
					b.Fatal(a.status, a.code())
				}
				r.seen.reset()
				g.mu.Lock()
				g.got = nil
				g.mu.Unlock()
			}
		})
	}
}
