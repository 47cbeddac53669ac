package proxy

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// TestT71_AnUpstreamThatBringsNothingForwardIsGivenUp after a bounded number
// of requests with growing waits between them.
func TestT71_AnUpstreamThatBringsNothingForwardIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, later := range map[string]func(q *request) (turn, bool){
		"busy":         func(q *request) (turn, bool) { return status(q, "503 Service Unavailable") },
		"dies at once": func(q *request) (turn, bool) { return turn{}, true },
		"a little":     func(*request) (turn, bool) { return turn{after: 1000, how: "short"}, false },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, w := resumeRig(t, rigOptions{})
			s := newShelf(1<<20, nil)
			s.turn = func(n int, q *request) (turn, bool) {
				if n == 0 {
					return turn{after: 200_000, how: "short"}, false
				}
				return later(q)
			}
			o := r.route(hubHost+":443", newOrigin(t, s.answer, hubHost))
			a := r.reverse("/" + hubHost + "/a")
			if !isReset(a.err) || !bytes.HasPrefix(s.content, a.body) || len(a.body) < 200_000 {
				t.Errorf("%d bytes, %v", len(a.body), a.err)
			}
			if n := len(o.requests()); n != 1+maxAttempts {
				t.Errorf("%d requests", n)
			}
			var sum time.Duration
			for i, d := range w.all {
				if full := firstPause << i; d > full || d < full/2 {
					t.Errorf("wait %d is %v", i, d)
				}
				sum += d
			}
			if len(w.all) != maxAttempts || sum > 10*time.Second {
				t.Errorf("waits %v", w.all)
			}
			if f := r.recorder.eventually(auth.ActionFinished, 1+maxAttempts); len(f) != 1+maxAttempts || len(r.recorder.of(auth.ActionUsed)) != len(f) {
				t.Errorf("%+v", f)
			}
		})
	}
}

// TestT71_AsLongAsBytesComeItGoesOn: the bound is on requests that bring
// nothing, not on those that do.
func TestT71_AsLongAsBytesComeItGoesOn(t *testing.T) {
	t.Parallel()
	r, w := resumeRig(t, rigOptions{})
	s := newShelf(3<<20, func(n int, q *request) (turn, bool) {
		if n%3 == 2 {
			return status(q, "502 Bad Gateway")
		}
		return turn{after: 200_000, how: "short"}, false
	})
	r.route(hubHost+":443", newOrigin(t, s.answer, hubHost))
	if a := r.reverse("/" + hubHost + "/a"); a.err != nil || !bytes.Equal(a.body, s.content) {
		t.Fatalf("%d bytes, %v", len(a.body), a.err)
	}
	if len(w.all) < 20 {
		t.Errorf("%d waits", len(w.all))
	}
}

// TestT71_APartThatEndsEarlyIsFollowedByTheNext: a server may send less than
// was asked for (RFC 9110, section 15.3.7).
func TestT71_APartThatEndsEarlyIsFollowedByTheNext(t *testing.T) {
	t.Parallel()
	r, _ := resumeRig(t, rigOptions{})
	s := newShelf(1<<20, func(n int, q *request) (turn, bool) {
		if n == 0 {
			return turn{after: 200_000, how: "short"}, false
		}
		return turn{span: func(a, b int) (int, int) { return a, min(b, a+299_999) }}, false
	})
	o := r.route(hubHost+":443", newOrigin(t, s.answer, hubHost))
	if a := r.tunnel(hubHost).get("/a", hubHost); a.err != nil || !bytes.Equal(a.body, s.content) {
		t.Fatalf("%d bytes, %v", len(a.body), a.err)
	}
	if n := len(o.requests()); n != 4 {
		t.Errorf("%d requests", n)
	}
}

// TestT71_ASmallAnswerThatBreaksOffIsAskedForAgain, because nothing of it has
// left: no validator is needed.
func TestT71_ASmallAnswerThatBreaksOffIsAskedForAgain(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]string{"bytes": "application/octet-stream", "a text that is masked": "text/plain"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, w := resumeRig(t, rigOptions{})
			long := strings.Repeat("a text ", 20_000) // more than is kept in memory, less than is scanned
			if kind != "text/plain" {
				long = long[:1000]
			}
			breaks := 2
			o := newOrigin(t, func(q *request) bool {
				body := long
				if breaks--; breaks >= 0 {
					body = long[:500]
				}
				_, _ = fmt.Fprintf(q.w, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", kind, len(long), body)
				return breaks < 0
			}, hubHost)
			r.route(hubHost+":443", o)
			a := r.reverse("/" + hubHost + "/a")
			if a.status != 200 || a.err != nil || string(a.body) != long {
				t.Errorf("%d, %d bytes, %v", a.status, len(a.body), a.err)
			}
			if n := len(o.requests()); n != 3 || len(w.all) != 2 {
				t.Errorf("%d requests, waits %v", n, w.all)
			}
			f := r.recorder.eventually(auth.ActionFinished, 3)
			if len(f) != 3 || f[0].Code != auth.CodeUpstreamUnreachable || f[2].Code != "" || f[2].Status != 200 || f[2].Bytes != int64(len(long)) {
				t.Errorf("%+v", f)
			}
		})
	}
	t.Run("and given up in the end", func(t *testing.T) {
		t.Parallel()
		r, w := resumeRig(t, rigOptions{})
		r.hub(func(q *request) bool {
			_, _ = fmt.Fprint(q.w, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\nabc")
			return false
		})
		r.expect(r.reverse("/"+hubHost+"/a"), 502, auth.CodeUpstreamUnreachable)
		f := r.recorder.eventually(auth.ActionFinished, 1+maxAttempts)
		if len(w.all) != maxAttempts || len(f) != 1+maxAttempts || f[maxAttempts].Status != 502 {
			t.Errorf("waits %v, %+v", w.all, f)
		}
	})
}

// TestT71_ACutEndsTheWaitBetweenRequests.
func TestT71_ACutEndsTheWaitBetweenRequests(t *testing.T) {
	t.Parallel()
	r, w := resumeRig(t, rigOptions{})
	w.during = func() {
		live := r.proxy.Transfers()
		if len(live) != 1 || live[0].Bytes != 200_000 || live[0].Total != 1<<20 {
			t.Errorf("%+v", live)
		}
		r.proxy.Cut(func(Transfer) bool { return true })
	}
	s := newShelf(1<<20, first(turn{after: 200_000, how: "short"}))
	o := r.route(hubHost+":443", newOrigin(t, s.answer, hubHost))
	if a := r.reverse("/" + hubHost + "/a"); !isReset(a.err) || len(o.requests()) != 1 {
		t.Errorf("%v, %d requests", a.err, len(o.requests()))
	}
}

// TestT71_DrainingLetsAResumedTransferFinish, as it lets every transfer.
func TestT71_DrainingLetsAResumedTransferFinish(t *testing.T) {
	t.Parallel()
	r, w := resumeRig(t, rigOptions{})
	w.during = func() { r.proxy.draining.Store(true) }
	s := newShelf(1<<20, first(turn{after: 200_000, how: "short"}))
	r.route(hubHost+":443", newOrigin(t, s.answer, hubHost))
	if a := r.reverse("/" + hubHost + "/a"); a.err != nil || !bytes.Equal(a.body, s.content) {
		t.Errorf("%d bytes, %v", len(a.body), a.err)
	}
}
