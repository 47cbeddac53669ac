package proxy

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// signedYard is a hub that sends to a CDN by URLs that are good until expire is
// called.
type signedYard struct {
	*rig
	hub, cdn *origin
	shelf    *shelf
	// issued counts the URLs given out, good is the number from which they are
	// still good.
	issued, good atomic.Int64
	// sends is what the hub answers in place of its redirect, where not nil.
	sends func(q *request) (turn, bool)
	// meanwhile happens before the rest is asked for.
	meanwhile func()
}

// newSignedYard breaks the CDN's first answer off; before the rest is asked
// for, every URL given out by then has expired.
func newSignedYard(t testing.TB, o rigOptions) *signedYard {
	r, w := resumeRig(t, o)
	y := &signedYard{rig: r}
	w.during = func() {
		y.good.Store(y.issued.Load() + 1)
		if y.meanwhile != nil {
			y.meanwhile()
		}
	}
	y.hub = r.route(hubHost+":443", newOrigin(t, func(q *request) bool {
		if y.sends != nil && y.issued.Load() > 0 {
			if _, done := y.sends(q); done {
				return true
			}
		}
		n := y.issued.Add(1)
		_, done := status(q, "302 Found", fmt.Sprintf("Location: https://%s/obj?X-Amz-Credential=c%%2Fd&X-Amz-Signature=%d", cdnHost, n))
		return done
	}, hubHost))
	y.shelf = newShelf(1<<20, func(n int, q *request) (turn, bool) {
		var k int64
		_, _ = fmt.Sscanf(q.target, "/obj?X-Amz-Credential=c%%2Fd&X-Amz-Signature=%d", &k)
		switch {
		case k < y.good.Load():
			return status(q, "403 Forbidden")
		case n == 0:
			return turn{after: 200_000, how: "short"}, false
		}
		return turn{}, false
	})
	y.cdn = r.route(cdnHost+":443", newOrigin(t, y.shelf.answer, cdnHost))
	return y
}

// fetch asks for /f in reverse mode and follows to the sealed URL, which is
// asked for without any key.
func (y *signedYard) fetch(extra ...string) *workerReply {
	y.t.Helper()
	a := y.reverse("/" + hubHost + "/f?download=true")
	location := a.header.Get("Location")
	_, path, ok := strings.Cut(location, y.addr)
	if a.status != 302 || !ok || !strings.HasPrefix(path, sealed) {
		y.t.Fatalf("%d %q", a.status, location)
	}
	return y.worker().get(path, y.addr, extra...)
}

// TestT71_ASignedURLThatExpiresIsRenewed through the URL that led there.
func TestT71_ASignedURLThatExpiresIsRenewed(t *testing.T) {
	t.Parallel()
	y := newSignedYard(t, rigOptions{})
	a := y.fetch("Cookie: a=b")
	if a.status != 200 || a.err != nil || !bytes.Equal(a.body, y.shelf.content) {
		t.Fatalf("%d, %d bytes, %v", a.status, len(a.body), a.err)
	}
	hub, cdn := y.hub.requests(), y.cdn.requests()
	if len(hub) != 2 || hub[1].target != "/f" || hub[1].fields.Get("Authorization") != "Bearer "+canary || hub[1].fields.has("Cookie") {
		t.Errorf("the hub: %d, %s", len(hub), hub[len(hub)-1].head)
	}
	if len(cdn) != 3 {
		t.Fatalf("the CDN: %d requests", len(cdn))
	}
	for i, q := range cdn[1:] {
		if q.fields.Get("Range") != "bytes=200000-1048575" || q.fields.Get("If-Range") != `"v1"` || q.fields.has("Authorization") || q.fields.has("Cookie") {
			t.Errorf("%d: %s", i, q.head)
		}
	}
	if cdn[2].target != "/obj?X-Amz-Credential=c%2Fd&X-Amz-Signature=2" {
		t.Errorf("%s", cdn[2].target)
	}
	// The hub is asked with the credential, and that is on record; the CDN's
	// are a companion's and summed up.
	used := y.recorder.of(auth.ActionUsed)
	if len(used) != 2 || used[1].Host != hubHost || used[1].CredentialName != "hub-prod" || !strings.HasPrefix(used[1].Reason, "resumes 0") {
		t.Errorf("%+v", used)
	}
	if s := y.recorder.eventually(auth.ActionSummary, 3); len(s) != 3 || s[0].Bytes != 200_000 || s[1].Status != 403 || s[2].Bytes != 1<<20-200_000 {
		t.Errorf("%+v", s)
	}
	if strings.Contains(y.log.String(), "X-Amz-Signature") || strings.Contains(fmt.Sprint(y.recorder.all()), "X-Amz-Signature") {
		t.Error("a signature in the log or the record")
	}
}

