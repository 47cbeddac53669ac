package proxy

import (
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

func TestAReadIsRecordedWhileTheUpstreamWorksAndBeforeItsAnswerLeaves(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub := r.hub(ok)
	hold := make(chan struct{})
	r.recorder.set(func(m *memory) { m.hold = hold })
	w := r.worker()
	w.send("GET /" + hubHost + "/a HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.key.Reveal() + "\r\n\r\n")
	for end := time.Now().Add(10 * time.Second); len(hub.requests()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the upstream was not asked while the record was on its way")
		}
	}
	_ = w.c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if b, err := w.br.Peek(1); err == nil {
		t.Fatalf("%q left before the use was on record", b)
	}
	close(hold)
	_ = w.c.SetReadDeadline(time.Now().Add(10 * time.Second))
	w.br.Reset(w.c)
	r.expect(w.read("GET"), 200, "")
}

func TestAWriteIsRecordedBeforeItIsSent(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub := r.hub(ok)
	hold := make(chan struct{})
	r.recorder.set(func(m *memory) { m.hold = hold })
	w := r.worker()
	w.send("PUT /" + hubHost + "/a HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.writeKey.Reveal() + "\r\nContent-Length: 1\r\n\r\nx")
	if used := r.recorder.eventually(auth.ActionUsed, 1); len(used) != 1 {
		t.Fatal("no use was recorded")
	}
	time.Sleep(50 * time.Millisecond)
	hub.none()
	if r.signer.calls.Load() != 0 {
		t.Error("signed before the use was on record")
	}
	close(hold)
	r.expect(w.read("PUT"), 200, "")
}

func TestAFailedRecordDropsTheAnswer(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub := r.hub(func(q *request) bool { return text(q, "200 OK", "secret weights", "X-Upstream: yes") })
	r.recorder.set(func(m *memory) { m.fail = auth.NewError(auth.CodeAuditUnavailable, "ENOSPC", nil) })
	a := r.reverse("/" + hubHost + "/a")
	r.expect(a, 503, auth.CodeAuditUnavailable)
	if a.header.has("X-Upstream") || strings.Contains(string(a.body), "weights") || a.header.Get("Retry-After") == "" {
		t.Errorf("%s %s", a.raw, a.body)
	}
	if n := len(hub.requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
	// A write is not even sent.
	w := r.worker()
	w.send("PUT /" + hubHost + "/a HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.writeKey.Reveal() + "\r\nContent-Length: 1\r\n\r\nx")
	r.expect(w.read("PUT"), 503, auth.CodeAuditUnavailable)
	if n := len(hub.requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
	// It heals by itself.
	r.recorder.set(func(m *memory) { m.fail = nil })
	r.expect(r.reverse("/"+hubHost+"/a"), 200, "")
}

func TestATrippedSinkRefusesBeforeDialling(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub := r.hub(ok)
	r.cdn()
	in := r.tunnel(hubHost)
	r.recorder.set(func(m *memory) { m.down = auth.NewError(auth.CodeAuditUnavailable, "EIO", nil) })
	r.expect(r.reverse("/"+hubHost+"/a"), 503, auth.CodeAuditUnavailable)
	r.expect(in.get("/a", hubHost), 503, auth.CodeAuditUnavailable)
	r.expect(r.tunnel(cdnHost).get("/f?Expires=1&Signature=a&Key-Pair-Id=b", cdnHost), 503, auth.CodeAuditUnavailable)
	r.expect(r.worker().connect(casHost+":443", r.proxyAuth()), 503, auth.CodeAuditUnavailable)
	hub.none()
	if d := r.dialer.dialled(); len(d) > 0 {
		t.Errorf("dialled %q", d)
	}
}

// The record tells a plain URL from one over TLS.
func TestTheRecordHasTheSchemeOfAPlainURL(t *testing.T) {
	r := newRig(t, rigOptions{})
	for i, one := range []struct{ target, scheme, place string }{
		{"/http:" + otherHost + ":9000/m", "http", "http://" + otherHost + ":9000/m"},
		{"/" + otherHost + ":9000/m", "", otherHost + ":9000/m"},
	} {
		r.expect(r.reverse(one.target), 403, auth.CodeNoCredentialMatched)
		if e := r.recorder.eventually(auth.ActionDenied, i+1)[i]; e.Scheme != one.scheme || e.Place() != one.place {
			t.Errorf("%s: %q, %q", one.target, e.Scheme, e.Place())
		}
	}
}

func TestEveryUseHasOneEnd(t *testing.T) {
	r := newRig(t, rigOptions{})
	big := strings.Repeat("x", 1<<20)
	r.hub(func(q *request) bool {
		switch q.target {
		case "/big":
			return text(q, "200 OK", big, "Content-Type: application/octet-stream")
		case "/cut":
			_ = text(q, "200 OK", big[:1<<19], "Content-Type: application/octet-stream")
			return false
		case "/short":
			_, _ = q.w.Write([]byte("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\r\nabc"))
			return false
		}
		return ok(q)
	})
	for _, p := range []string{"/a", "/big", "/cut", "/short"} {
		_ = r.reverse("/" + hubHost + p)
	}
	w := r.worker()
	w.send("HEAD /" + hubHost + "/big HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.key.Reveal() + "\r\n\r\n")
	if a := w.read("HEAD"); a.header.Get("Content-Length") != "1048576" {
		t.Errorf("HEAD: %q", a.raw)
	}
	ends := r.recorder.eventually(auth.ActionFinished, 5)
	used := r.recorder.of(auth.ActionUsed)
	if len(used) != 5 || len(ends) != 5 {
		t.Fatalf("%d uses, %d ends", len(used), len(ends))
	}
	by := map[string]auth.Event{}
	for _, e := range ends {
		by[e.RequestID] = e
	}
	for i, want := range []struct {
		bytes int64
		code  auth.Code
	}{{5, ""}, {1 << 20, ""}, {1 << 19, ""}, {3, auth.CodeUpstreamUnreachable}, {0, ""}} {
		e := by[used[i].RequestID]
		if e.Bytes != want.bytes || e.Code != want.code || e.Status != 200 {
			t.Errorf("%s: %+v", used[i].Path, e)
		}
	}
	if n := len(r.proxy.Transfers()); n != 0 {
		t.Errorf("%d transfers are left", n)
	}
}
