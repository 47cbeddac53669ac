package proxy

import (
	"bufio"
	"net"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

func TestTheDefaultKeyIsImpliedOnlyForPrograms(t *testing.T) {
	r := newRig(t, rigOptions{policy: Policy{DefaultKeyID: "key_read", AllowedHosts: []string{"weights.internal"}}})
	hub := r.hub(ok)
	for name, c := range map[string]struct {
		ask    func() *workerReply
		status int
		code   auth.Code
	}{
		"reverse":              {func() *workerReply { return r.worker().get("/"+hubHost+"/a", r.addr) }, 200, ""},
		"reverse, listed Host": {func() *workerReply { return r.worker().get("/"+hubHost+"/a", "weights.internal:8080") }, 200, ""},
		"reverse, own token": {func() *workerReply {
			return r.worker().get("/"+hubHost+"/a", r.addr, "Authorization: Bearer hf_"+strings.Repeat("a", 40))
		}, 200, ""},
		"reverse, rebound Host": {func() *workerReply { return r.worker().get("/"+hubHost+"/a", "rebind.example") }, 403, auth.CodeBrowserForbidden},
		"reverse, Origin":       {func() *workerReply { return r.worker().get("/"+hubHost+"/a", r.addr, "Origin: http://localhost") }, 403, auth.CodeBrowserForbidden},
		"reverse, cross-site":   {func() *workerReply { return r.worker().get("/"+hubHost+"/a", r.addr, "Sec-Fetch-Site: cross-site") }, 403, auth.CodeBrowserForbidden},
		"reverse, address bar":  {func() *workerReply { return r.worker().get("/"+hubHost+"/a", r.addr, "Sec-Fetch-Site: none") }, 200, ""},
		"reverse, wrong key": {func() *workerReply {
			return r.worker().get("/"+hubHost+"/a", r.addr, "Authorization: Bearer "+auth.NewAPIKey().Reveal())
		}, 401, auth.CodeKeyInvalid},
		"a key does not need it": {func() *workerReply {
			return r.worker().get("/"+hubHost+"/a", "rebind.example", "Authorization: Bearer "+r.key.Reveal(), "Origin: null")
		}, 200, ""},
		"CONNECT": {func() *workerReply { return r.worker().connect(hubHost + ":443") }, 200, ""},
		"absolute": {func() *workerReply {
			return r.worker().get("https://"+hubHost+"/a", hubHost, "Origin: http://localhost")
		}, 200, ""},
	} {
		t.Run(name, func(t *testing.T) { r.expect(c.ask(), c.status, c.code) })
	}
	for _, q := range hub.requests() {
		if q.fields.Get("Authorization") != "Bearer "+canary {
			t.Errorf("Authorization %q", q.fields.Get("Authorization"))
		}
	}
}

func TestTheDefaultKeyOnlyReadsUnlessStated(t *testing.T) {
	for scope, status := range map[auth.Scope]int{"": 403, auth.ScopeWrite: 200} {
		r := newRig(t, rigOptions{policy: Policy{DefaultKeyID: "key_write", DefaultScope: scope}})
		r.hub(ok)
		w := r.worker()
		w.send("POST /" + hubHost + "/a HTTP/1.1\r\nHost: " + r.addr + "\r\nContent-Length: 1\r\n\r\nx")
		if a := w.read("POST"); a.status != status {
			t.Errorf("scope %q: %d %s", scope, a.status, a.body)
		}
	}
}

func TestAListenerBeyondLoopbackImpliesNoKey(t *testing.T) {
	r := newRig(t, rigOptions{policy: Policy{DefaultKeyID: "key_read"}, listen: "0.0.0.0:0"})
	r.hub(ok)
	_, port, _ := strings.Cut(strings.TrimPrefix(r.addr, "[::]"), ":")
	r.addr = "127.0.0.1:" + port
	r.expect(r.worker().get("/"+hubHost+"/a", r.addr), 401, auth.CodeKeyMissing)
	r.expect(r.worker().connect(hubHost+":443"), 407, auth.CodeKeyMissing)
}

func TestAUnixListenerImpliesTheDefaultKey(t *testing.T) {
	r := newRig(t, rigOptions{policy: Policy{DefaultKeyID: "key_read"}})
	hub := r.hub(ok)
	path := t.TempDir() + "/wb.sock"
	ln, err := net.Listen("unix", path)
	r.must(err)
	served := make(chan error, 1)
	go func() { served <- r.proxy.Serve(ln) }()
	c, err := net.Dial("unix", path)
	r.must(err)
	defer func() { _ = c.Close() }()
	w := &worker{r, c, bufio.NewReader(c)}
	if a := w.get("/"+hubHost+"/a", "localhost"); a.status != 200 || hub.last().fields.Get("Authorization") != "Bearer "+canary {
		t.Errorf("%d %s", a.status, a.body)
	}
	if e := r.recorder.of(auth.ActionUsed); len(e) != 1 || e[0].Address != "unix" {
		t.Errorf("%+v", e)
	}
	r.must(r.proxy.Close())
	r.must(<-served)
}
