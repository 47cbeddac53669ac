package proxy

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// TestR22_AKeyHasNoMoreTransfersThanItMay: what is beyond is told to wait, in
// every way in, and counted; another key is served meanwhile, and the same one
// when there is room again.
func TestR22_AKeyHasNoMoreTransfersThanItMay(t *testing.T) {
	t.Parallel()
	const limit = 3
	r := newRig(t, rigOptions{options: func(o *Options) { o.KeyTransfers = limit }})
	hold, begun := make(chan struct{}), make(chan struct{}, limit)
	r.hub(func(q *request) bool {
		if q.target != "/held" {
			_, _ = fmt.Fprint(q.w, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			return true
		}
		_, _ = fmt.Fprint(q.w, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
		begun <- struct{}{}
		<-hold
		_, _ = q.w.Write(make([]byte, 100_000))
		return true
	})
	var held []*worker
	for range limit {
		w := r.worker()
		w.send("GET /" + hubHost + "/held HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.key.Reveal() + "\r\n\r\n")
		<-begun
		held = append(held, w)
	}
	for way, a := range map[string]*workerReply{
		"reverse": r.reverse("/" + hubHost + "/a"),
		"tunnel":  r.tunnel(hubHost).get("/a", hubHost),
		"blind":   r.worker().connect("elsewhere.example:443", r.proxyAuth()),
	} {
		if a.status != 429 || a.code() != string(auth.CodeTooManyTransfers) || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s, Retry-After %q", way, a.status, a.code(), a.header.Get("Retry-After"))
		}
	}
	if n := r.metrics.all(); len(n) != 3 || n[0].Code != auth.CodeTooManyTransfers {
		t.Errorf("not counted: %+v", n)
	}
	if a := r.worker().get("/"+hubHost+"/a", r.addr, "Authorization: Bearer "+r.writeKey.Reveal()); a.status != 200 {
		t.Errorf("another key: %d %s", a.status, a.code())
	}
	close(hold)
	for _, w := range held {
		if a := w.read("GET"); a.status != 200 || len(a.body) != 100_000 || a.err != nil {
			t.Errorf("%d, %d bytes, %v", a.status, len(a.body), a.err)
		}
	}
	r.eventually("there is room again", func() bool {
		r.proxy.busy.mu.Lock()
		defer r.proxy.busy.mu.Unlock()
		return len(r.proxy.busy.byKey) == 0
	})
	if a := r.reverse("/" + hubHost + "/a"); a.status != 200 {
		t.Errorf("afterwards: %d %s", a.status, a.code())
	}
}

// TestTunnelsWaitForTheirUpstreamWithABound.
func TestTunnelsWaitForTheirUpstreamWithABound(t *testing.T) {
	t.Parallel()
	bounded := make(chan bool, 1)
	r := newRig(t, rigOptions{options: func(o *Options) { o.Dialer = &watchedDialer{o.Dialer, bounded} }})
	a := r.worker().connect("elsewhere.example:443", r.proxyAuth())
	if !<-bounded {
		t.Error("it would wait for as long as the network likes")
	}
	r.expect(a, 504, auth.CodeUpstreamTimeout)
}

// watchedDialer reaches nothing, and tells whether there was a deadline.
type watchedDialer struct {
	Dialer
	bounded chan bool
}

func (d *watchedDialer) Dial(ctx context.Context, _ string, _ uint16) (net.Conn, error) {
	_, ok := ctx.Deadline()
	d.bounded <- ok
	return nil, auth.NewError(auth.CodeUpstreamTimeout, "no connection within the time allowed", nil)
}
