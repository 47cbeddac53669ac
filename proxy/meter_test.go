package proxy

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// waysOf are all ways in which a key of the rig may ask the hub, or open a
// tunnel that is not looked into.
func (r *rig) waysOf(sealedPath string) map[string]func() *workerReply {
	return map[string]func() *workerReply{
		"reverse": func() *workerReply { return r.reverse("/" + hubHost + "/a") },
		"tunnel":  func() *workerReply { return r.tunnel(hubHost).get("/a", hubHost) },
		"blind":   func() *workerReply { return r.worker().connect(casHost+":443", r.proxyAuth()) },
		"url key": func() *workerReply { return r.worker().get(urlKeys+r.urlKey.Reveal()+"/"+hubHost+"/a", r.addr) },
		"sealed":  func() *workerReply { return r.worker().get(sealedPath, r.addr) },
	}
}

// sealedPath lets the hub redirect to a signed URL, and returns what a worker
// gets of it.
func (r *rig) sealedPath() string {
	r.t.Helper()
	a := r.reverse("/" + hubHost + "/redirect")
	path, ok := strings.CutPrefix(a.header.Get("Location"), "http://"+r.addr)
	if !ok || !strings.HasPrefix(path, sealed) {
		r.t.Fatalf("%d %q", a.status, a.header.Get("Location"))
	}
	return path
}

// redirecting is a hub that redirects to the CDN and answers everything else.
func redirecting(q *request) bool {
	if q.target == "/redirect" {
		return text(q, "302 Found", "", "Location: https://"+cdnHost+"/f?Expires=99999999999&Signature=a&Key-Pair-Id=b")
	}
	return ok(q)
}

// TestAKeyMakesNoMoreRequestsThanItMay: what is beyond is told when to come
// back, in every way in, and nothing of it is sent; another key is served.
func TestAKeyMakesNoMoreRequestsThanItMay(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{state: func(s *auth.State) { s.Keys[0].Limits = auth.Limits{Rate: auth.MinRate, Burst: 3} }})
	hub := r.hub(redirecting)
	r.cdn()
	path := r.sealedPath()
	in := r.tunnel(hubHost) // opening it counts for nothing: what is asked inside does
	r.expect(in.get("/1", hubHost), 200, "")
	r.expect(in.get("/2", hubHost), 200, "")
	sent := len(hub.requests())
	for way, ask := range r.waysOf(path) {
		a := ask()
		wait, err := strconv.Atoi(a.header.Get("Retry-After"))
		if a.status != 429 || a.code() != string(auth.CodeTooManyRequests) || err != nil || wait < 50 || wait > 100 || !strings.Contains(string(a.body), "0.01 a second") && way != "blind" {
			t.Errorf("%s: %d %s, Retry-After %q, %s", way, a.status, a.code(), a.header.Get("Retry-After"), a.body)
		}
	}
	if n := len(hub.requests()); n != sent {
		t.Errorf("%d requests were sent", n-sent)
	}
	if a := r.worker().get("/"+hubHost+"/a", r.addr, "Authorization: Bearer "+r.writeKey.Reveal()); a.status != 200 {
		t.Errorf("another key: %d %s", a.status, a.code())
	}
	r.clock.advance(101 * time.Second)
	r.expect(in.get("/3", hubHost), 200, "")
	r.expect(in.get("/4", hubHost), 429, auth.CodeTooManyRequests)
	r.change(func(s *auth.State) { s.Keys[0].Limits = auth.Limits{} })
	r.expect(in.get("/5", hubHost), 200, "")
}