// TestT71_ARenewalIsDecidedAfresh and ends where the way back has ended, or
// leads to something else.
func TestT71_ARenewalIsDecidedAfresh(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		meanwhile func(y *signedYard)
		denied    auth.Code
		code      auth.Code
	}{
		"revoked": {func(y *signedYard) { y.revoke() }, auth.CodeKeyRevoked, auth.CodeKeyRevoked},
		"unlinked": {func(y *signedYard) {
			y.change(func(s *auth.State) { s.Links = nil })
		}, auth.CodeNotLinked, auth.CodeNotLinked},
		"the hub refuses": {func(y *signedYard) {
			y.sends = func(q *request) (turn, bool) { return status(q, "401 Unauthorized") }
		}, "", auth.CodeUpstreamUnreachable},
		"the file is gone": {func(y *signedYard) {
			y.sends = func(q *request) (turn, bool) { return status(q, "404 Not Found") }
		}, "", auth.CodeUpstreamUnreachable},
		"the file is another": {func(y *signedYard) {
			y.shelf.head = []string{`ETag: "v2"`}
		}, "", auth.CodeUpstreamProtocol},
		"round in circles": {func(y *signedYard) {
			y.sends = func(q *request) (turn, bool) { return status(q, "302 Found", "Location: /f") }
		}, "", auth.CodeUpstreamUnreachable},
		"into the clear": {func(y *signedYard) {
			y.sends = func(q *request) (turn, bool) {
				return status(q, "302 Found", "Location: http://"+cdnHost+"/obj?X-Amz-Credential=c&X-Amz-Signature=9")
			}
		}, "", auth.CodeUpstreamUnreachable},
		"never good": {func(y *signedYard) { y.good.Store(1000) }, "", auth.CodeUpstreamUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			y := newSignedYard(t, rigOptions{})
			y.meanwhile = func() { c.meanwhile(y) }
			a := y.fetch()
			if a.err == nil || !bytes.HasPrefix(y.shelf.content, a.body) || len(a.body) > 200_000 {
				t.Errorf("%d bytes, %v", len(a.body), a.err)
			}
			if n := len(y.hub.requests()); n > 2+maxHops {
				t.Errorf("the hub was asked %d times", n)
			}
			all := y.metrics.all()
			if got := all[len(all)-1]; got.Code != c.code {
				t.Errorf("%+v", got)
			}
			if d := y.recorder.of(auth.ActionDenied); c.denied != "" && (len(d) != 1 || d[0].Code != c.denied) {
				t.Errorf("%+v", d)
			}
		})
	}
}

// TestT71_AHubThatIsBusyIsAskedAgain for the new URL.
func TestT71_AHubThatIsBusyIsAskedAgain(t *testing.T) {
	t.Parallel()
	y := newSignedYard(t, rigOptions{})
	busy := 2
	y.sends = func(q *request) (turn, bool) {
		if busy--; busy >= 0 {
			return status(q, "503 Service Unavailable")
		}
		return turn{}, false
	}
	if a := y.fetch(); a.err != nil || !bytes.Equal(a.body, y.shelf.content) {
		t.Fatalf("%d bytes, %v", len(a.body), a.err)
	}
}

// TestT71_ASealedURLThatExpiredIsRenewedToo: the box is no better than a
// signature.
func TestT71_ASealedURLThatExpiredIsRenewedToo(t *testing.T) {
	t.Parallel()
	y := newSignedYard(t, rigOptions{})
	y.meanwhile = func() { y.good.Store(0); y.clock.advance(2 * time.Hour) }
	if a := y.fetch(); a.err != nil || !bytes.Equal(a.body, y.shelf.content) {
		t.Fatalf("%d bytes, %v", len(a.body), a.err)
	}
	if n := len(y.cdn.requests()); n != 2 {
		t.Errorf("the CDN was asked %d times", n)
	}
}

// TestT71_InForwardModeTheWorkerHoldsTheSignature, and nobody else can renew it.
func TestT71_InForwardModeTheWorkerHoldsTheSignature(t *testing.T) {
	t.Parallel()
	y := newSignedYard(t, rigOptions{})
	y.issued.Store(1)
	target := "/obj?X-Amz-Credential=c%2Fd&X-Amz-Signature=1"
	a := y.tunnel(cdnHost).get(target, cdnHost)
	if a.err == nil || !bytes.HasPrefix(y.shelf.content, a.body) {
		t.Errorf("%d bytes, %v", len(a.body), a.err)
	}
	if n := len(y.hub.requests()); n != 0 || len(y.cdn.requests()) != 2 {
		t.Errorf("%d and %d requests", n, len(y.cdn.requests()))
	}
	// While it is good, the rest comes by it.
	y.good.Store(0)
	y.issued.Store(-10)
	y.shelf.restart()
	if a := y.tunnel(cdnHost).get(target, cdnHost); a.err != nil || !bytes.Equal(a.body, y.shelf.content) {
		t.Errorf("%d bytes, %v", len(a.body), a.err)
	}
}
