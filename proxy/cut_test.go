package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// endless answers with 64 MiB, and is never done where the worker takes none.
func endless(q *request) bool {
	_, _ = fmt.Fprintf(q.w, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", 64<<20)
	piece := make([]byte, 64<<10)
	for range 1024 {
		if _, err := q.w.Write(piece); err != nil {
			return false
		}
	}
	return true
}

// TestR09_ACutMissesNothingThatIsBeingDecided: the key is revoked and its
// transfers are cut while a request has been let in by the snapshot before,
// but is no transfer yet.
func TestR09_ACutMissesNothingThatIsBeingDecided(t *testing.T) {
	var r *rig
	var once atomic.Bool
	r = newRig(t, rigOptions{options: func(o *Options) {
		inner := o.Snapshot
		o.Snapshot = func() *auth.Snapshot {
			was := inner()
			if once.CompareAndSwap(true, false) {
				r.revoke()
				if n := r.proxy.Cut(func(t Transfer) bool { return t.KeyID == "key_read" }); n != 0 {
					t.Errorf("%d were there to be cut", n)
				}
			}
			return was
		}
	}})
	hub := r.hub(ok)
	once.Store(true)
	r.expect(r.reverse("/"+hubHost+"/a"), 403, auth.CodeKeyRevoked)
	hub.none()
	if n := len(r.recorder.of(auth.ActionUsed)); n != 0 {
		t.Errorf("%d uses are on record", n)
	}
}

// heldUse sends a request with more header fields and returns while its use is
// on the way to the record; release lets it become durable.
func (r *rig) heldUse(method string, key auth.Secret, more string) (w *worker, release func()) {
	r.t.Helper()
	hold := make(chan struct{})
	r.recorder.set(func(m *memory) { m.hold = hold })
	w = r.worker()
	w.send(method + " /" + hubHost + "/a HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + key.Reveal() + "\r\n" + more + "\r\n")
	r.recorder.eventually(auth.ActionUsed, 1)
	return w, func() { close(hold) }
}

// TestR09_ACutFindsWhatIsBeingAdmitted: between the decision and the request
// to the upstream there may be a wait for the record.
func TestR09_ACutFindsWhatIsBeingAdmitted(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub := r.hub(ok)
	w, release := r.heldUse("POST", r.writeKey, "Content-Length: 0\r\n")
	picked := r.proxy.Cut(func(t Transfer) bool {
		return t.KeyID == "key_write" && t.CredentialID == "cred_hub" && t.TeamID == "team_1"
	})
	if ended, clean := w.closed(); picked != 1 || !ended || clean {
		t.Errorf("%d were cut; the worker's connection ended %v, cleanly %v", picked, ended, clean)
	}
	e := r.recorder.eventually(auth.ActionFinished, 1)
	if len(e) != 1 || e[0].Code != auth.CodeTransferCut {
		t.Errorf("on record is %+v", e)
	}
	release()
	hub.none()
}

// TestR09_ACutBreaksAWorkerThatTakesNothing at once, though its connection is
// in the middle of a write.
func TestR09_ACutBreaksAWorkerThatTakesNothing(t *testing.T) {
	for name, path := range map[string]string{"from TLS": "/" + hubHost + "/a", "in the kernel": "/http:" + plainHost + "/a"} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, rigOptions{})
			r.hub(endless)
			r.route(plainHost+":80", newOrigin(t, endless))
			c := r.stuckAt(r.serveThin(), path)
			r.eventually("a body on its way", func() bool {
				live := r.proxy.Transfers()
				return len(live) == 1 && live[0].Total == 64<<20
			})
			time.Sleep(200 * time.Millisecond) // for the sockets to fill
			if n := r.proxy.Cut(func(Transfer) bool { return true }); n != 1 {
				t.Errorf("%d were cut", n)
			}
			r.eventually("the connection is gone", func() bool { return r.proxy.Conns() == 0 && r.proxy.Lent() == 0 })
			if n, err := io.Copy(io.Discard, c); !isReset(err) {
				t.Errorf("the worker read %d bytes more and then met %v", n, err)
			}
			if e := r.recorder.eventually(auth.ActionFinished, 1); e[len(e)-1].Code != auth.CodeTransferCut || e[len(e)-1].Bytes >= 64<<20 {
				t.Errorf("on record is %+v", e)
			}
		})
	}
}

// afterwards is a Recorder that does something once a use is durable.
type afterwards struct {
	*memory
	do func()
}

func (a afterwards) Record(e auth.Event) auth.Ticket {
	t := a.memory.Record(e)
	if e.Action != auth.ActionUsed {
		return t
	}
	return durable{t, a.do}
}

type durable struct {
	auth.Ticket
	do func()
}

func (d durable) Wait(ctx context.Context) error {
	err := d.Ticket.Wait(ctx)
	d.do()
	return err
}