// TestAKeysOwnNumberOfTransfersStandsInPlaceOfTheGeneralOne, above it and below.
func TestAKeysOwnNumberOfTransfersStandsInPlaceOfTheGeneralOne(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{options: func(o *Options) { o.KeyTransfers = 1 }, state: func(s *auth.State) { s.Keys[0].Limits.Transfers = 2 }})
	hold, begun := make(chan struct{}), make(chan struct{}, 3)
	defer close(hold)
	r.hub(func(q *request) bool {
		_, _ = fmt.Fprint(q.w, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
		begun <- struct{}{}
		<-hold
		return false
	})
	begin := func(key auth.Secret) {
		r.worker().send("GET /" + hubHost + "/held HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key.Reveal() + "\r\n\r\n")
		<-begun
	}
	begin(r.key)
	begin(r.key)
	r.expect(r.reverse("/"+hubHost+"/a"), 429, auth.CodeTooManyTransfers)
	begin(r.writeKey)
	r.expect(r.worker().get("/"+hubHost+"/a", r.addr, "Authorization: Bearer "+r.writeKey.Reveal()), 429, auth.CodeTooManyTransfers)
}

// TestWhatIsToldToWaitDoesNotFillTheRecord: the first of a second is recorded
// as it is, the others by their number.
func TestWhatIsToldToWaitDoesNotFillTheRecord(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{state: func(s *auth.State) { s.Keys[0].Limits = auth.Limits{Rate: auth.MinRate} }})
	hub := r.hub(ok)
	in := r.tunnel(hubHost)
	r.expect(in.get("/a", hubHost), 200, "")
	const many = 200
	for range many {
		r.expect(in.get("/a", hubHost), 429, auth.CodeTooManyRequests)
	}
	if n := len(hub.requests()); n != 1 {
		t.Errorf("%d were sent", n)
	}
	count := func() (events int, stands int64) {
		for _, e := range r.recorder.of(auth.ActionDenied) {
			if e.Code != auth.CodeTooManyRequests || e.KeyID != "key_read" || e.Host != hubHost+":443" && e.Host != hubHost {
				t.Fatalf("%+v", e)
			}
			events++
			stands += max(e.Count, 1)
		}
		return events, stands
	}
	r.clock.advance(time.Second) // the window is over, and what it gathered is recorded
	r.eventually("every one of them is on record", func() bool { _, n := count(); return n == many })
	if events, _ := count(); events > many/4 {
		t.Errorf("%d events for %d denials", events, many)
	}
}

// TestWhatWasGatheredIsRecordedInTheEnd by Close.
func TestWhatWasGatheredIsRecordedInTheEnd(t *testing.T) {
	var g repeats
	now := time.Unix(1_700_000_000, 0)
	e := auth.Event{Action: auth.ActionDenied, KeyID: "k", Code: auth.CodeSourceForbidden}
	for i := range 4 {
		if g.add(e, now) != (i == 0) {
			t.Fatal(i)
		}
	}
	var got []auth.Event
	record := func(e auth.Event) { got = append(got, e) }
	g.close(now, false, record)
	if len(got) != 0 {
		t.Errorf("too early: %+v", got)
	}
	g.close(now, true, record)
	if len(got) != 1 || got[0].Count != 3 {
		t.Errorf("%+v", got)
	}
	g.close(now.Add(-time.Hour), false, record) // the clock went back: the window is over
	if len(g.open) != 0 || len(got) != 1 {
		t.Errorf("%d are open, %d recorded", len(g.open), len(got))
	}
}

