package proxy

import (
	"net"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// hub starts the injected host.
func (r *rig) hub(answer func(*request) bool) *origin {
	return r.route(hubHost+":443", newOrigin(r.t, answer, hubHost))
}

// cdn starts the signed companion, which answers as the real ones do: 400 to
// any Authorization.
func (r *rig) cdn() *origin {
	return r.route(cdnHost+":443", newOrigin(r.t, func(q *request) bool {
		if q.fields.has("Authorization") {
			return text(q, "400 Bad Request", "InvalidArgument: Only one auth mechanism allowed")
		}
		return text(q, "200 OK", "weights")
	}, cdnHost))
}

func TestEveryWayInReachesTheUpstreamWithTheCredential(t *testing.T) {
	r := newRig(t, rigOptions{policy: Policy{Routes: map[string]string{"hub": "https://" + hubHost + "/base"}}})
	hub := r.hub(ok)
	plain := r.route(plainHost+":80", newOrigin(t, ok))
	bearer := "Authorization: Bearer " + r.key.Reveal()
	alias := auth.KeyAliasPrefix + strings.TrimPrefix(r.key.Reveal(), auth.KeyPrefix)
	for name, c := range map[string]struct {
		ask    func() *workerReply
		origin *origin
		target string
	}{
		"forward TLS":            {func() *workerReply { return r.tunnel(hubHost).get("/a?b=c", hubHost) }, hub, "/a?b=c"},
		"forward plain":          {func() *workerReply { return r.worker().get("http://"+plainHost+"/a", plainHost, r.proxyAuth()) }, plain, "/a"},
		"forward plain, no path": {func() *workerReply { return r.worker().get("http://"+plainHost, plainHost, r.proxyAuth()) }, plain, "/"},
		"absolute https":         {func() *workerReply { return r.worker().get("https://"+hubHost+"/x", hubHost, r.proxyAuth()) }, hub, "/x"},
		"reverse":                {func() *workerReply { return r.reverse("/" + hubHost + "/a%2Fb//c?d=%2B+e") }, hub, "/a%2Fb//c?d=%2B+e"},
		"reverse, no path":       {func() *workerReply { return r.reverse("/" + hubHost) }, hub, "/"},
		"reverse plain":          {func() *workerReply { return r.reverse("/http:" + plainHost + "/a?") }, plain, "/a?"},
		"reverse by name":        {func() *workerReply { return r.reverse("/hub/a?b") }, hub, "/base/a?b"},
		"reverse by alias":       {func() *workerReply { return r.worker().get("/"+hubHost+"/a", r.addr, "authorization: Bearer "+alias) }, hub, "/a"},
		"reverse by Basic": {func() *workerReply {
			return r.worker().get("/"+hubHost+"/a", r.addr, "Authorization: "+basic("u", r.key.Reveal()))
		}, hub, "/a"},
		"reverse by our own field": {func() *workerReply {
			return r.worker().get("/"+hubHost+"/a", r.addr, "X-Weighbridge-Key: "+r.key.Reveal())
		}, hub, "/a"},
		"reverse by URL key": {func() *workerReply {
			return r.worker().get("/.weighbridge/k/"+r.urlKey.Reveal()+"/"+hubHost+"/a", r.addr)
		}, hub, "/a"},
		"reverse by URL key and it": {func() *workerReply {
			return r.worker().get("/.weighbridge/k/"+r.urlKey.Reveal()+"/"+hubHost+"/a", r.addr, bearer)
		}, hub, "/a"},
	} {
		t.Run(name, func(t *testing.T) {
			a := c.ask()
			if a.status != 200 || string(a.body) != "hello" || a.err != nil {
				t.Fatalf("%d %s %v", a.status, a.body, a.err)
			}
			q := c.origin.last()
			if q.target != c.target {
				t.Errorf("target %q, want %q", q.target, c.target)
			}
			if got := q.fields.Values("Authorization"); len(got) != 1 || got[0] != "Bearer "+canary {
				t.Errorf("Authorization %q", got)
			}
			if strings.Contains(q.head, "wbk_") || strings.Contains(q.head, "wbu_") || strings.Contains(q.head, alias) || q.fields.has("Proxy-Authorization") || q.fields.has(headerKey) {
				t.Errorf("a key reached the upstream: %q", q.head)
			}
		})
	}
	for _, e := range r.recorder.of(auth.ActionUsed) {
		if e.CredentialID == "" || e.KeyID != "key_read" || e.Rule == "" || e.RequestID == "" || e.TeamID != "team_1" || e.Address != "127.0.0.1" {
			t.Errorf("used: %+v", e)
		}
	}
	if used, finished := r.recorder.of(auth.ActionUsed), r.recorder.eventually(auth.ActionFinished, 13); len(used) != 13 || len(finished) != 13 {
		t.Errorf("%d uses and %d ends on record", len(used), len(finished))
	}
}

func TestConnectAsHTTP10WithoutHost(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.hub(ok)
	w := r.worker()
	w.send("CONNECT " + hubHost + ":443 HTTP/1.0\r\n" + r.proxyAuth() + "\r\n\r\n")
	if a := w.read("CONNECT"); a.status != 200 {
		t.Fatalf("%d", a.status)
	}
	in, err := w.inside(hubHost)
	r.must(err)
	if a := in.get("/a", hubHost); a.status != 200 {
		t.Fatalf("%d", a.status)
	}
	// And a second request in the same tunnel.
	if a := in.get("/b", hubHost); a.status != 200 {
		t.Fatalf("%d", a.status)
	}
}

func TestOwnEndpoints(t *testing.T) {
	r := newRig(t, rigOptions{})
	w := r.worker()
	if a := w.get("/.weighbridge/healthz", "anything.example"); a.status != 200 || string(a.body) != `{"status":"ok"}`+"\n" {
		t.Errorf("healthz %d %s", a.status, a.body)
	}
	if a := w.get("/.weighbridge/readyz?x", r.addr); a.status != 200 {
		t.Errorf("readyz %d", a.status)
	}
	if a := w.get("/.weighbridge/ca.pem", r.addr); a.status != 200 || !strings.HasPrefix(string(a.body), "-----BEGIN CERTIFICATE-----") {
		t.Errorf("ca.pem %d %s", a.status, a.body)
	}
	r.expect(w.get("/.weighbridge/", r.addr), 404, auth.CodeBadTarget)
	r.expect(w.get("/.weighbridge/admin", r.addr), 404, auth.CodeBadTarget)
	r.recorder.set(func(m *memory) { m.down = auth.NewError(auth.CodeAuditUnavailable, "disk full", nil) })
	if a := w.get("/.weighbridge/readyz", r.addr); a.status != 503 || !strings.Contains(string(a.body), "audit_unavailable") {
		t.Errorf("readyz %d %s", a.status, a.body)
	}
	w.send("POST /.weighbridge/healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
	r.expect(w.read("POST"), 405, auth.CodeBadRequest)
}

func TestATLSListenerServesEveryMode(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub := r.hub(func(q *request) bool { return text(q, "302 Found", "", "Location: https://"+hubHost+"/b") })
	cfg, err := r.authority.ListenerConfig([]string{"127.0.0.1", "weights.internal"})
	r.must(err)
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	r.must(err)
	served := make(chan error, 1)
	go func() { served <- r.proxy.Serve(r.proxy.TLSListener(raw, cfg)) }()
	dial := func() *worker {
		c, err := net.Dial("tcp", raw.Addr().String())
		r.must(err)
		t.Cleanup(func() { _ = c.Close() })
		w, err := (&worker{r, c, nil}).inside("weights.internal")
		r.must(err)
		return w
	}
	a := dial().get("/"+hubHost+"/a", "weights.internal", "Authorization: Bearer "+r.key.Reveal())
	if a.status != 302 || a.header.Get("Location") != "https://weights.internal/"+hubHost+"/b" {
		t.Errorf("%d %q", a.status, a.header.Get("Location"))
	}
	w := dial()
	if a := w.connect(hubHost+":443", r.proxyAuth()); a.status != 200 {
		t.Fatalf("%d", a.status)
	}
	in, err := w.inside(hubHost)
	r.must(err)
	if a := in.get("/a", hubHost); a.status != 302 || a.header.Get("Location") != "https://"+hubHost+"/b" {
		t.Errorf("%d", a.status)
	}
	if n := len(hub.requests()); n != 2 {
		t.Errorf("%d requests", n)
	}
	r.must(r.proxy.Close())
	r.must(<-served)
	if err := r.proxy.Serve(raw); err != nil {
		t.Errorf("Serve after Close: %v", err)
	}
}

func TestThePolicyCanChangeWhileRequestsRun(t *testing.T) {
	r := newRig(t, rigOptions{})
	o := r.route(otherHost+":443", newOrigin(t, ok, otherHost))
	r.expect(r.reverse("/"+otherHost+"/a"), 403, auth.CodeNoCredentialMatched)
	r.must(r.proxy.SetPolicy(Policy{UnmatchedReverse: auth.UnmatchedPass, Routes: map[string]string{"o": "https://" + otherHost}}))
	r.expect(r.reverse("/o/a"), 200, "")
	if err := r.proxy.SetPolicy(Policy{PublicURL: "nonsense"}); err == nil {
		t.Error("a bad policy was taken")
	}
	r.expect(r.reverse("/o/b"), 200, "")
	if n := len(o.requests()); n != 2 {
		t.Errorf("%d requests", n)
	}
}
