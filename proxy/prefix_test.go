package proxy

import (
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/box"
)

func TestPrefixesAreSealedWhereTheKeyMayGoBare(t *testing.T) {
	x := returning(t, "/huggingface.co/api/models/org/model/xet-read-token/main?x=1")
	x.policy.reverse = auth.UnmatchedPass
	open := func(s string) box.Box {
		t.Helper()
		text, ok := strings.CutPrefix(s, "http://proxy:8080/.weighbridge/s/")
		if !ok {
			t.Fatalf("not sealed: %s", s)
		}
		b, err := x.p.o.Boxes.Open(text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, ref := range []string{"https://cas.example", "https://cas.example/", "HTTPS://Cas.Example:443"} {
		b := open(x.returnPrefix(ref, false))
		if b.Kind != box.KindPrefix || b.Target.String() != "https://cas.example/" || b.KeyID != "key_1" {
			t.Errorf("%s: %+v", ref, b)
		}
		if b.Origin.String() != "https://huggingface.co/api/models/org/model/xet-read-token/main" {
			t.Errorf("%s: origin %s", ref, b.Origin.String())
		}
		if left := b.Expires.Sub(x.at); left < prefixLife-2*time.Second || left > prefixLife {
			t.Errorf("%s: expires in %s", ref, left)
		}
	}
	// A base may have a path; what follows from a sealed URL names the same origin.
	b := open(x.returnPrefix("https://cas.example/a/", true))
	if b.Target.Path != "/a/" || b.Kind != box.KindPrefix {
		t.Errorf("%+v: a key that only reads was given a base to write to", b)
	}
	x.box = &b
	if again := open(x.returnPrefix("https://cas.example", false)); again.Origin != b.Origin {
		t.Errorf("origin %s", again.Origin.String())
	}
	x.box = nil
	x.identity.Scope = auth.ScopeWrite
	if b := open(x.returnPrefix("https://cas.example", true)); b.Kind != box.KindWritePrefix {
		t.Errorf("kind %d", b.Kind)
	}
	if b := open(x.returnPrefix("https://cas.example", false)); b.Kind != box.KindPrefix {
		t.Errorf("kind %d", b.Kind)
	}
	x.identity.ViaURLKey = true
	if b := open(x.returnPrefix("https://cas.example", true)); b.Kind != box.KindPrefix {
		t.Errorf("by URL key: kind %d", b.Kind)
	}
	// What is no base is led back like any other reference.
	for ref, want := range map[string]string{
		"https://cas.example/a?b":                   "http://proxy:8080/cas.example/a?b",
		"https://cas.example/#a":                    "http://proxy:8080/cas.example/#a",
		"mailto:a@b":                                "mailto:a@b",
		"https://a b/":                              "http://proxy:8080/", // and is astray
		"http://proxy:8080/.weighbridge/s/anything": "http://proxy:8080/.weighbridge/s/anything",
	} {
		if got := x.returnPrefix(ref, false); got != want {
			t.Errorf("%s becomes %s, want %s", ref, got, want)
		}
	}
	x.policy.reverse = auth.UnmatchedDeny
	if got := x.returnPrefix("https://cas.example", false); got != "http://proxy:8080/cas.example/" {
		t.Errorf("a base that the key may not go to: %s", got)
	}
	x.mode = forward
	if got := x.returnPrefix("https://cas.example", false); got != "https://cas.example" {
		t.Errorf("forward mode: %s", got)
	}
}

// storeHub answers /org/token/HOST with that host as a base, and with /write
// behind it as one to write to.
func (r *rig) storeHub() {
	r.hub(func(q *request) bool {
		host, write, _ := strings.Cut(strings.TrimPrefix(q.target, "/org/token/"), "/")
		return text(q, "200 OK", "", "X-Base: https://"+host, "X-Write: "+write)
	})
}

// based asks the hub for a base and returns its path on our listener.
func (r *rig) based(key auth.Secret, host string) string {
	r.t.Helper()
	a := r.worker().get("/"+hubHost+"/org/token/"+host, r.addr, "Authorization: Bearer "+key.Reveal())
	r.expect(a, 200, "")
	path, ok := strings.CutPrefix(a.header.Get("X-Base"), "http://"+r.addr)
	if !ok || !strings.HasPrefix(path, sealed) || strings.HasSuffix(path, "/") {
		r.t.Fatalf("base %q", a.header.Get("X-Base"))
	}
	return path
}

func TestAPrefixCarriesTheWorkersOwnToken(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.storeHub()
	cas := r.route(casHost+":443", newOrigin(t, ok, casHost))
	base := r.based(r.key, casHost)
	a := r.worker().get(base+"/v1/x%2Fy?z=%2B~", r.addr, "Authorization: Bearer its-own", "Range: bytes=1-2")
	r.expect(a, 200, "")
	if q := cas.last(); q.target != "/v1/x%2Fy?z=%2B~" || q.fields.Get("Authorization") != "Bearer its-own" || q.fields.Get("Range") != "bytes=1-2" {
		t.Errorf("the store got %q", q.head)
	}
	// The worker's key may come along, and stays here.
	for _, own := range []string{"Authorization: Bearer " + r.key.Reveal(), "Authorization: Bearer hf_" + strings.TrimPrefix(r.key.Reveal(), auth.KeyPrefix), "X-Weighbridge-Key: " + r.key.Reveal()} {
		r.expect(r.worker().get(base+"/v1/x", r.addr, own), 200, "")
		if q := cas.last(); strings.Contains(q.head, strings.TrimPrefix(r.key.Reveal(), auth.KeyPrefix)) || q.fields.has("Authorization") {
			t.Errorf("%s: the store got %q", own[:20], q.head)
		}
	}
	// Somebody else's does not open it, nor any other kind of sealed URL.
	for _, other := range []string{"Authorization: Bearer " + r.writeKey.Reveal(), "Authorization: Bearer hf_" + strings.TrimPrefix(r.writeKey.Reveal(), auth.KeyPrefix), "X-Weighbridge-Key: " + r.writeKey.Reveal()} {
		r.expect(r.worker().get(base+"/v1/x", r.addr, other), 403, auth.CodeBoxInvalid)
	}
	// Reading posts pass, writing ones need a base that was made for them.
	post := func(path string, key string) *workerReply {
		w := r.worker()
		w.send("POST " + path + " HTTP/1.1\r\nHost: " + r.addr + "\r\n" + key + "Content-Length: 1\r\n\r\nx")
		return w.read("POST")
	}
	r.expect(post(base+"/telemetry", ""), 200, "")
	r.expect(post(base+"/xorbs", ""), 403, auth.CodeScopeForbidden)
	r.expect(post(r.based(r.writeKey, casHost)+"/xorbs", ""), 403, auth.CodeScopeForbidden)
	r.expect(post(r.based(r.key, casHost+"/write")+"/xorbs", ""), 403, auth.CodeScopeForbidden)
	writing := r.based(r.writeKey, casHost+"/write")
	r.expect(post(writing+"/xorbs", ""), 200, "")
	r.change(func(s *auth.State) { s.Keys[1].Scope = auth.ScopeRead })
	r.expect(post(writing+"/xorbs", ""), 403, auth.CodeScopeForbidden)
	// Changed by one letter it is nobody's.
	changed := []byte(base)
	changed[len(changed)-5] ^= 1
	r.expect(r.worker().get(string(changed)+"/v1/x", r.addr), 403, auth.CodeBoxInvalid)
	r.expect(r.worker().get(base+"/v1/../x", r.addr), 400, auth.CodeBadTarget)
	// Link, key and time are asked about each time.
	links := r.state.Links
	r.change(func(s *auth.State) { s.Links = links[2:] })
	r.expect(r.worker().get(base+"/v1/x", r.addr), 403, auth.CodeNotLinked)
	r.change(func(s *auth.State) { s.Links = links })
	r.expect(r.worker().get(base+"/v1/x", r.addr), 200, "")
	r.revoke()
	r.expect(r.worker().get(base+"/v1/x", r.addr), 403, auth.CodeKeyRevoked)
	if n := r.signer.calls.Load(); n != 4 {
		t.Errorf("%d requests were signed, want those for the bases only", n)
	}
	r.clock.advance(prefixLife + time.Second)
	r.expect(r.worker().get(writing+"/v1/x", r.addr), 403, auth.CodeBoxExpired)
}

// A base was given out where nothing was put on. By the time of its use a
// credential applies there: a path that the worker chooses must not get it.
func TestAPrefixNeverLeadsToACredential(t *testing.T) {
	r := newRig(t, rigOptions{policy: Policy{UnmatchedReverse: auth.UnmatchedPass}})
	r.storeHub()
	other := r.route(otherHost+":443", newOrigin(t, ok, otherHost))
	base := r.based(r.key, otherHost)
	r.expect(r.worker().get(base+"/x", r.addr), 200, "")
	r.change(func(s *auth.State) {
		c := s.Credentials[0]
		c.ID, c.Name, c.Patterns = "cred_other", "other", []string{otherHost + "/*"}
		s.Credentials = append(s.Credentials, c)
		s.Links = append(s.Links[:len(s.Links):len(s.Links)], auth.Link{CredentialID: "cred_other", KeyID: "key_read"})
	})
	seen := len(other.requests())
	r.expect(r.worker().get(base+"/x", r.addr), 403, auth.CodeBoxInvalid)
	if len(other.requests()) != seen {
		t.Error("the request was sent")
	}
	// Nor is one made.
	if got := r.reverse("/" + hubHost + "/org/token/" + otherHost).header.Get("X-Base"); got != "http://"+r.addr+"/"+otherHost+"/" {
		t.Errorf("base %q", got)
	}
}

// A provider may want the body as it is and the worker's Range with it.
func TestTheProviderMayWantAPlainPart(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub := r.hub(func(q *request) bool {
		return text(q, "200 OK", `{"href":"URL"}`, "Content-Type: application/x-other")
	})
	a := r.reverse("/"+hubHost+"/part/x", "Range: bytes=0-3", "Accept-Encoding: br, gzip", "X-Unwanted: x")
	if want := `{"href":"http://` + r.addr + `/` + cdnHost + `/f"}`; a.status != 200 || string(a.body) != want {
		t.Errorf("%d %s", a.status, a.body)
	}
	if q := hub.last(); q.fields.Get("Range") != "bytes=0-3" || q.fields.Get("Accept-Encoding") != "identity" || q.fields.has("X-Unwanted") {
		t.Errorf("asked for %q", q.head)
	}
}

// TestT71_APieceWhoseRangeIsSignedIsNotCompleted: another range would be
// refused, and the URL that led there leads to no other.
func TestT71_APieceWhoseRangeIsSignedIsNotCompleted(t *testing.T) {
	for query, want := range map[string]int{"X-Xet-Signed-Range=bytes%3D0-1048575": 1, "X-Amz-Signature=a&X-Amz-Credential=b": 2} {
		r, _ := resumeRig(t, rigOptions{})
		s := newShelf(1<<20, first(turn{after: 200_000, how: "short"}))
		cdn := r.route(cdnHost+":443", newOrigin(t, s.answer, cdnHost))
		a := r.reverse("/" + cdnHost + "/x?" + query)
		if n := len(cdn.requests()); n != want || (a.err == nil) != (want > 1) {
			t.Errorf("%s: %d requests, %v", query, n, a.err)
		}
	}
}
