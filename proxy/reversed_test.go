package proxy

import (
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

func TestSealedURLsCarryASignedTargetToAWorkerWithoutEgress(t *testing.T) {
	r := newRig(t, rigOptions{})
	signed := "https://" + cdnHost + "/f%2Fx?X-Amz-Algorithm=A&X-Amz-Credential=C%2F1&X-Amz-Expires=600&X-Amz-Signature=s+%2B~"
	hub := r.hub(func(q *request) bool {
		return text(q, "302 Found", "", "Location: "+signed, "X-Linked-Size: 7")
	})
	cdn := r.cdn()
	a := r.reverse("/"+hubHost+"/org/f", "Referer: http://"+r.addr+"/x")
	r.expect(a, 302, "")
	if hub.last().fields.has("Referer") {
		t.Error("our own base was told to the upstream")
	}
	loc := a.header.Get("Location")
	path, ok := strings.CutPrefix(loc, "http://"+r.addr)
	if !ok || !strings.HasPrefix(path, sealed) || strings.Contains(loc, "Signature") {
		t.Fatalf("Location %q", loc)
	}
	// No key is needed, and whatever Authorization comes is dropped.
	a = r.worker().get(path, r.addr, "Authorization: Bearer "+r.key.Reveal(), "Range: bytes=0-")
	if a.status != 200 || string(a.body) != "weights" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if q := cdn.last(); q.target != "/f%2Fx?X-Amz-Algorithm=A&X-Amz-Credential=C%2F1&X-Amz-Expires=600&X-Amz-Signature=s+%2B~" || q.fields.has("Authorization") || q.fields.Get("Range") != "bytes=0-" {
		t.Errorf("the CDN got %q", q.head)
	}
	// One changed letter, and it is nobody's.
	changed := []byte(path)
	changed[len(changed)-5] ^= 1
	r.expect(r.worker().get(string(changed), r.addr), 403, auth.CodeBoxInvalid)
	// Only reading.
	w := r.worker()
	w.send("PUT " + path + " HTTP/1.1\r\nHost: " + r.addr + "\r\nContent-Length: 1\r\n\r\nx")
	r.expect(w.read("PUT"), 403, auth.CodeScopeForbidden)
	// The link that led to it must still stand,
	links := r.state.Links
	r.change(func(s *auth.State) { s.Links = nil })
	r.expect(r.worker().get(path, r.addr), 403, auth.CodeNotLinked)
	r.change(func(s *auth.State) { s.Links = links })
	r.expect(r.worker().get(path, r.addr), 200, "")
	// and so must the key.
	r.revoke()
	r.expect(r.worker().get(path, r.addr), 403, auth.CodeKeyRevoked)
}

func TestSealedURLsEnd(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.hub(func(q *request) bool {
		return text(q, "302 Found", "", "Location: https://"+cdnHost+"/f?Expires=99999999999&Signature=a&Key-Pair-Id=b")
	})
	r.cdn()
	a := r.reverse("/" + hubHost + "/org/f")
	path := strings.TrimPrefix(a.header.Get("Location"), "http://"+r.addr)
	r.expect(r.worker().get(path, r.addr), 200, "")
	r.clock.advance(boxLife + 1e9)
	r.expect(r.worker().get(path, r.addr), 403, auth.CodeBoxExpired)
}

func TestReverseRedirectsLeadBackThroughUs(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.hub(func(q *request) bool {
		if strings.HasPrefix(q.target, "/api") {
			return ok(q)
		}
		return text(q, "307 Temporary Redirect", "", "Location: /api/resolve-cache/f?etag=%22a%22", `Link: <https://`+hubHost+`/api/x?cursor=1>; rel="next"`, `link: </rel>; rel=prev`)
	})
	a := r.reverse("/" + hubHost + "/org/f")
	if got := a.header.Get("Location"); got != "/"+hubHost+"/api/resolve-cache/f?etag=%22a%22" {
		t.Errorf("Location %q", got)
	}
	if got := strings.Join(a.header.Values("Link"), " | "); got != `<http://`+r.addr+`/`+hubHost+`/api/x?cursor=1>; rel="next" | </`+hubHost+`/rel>; rel=prev` {
		t.Errorf("Link %q", got)
	}
	r.expect(r.reverse(a.header.Get("Location")), 200, "")
	// By URL key the way back has it as well.
	a = r.worker().get("/.weighbridge/k/"+r.urlKey.Reveal()+"/"+hubHost+"/org/f", r.addr)
	if got := a.header.Get("Location"); got != "/.weighbridge/k/"+r.urlKey.Reveal()+"/"+hubHost+"/api/resolve-cache/f?etag=%22a%22" {
		t.Errorf("Location %q", got)
	}
	if strings.Contains(r.log.String(), r.urlKey.Reveal()) {
		t.Error("the URL key is in the log")
	}
	// In forward mode the worker gets what the upstream said.
	a = r.tunnel(hubHost).get("/org/f", hubHost)
	if got := a.header.Get("Location"); got != "/api/resolve-cache/f?etag=%22a%22" {
		t.Errorf("Location %q", got)
	}
}

func TestTheProviderRewritesInReverseModeOnly(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub := r.hub(func(q *request) bool {
		return text(q, "200 OK", `{"href":"URL"}`, "Content-Type: application/x-other", "X-Hidden: yes", "Accept-Ranges: bytes", "ETag: \"a\"")
	})
	a := r.reverse("/"+hubHost+"/rewrite/x", "Range: bytes=0-3", "Accept-Encoding: br, gzip")
	want := `{"href":"http://` + r.addr + `/` + cdnHost + `/f"}`
	if a.status != 200 || string(a.body) != want || a.err != nil || a.header.has("X-Hidden") || a.header.has("Accept-Ranges") {
		t.Errorf("%d %s %v %q", a.status, a.body, a.err, a.header)
	}
	if q := hub.last(); q.fields.has("Range") || q.fields.Get("Accept-Encoding") != "identity" {
		t.Errorf("asked for %q", q.head)
	}
	if a := r.tunnel(hubHost).get("/rewrite/x", hubHost); string(a.body) != `{"href":"URL"}` || !a.header.has("X-Hidden") {
		t.Errorf("forward: %s", a.body)
	}
	// A rewrite that fails never ends cleanly.
	if a := r.reverse("/" + hubHost + "/rewrite/fails"); a.status == 200 && a.err == nil {
		t.Errorf("a failed rewrite looks whole: %q", a.body)
	}
}