// TestAKeyIsUsedFromItsSourcesAlone, in every way in, in tunnels that are open
// too; what a header says of the caller's address counts for nothing.
func TestAKeyIsUsedFromItsSourcesAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	hub := r.hub(redirecting)
	r.cdn()
	r.route(casHost+":443", newOrigin(t, ok, casHost))
	path := r.sealedPath()
	in, blind := r.tunnel(hubHost), r.worker()
	r.expect(in.get("/a", hubHost), 200, "")
	if a := blind.connect(casHost+":443", r.proxyAuth()); a.status != 200 {
		t.Fatal(a.status)
	}
	sources := func(texts ...string) {
		r.change(func(s *auth.State) {
			s.Keys[0].Sources = nil
			for _, text := range texts {
				p, err := auth.ParseSource(text)
				r.must(err)
				s.Keys[0].Sources = append(s.Keys[0].Sources, p)
			}
		})
	}
	sources("192.0.2.0/24", "2001:db8::/32")
	if ended, _ := blind.closed(); !ended {
		t.Error("the blind tunnel stays open")
	}
	sent := len(hub.requests())
	for way, ask := range r.waysOf(path) {
		if a := ask(); a.status != 403 || a.code() != string(auth.CodeSourceForbidden) || !strings.Contains(string(a.body), "127.0.0.1") && way != "blind" {
			t.Errorf("%s: %d %s %s", way, a.status, a.code(), a.body)
		}
	}
	r.expect(in.get("/a", hubHost), 403, auth.CodeSourceForbidden)
	r.expect(r.reverse("/"+hubHost+"/a", "X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "X-Real-IP: 192.0.2.1"), 403, auth.CodeSourceForbidden)
	if n := len(hub.requests()); n != sent {
		t.Errorf("%d requests were sent", n-sent)
	}
	if e := r.recorder.of(auth.ActionDenied); len(e) == 0 || e[0].Code != auth.CodeSourceForbidden || e[0].Address != "127.0.0.1" || e[0].KeyName != "worker" {
		t.Errorf("on record: %+v", e)
	}
	sources("192.0.2.0/24", "127.0.0.1")
	for way, ask := range r.waysOf(path) {
		if a := ask(); a.status != 200 {
			t.Errorf("%s: %d %s %s", way, a.status, a.code(), a.body)
		}
	}
}

// TestAFrontAsksForTheSourceBeforeItSaysAnything.
func TestAFrontAsksForTheSourceBeforeItSaysAnything(t *testing.T) {
	r, hub := frontRig(t)
	r.change(func(s *auth.State) {
		p, err := auth.ParseSource("192.0.2.0/24")
		r.must(err)
		s.Keys[0].Sources = append(s.Keys[0].Sources, p)
	})
	for _, path := range []string{"/a", "/own", "/refused"} {
		a := r.fronted(path, "X-Fake: key_read")
		if a.code() != string(auth.CodeSourceForbidden) {
			t.Errorf("%s: %d %s", path, a.status, a.code())
		}
	}
	hub.none()
}

// TestWhatAKeyMovesIsPaced, whatever road a body takes. All of it together
// takes as long as the bandwidth of the key says, at least.
func TestWhatAKeyMovesIsPaced(t *testing.T) {
	t.Parallel()
	const size, bandwidth = 100_000, 500_000
	r := newRig(t, rigOptions{state: func(s *auth.State) {
		s.Keys[0].Limits.Bandwidth = bandwidth
		s.Keys[0].Scope = auth.ScopeWrite
	}})
	body := strings.Repeat("x", size)
	answer := func(q *request) bool {
		switch {
		case q.target == "/put":
			return ok(q)
		case q.target == "/chunked":
			_, _ = fmt.Fprintf(q.w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", size, body)
		case strings.HasPrefix(q.target, "/text"):
			_, _ = fmt.Fprintf(q.w, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", size, body)
		default:
			_, _ = fmt.Fprintf(q.w, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, body)
		}
		return true
	}
	r.hub(answer)
	r.route(plainHost+":80", newOrigin(t, answer))
	r.route(casHost+":443", newOrigin(t, answer, casHost))
	blind := r.worker()
	blind.connect(casHost+":443", r.proxyAuth())
	through, err := blind.inside(casHost)
	r.must(err)
	began := time.Now()
	moved := 0
	for way, ask := range map[string]func() *workerReply{
		"plain":   func() *workerReply { return r.reverse("/http:" + plainHost + "/a") },
		"tls":     func() *workerReply { return r.tunnel(hubHost).get("/a", hubHost) },
		"chunked": func() *workerReply { return r.reverse("/" + hubHost + "/chunked") },
		"text":    func() *workerReply { return r.reverse("/" + hubHost + "/text") },
		"made":    func() *workerReply { return r.reverse("/" + hubHost + "/rewrite") },
		"blind":   func() *workerReply { return through.get("/a", casHost) },
		"upload": func() *workerReply {
			w := r.worker()
			w.send("PUT /" + hubHost + "/put HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + r.key.Reveal() + "\r\nContent-Length: " + strconv.Itoa(size) + "\r\n\r\n" + body)
			a := w.read("PUT")
			a.body = []byte(body)
			return a
		},
	} {
		a := ask()
		if a.status != 200 || a.err != nil || string(a.body) != body {
			t.Errorf("%s: %d, %d bytes, %v", way, a.status, len(a.body), a.err)
		}
		moved += len(a.body)
	}
	least := time.Duration(float64(moved)/bandwidth*float64(time.Second)) - 300*time.Millisecond
	if took := time.Since(began); took < least {
		t.Errorf("%d bytes took %v, less than %v", moved, took, least)
	}
}