// TestR02_AnAnswerOfWhichNothingLeftIsNoGoodOne: the transfer is cut when the
// head of the answer has come and before it goes on to the worker.
func TestR02_AnAnswerOfWhichNothingLeftIsNoGoodOne(t *testing.T) {
	for name, answer := range map[string]func(*request) bool{
		"as it is": endless,
		"line by line": func(q *request) bool {
			_, _ = io.WriteString(q.w, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ndata:\n\r\n0\r\n\r\n")
			return true
		},
		"from memory": ok,
	} {
		t.Run(name, func(t *testing.T) {
			var r *rig
			r = newRig(t, rigOptions{options: func(o *Options) {
				o.Recorder = afterwards{o.Recorder.(*memory), func() { r.proxy.Cut(func(Transfer) bool { return true }) }}
			}})
			r.hub(answer)
			w := r.worker()
			w.send("GET /" + hubHost + "/a HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.key.Reveal() + "\r\n\r\n")
			if ended, clean := w.closed(); !ended || clean {
				t.Errorf("the worker's connection ended %v, cleanly %v", ended, clean)
			}
			e := r.recorder.eventually(auth.ActionFinished, 1)
			if len(e) != 1 || e[0].Code != auth.CodeTransferCut || e[0].Bytes != 0 {
				t.Errorf("on record is %+v", e)
			}
		})
	}
}

// TestR17_WhatADrainCutsIsOnRecordAsThat, and not as a fault of the upstream,
// whatever the request was waiting for.
func TestR17_WhatADrainCutsIsOnRecordAsThat(t *testing.T) {
	for name, answer := range map[string]func(chan struct{}) func(*request) bool{
		"the body": func(stop chan struct{}) func(*request) bool {
			return func(q *request) bool {
				_, _ = io.WriteString(q.w, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\r\nxxx")
				<-stop
				return false
			}
		},
		"the head": func(stop chan struct{}) func(*request) bool {
			return func(*request) bool { <-stop; return false }
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, rigOptions{})
			stop := make(chan struct{})
			hub := r.hub(answer(stop))
			t.Cleanup(func() { close(stop) })
			w := r.worker()
			w.send("GET /" + hubHost + "/a HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.key.Reveal() + "\r\n\r\n")
			r.eventually("a transfer", func() bool { return len(r.proxy.Transfers()) == 1 && len(hub.requests()) == 1 })
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			if err := r.proxy.Drain(ctx); err != context.DeadlineExceeded {
				t.Errorf("Drain: %v", err)
			}
			e := r.recorder.eventually(auth.ActionFinished, 1)
			if len(e) != 1 || e[0].Code != auth.CodeDraining {
				t.Errorf("on record is %+v", e)
			}
			r.eventually("the line", func() bool { return strings.Contains(r.log.String(), `"code":"draining"`) })
			if strings.Contains(r.log.String(), "upstream_unreachable") {
				t.Errorf("the log speaks of the upstream: %s", r.log)
			}
		})
	}
}

// TestR02_AWorkerThatGoesWhileTheUseIsWritten: the use may be on record, so
// its end is.
func TestR02_AWorkerThatGoesWhileTheUseIsWritten(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.hub(ok)
	w, release := r.heldUse("GET", r.key, "")
	defer release()
	_ = w.c.(*net.TCPConn).SetLinger(0)
	_ = w.c.Close()
	e := r.recorder.eventually(auth.ActionFinished, 1)
	if len(e) != 1 || e[0].Bytes != 0 || e[0].Reason != "the worker broke off" {
		t.Errorf("on record is %+v", e)
	}
	if d := r.recorder.of(auth.ActionDenied); len(d) != 0 {
		t.Errorf("denied is %+v", d)
	}
}

// TestR01_NothingLeavesBeforeTheUseIsDurable: not even 100 Continue.
func TestR01_NothingLeavesBeforeTheUseIsDurable(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub := r.hub(ok)
	w, release := r.heldUse("OPTIONS", r.key, "Content-Length: 5\r\nExpect: 100-continue\r\n")
	_ = w.c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if b, _ := w.br.Peek(12); len(b) > 0 {
		t.Errorf("%q left while the use was not durable", b)
	}
	hub.none()
	_ = w.c.SetReadDeadline(time.Now().Add(30 * time.Second))
	release()
	if head, err := rawHead(w.br); err != nil || !strings.HasPrefix(head, "HTTP/1.1 100 ") {
		t.Fatalf("%q, %v", head, err)
	}
	w.send("hello")
	r.expect(w.read("OPTIONS"), 200, "")
	if got := string(hub.last().body); got != "hello" {
		t.Errorf("the upstream got %q", got)
	}
}

// TestR09_TheDefaultKeyIsTakenAway from tunnels that are open, of either kind.
func TestR09_TheDefaultKeyIsTakenAway(t *testing.T) {
	r := newRig(t, rigOptions{policy: Policy{DefaultKeyID: "key_read"}})
	hub := r.hub(ok)
	r.route(casHost+":443", newOrigin(t, ok, casHost))
	w := r.worker()
	w.connect(hubHost + ":443")
	in, err := w.inside(hubHost)
	r.must(err)
	r.expect(in.get("/1", hubHost), 200, "")
	b := r.worker()
	b.connect(casHost + ":443")
	through, err := b.inside(casHost)
	r.must(err)
	r.expect(through.get("/1", casHost), 200, "")

	// Another one in its place counts from the next request on.
	r.must(r.proxy.SetPolicy(Policy{DefaultKeyID: "key_write", DefaultScope: auth.ScopeWrite}))
	r.expect(in.get("/2", hubHost), 200, "")
	if used := r.recorder.of(auth.ActionUsed); used[len(used)-1].KeyID != "key_write" {
		t.Errorf("the second request counts as %s", used[len(used)-1].KeyID)
	}
	if ended, _ := through.closed(); !ended {
		t.Error("the blind tunnel is still open")
	}
	r.must(r.proxy.SetPolicy(Policy{}))
	n := len(hub.requests())
	r.expect(in.get("/3", hubHost), 403, auth.CodeKeyMissing)
	if len(hub.requests()) != n {
		t.Errorf("the upstream got %q", hub.last().head)
	}
}
