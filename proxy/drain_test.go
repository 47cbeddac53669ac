package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

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
	if x := live[0]; x.Total != 1000000 || x.KeyName != "worker" || x.Credential != "hub-prod" || x.URL != "https://"+hubHost+"/a" || x.Mode != "reverse" || x.Method != "GET" || x.Worker != "127.0.0.1" || !auth.IsID(x.ID) || x.Started.IsZero() {
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

func TestR17_WhoLeavesServesOn(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.hub(ok)
	r.proxy.Leave()
	if e := auth.AsError(r.proxy.Ready()); e.Code != auth.CodeDraining {
		t.Errorf("%v", e)
	}
	if a := r.worker().get("/.weighbridge/readyz", r.addr); a.status != 503 || !strings.Contains(string(a.body), `"draining"`) {
		t.Errorf("readyz %d %s", a.status, a.body)
	}
	r.expect(r.reverse("/"+hubHost+"/a"), 200, "")
	r.expect(r.tunnel(hubHost).get("/a", hubHost), 200, "")
	if err := r.proxy.Drain(t.Context()); err != nil {
		t.Error(err)
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
			if len(e) != 1 || e[0].Method != "CONNECT" || e[0].Host != casHost || e[0].Bytes == 0 || e[0].Code != auth.CodeTransferCut {
				t.Errorf("finished: %+v", e)
			}
		})
	}
}
