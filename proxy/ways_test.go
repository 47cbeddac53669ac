package proxy

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"slices"
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

func TestAMissingOrWrongKeyIsAskedForInTheWayOfTheMode(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub := r.hub(ok)
	wrong := auth.NewAPIKey().Reveal()
	for name, c := range map[string]struct {
		ask    func() *workerReply
		status int
		code   auth.Code
	}{
		"CONNECT without": {func() *workerReply { return r.worker().connect(hubHost + ":443") }, 407, auth.CodeKeyMissing},
		"CONNECT wrong":   {func() *workerReply { return r.worker().connect(hubHost+":443", "Proxy-Authorization: Bearer "+wrong) }, 407, auth.CodeKeyInvalid},
		"CONNECT no key at all": {func() *workerReply {
			return r.worker().connect(hubHost+":443", "Proxy-Authorization: "+basic("a", "b"))
		}, 407, auth.CodeKeyInvalid},
		"absolute without": {func() *workerReply { return r.worker().get("http://"+hubHost+"/", hubHost) }, 407, auth.CodeKeyMissing},
		"reverse without":  {func() *workerReply { return r.worker().get("/"+hubHost+"/", r.addr) }, 401, auth.CodeKeyMissing},
		"reverse wrong":    {func() *workerReply { return r.worker().get("/"+hubHost+"/", r.addr, "Authorization: Bearer "+wrong) }, 401, auth.CodeKeyInvalid},
		"reverse wrong alias": {func() *workerReply {
			return r.worker().get("/"+hubHost+"/", r.addr, "Authorization: Bearer hf_"+strings.TrimPrefix(wrong, "wbk_"))
		}, 401, auth.CodeKeyInvalid},
		"reverse foreign token": {func() *workerReply { return r.worker().get("/"+hubHost+"/", r.addr, "Authorization: Bearer hf_abc") }, 401, auth.CodeKeyMissing},
		"reverse two keys": {func() *workerReply {
			return r.worker().get("/"+hubHost+"/", r.addr, "Authorization: Bearer "+r.key.Reveal(), "X-Weighbridge-Key: "+r.writeKey.Reveal())
		}, 400, auth.CodeBadRequest},
		"wrong URL key": {func() *workerReply {
			return r.worker().get("/.weighbridge/k/"+auth.NewURLKey().Reveal()+"/"+hubHost+"/", r.addr)
		}, 401, auth.CodeKeyInvalid},
		"no URL key": {func() *workerReply { return r.worker().get("/.weighbridge/k/x/"+hubHost+"/", r.addr) }, 401, auth.CodeKeyInvalid},
		"URL key and the key of another": {func() *workerReply {
			return r.worker().get("/.weighbridge/k/"+r.urlKey.Reveal()+"/"+hubHost+"/", r.addr, "Authorization: Bearer "+r.writeKey.Reveal())
		}, 400, auth.CodeBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			a := c.ask()
			r.expect(a, c.status, c.code)
			want := map[int]string{407: "Proxy-Authenticate", 401: "WWW-Authenticate"}[c.status]
			if want != "" && a.header.Get(want) != `Basic realm="weighbridge"` {
				t.Errorf("%s: %q", want, a.header.Get(want))
			}
		})
	}
	hub.none()
	if n := len(r.recorder.of(auth.ActionDenied)); n != 1 {
		// Only the caller that showed two keys was identified.
		t.Errorf("%d refusals of strangers are on record one by one", n)
	}
}

// A secret of the admin API opens nothing here, says which one does, and goes
// nowhere, even beside a key that would do.
func TestASecretOfTheAdminAPIIsRefusedAndGoesNowhere(t *testing.T) {
	r := newRig(t, rigOptions{policy: Policy{UnmatchedForward: auth.UnmatchedPass}})
	hub, plain := r.hub(ok), r.route(plainHost+":80", newOrigin(t, ok))
	token := auth.NewAccessToken().Reveal()
	for name, c := range map[string]struct {
		ask    func() *workerReply
		status int
	}{
		"CONNECT": {func() *workerReply { return r.worker().connect(hubHost+":443", "Proxy-Authorization: Bearer "+token) }, 407},
		"reverse": {func() *workerReply { return r.worker().get("/"+hubHost+"/", r.addr, "Authorization: Bearer "+token) }, 401},
		"reverse beside a key": {func() *workerReply {
			return r.worker().get("/"+hubHost+"/", r.addr, "Authorization: Bearer "+token, "X-Weighbridge-Key: "+r.key.Reveal())
		}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			a := c.ask()
			r.expect(a, c.status, auth.CodeKeyInvalid)
			if body := string(a.body); !strings.Contains(body, "admin API") || !strings.Contains(body, "wbk_") || strings.Contains(body, token) {
				t.Errorf("it is told %s", body)
			}
		})
	}
	hub.none()
	r.expect(r.worker().get("http://"+plainHost+"/a", plainHost, r.proxyAuth(), "X-Token: "+token), 400, auth.CodeBadRequest)
	plain.none()
}

func TestRefusalsSayWhatAndWhatNext(t *testing.T) {
	r := newRig(t, rigOptions{})
	a := r.reverse("/" + otherHost + "/a?secret=query")
	r.expect(a, 403, auth.CodeNoCredentialMatched)
	var body map[string]string
	r.must(json.Unmarshal(a.body, &body))
	for _, k := range []string{"error", "code", "reason", "next", "request_id"} {
		if body[k] == "" {
			t.Errorf("%s is missing in %v", k, body)
		}
	}
	if body["code"] != "no_credential_matched" || body["request_id"] != a.header.Get("X-Request-Id") {
		t.Errorf("%v %q", body, a.header)
	}
	if strings.Contains(string(a.body), "query") {
		t.Error("the query is in the refusal")
	}
	denied := r.recorder.eventually(auth.ActionDenied, 1)
	if len(denied) != 1 || denied[0].Code != auth.CodeNoCredentialMatched || denied[0].Host != otherHost || denied[0].Path != "/a" || denied[0].KeyName != "worker" {
		t.Errorf("denied: %+v", denied)
	}
	// The provider of the host adds the fields that its clients read, whoever
	// asks.
	a = r.worker().get("/"+hubHost+"/a", r.addr)
	r.expect(a, 401, auth.CodeKeyMissing)
	if a.header.Get("X-Error-Code") != "Weighbridge" {
		t.Errorf("%q", a.header)
	}
	a = r.reverse("/" + hubHost + "/whoami")
	r.expect(a, 403, auth.CodeScopeForbidden)
	if a.header.Get("X-Error-Code") != "Weighbridge" || a.header.Get("X-Error-Message") == "" {
		t.Errorf("%q", a.header)
	}
}

func TestRefusalsOfHEADHaveNoBody(t *testing.T) {
	r := newRig(t, rigOptions{})
	w := r.worker()
	w.send("HEAD /" + otherHost + "/a HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.key.Reveal() + "\r\n\r\n")
	r.expect(w.read("HEAD"), 403, auth.CodeNoCredentialMatched)
	// The connection is good for another request, so no body came.
	r.hub(ok)
	if a := w.get("/"+hubHost+"/a", r.addr, "Authorization: Bearer "+r.key.Reveal()); a.status != 200 {
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

func TestAKeyThatHasEndedIsToldSoWhereItsClientsShowIt(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.hub(ok)
	r.revoke()
	a := r.tunnel(hubHost).get("/a", hubHost)
	r.expect(a, 403, auth.CodeKeyRevoked)
	r.expect(r.worker().connect(otherHost+":443", r.proxyAuth()), 403, auth.CodeKeyRevoked)
	r.expect(r.worker().connect(casHost+":443", r.proxyAuth()), 403, auth.CodeKeyRevoked)
	r.expect(r.reverse("/"+hubHost+"/a"), 403, auth.CodeKeyRevoked)
	for _, e := range r.recorder.eventually(auth.ActionDenied, 4) {
		if e.Code != auth.CodeKeyRevoked || e.KeyName != "worker" {
			t.Errorf("%+v", e)
		}
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

func TestMetricsAreToldOfEveryRequestOnce(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.hub(ok)
	r.cdn()
	told := 0
	once := func(a *workerReply, status int, code auth.Code) {
		t.Helper()
		r.expect(a, status, code)
		told++ // once the answer is out
		r.eventually("a sample", func() bool { return len(r.metrics.all()) >= told })
	}
	once(r.reverse("/"+hubHost+"/a"), 200, "")
	once(r.tunnel(cdnHost).get("/f?Expires=1&Signature=a&Key-Pair-Id=b", cdnHost), 200, "")
	once(r.reverse("/"+otherHost+"/a"), 403, auth.CodeNoCredentialMatched)
	once(r.worker().get("/"+hubHost+"/a", r.addr), 401, auth.CodeKeyMissing)
	once(r.worker().get("/.weighbridge/healthz", r.addr), 200, "")
	var got []string
	for _, s := range r.metrics.all() {
		got = append(got, fmt.Sprint(s.Mode, " ", s.Outcome, " ", s.Provider, " ", s.Code, " ", s.Status, " ", s.Bytes))
	}
	want := []string{"reverse inject fake  200 5", "forward bare fake  200 7", "reverse refused  no_credential_matched 403 0", "reverse refused  key_missing 401 0", "own bare   200 16"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// The time to the first byte is that of answers: where there was none, it is
// none either, in metrics and log, and what was allowed stays allowed.
func TestWhereNoAnswerCameThereIsNoFirstByte(t *testing.T) {
	r := newRig(t, rigOptions{})
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	r.must(err)
	r.must(gone.Close())
	r.dialer.resolve(hubHost+":443", gone.Addr().String())
	r.expect(r.reverse("/"+hubHost+"/a"), 502, auth.CodeUpstreamUnreachable)
	r.eventually("a sample", func() bool { return len(r.metrics.all()) > 0 })
	if s := r.metrics.all()[0]; s.FirstByte != 0 || s.Outcome != "inject" || s.Code != auth.CodeUpstreamUnreachable || s.Status != 502 {
		t.Errorf("%+v", s)
	}
	if strings.Contains(r.log.String(), "first_byte") {
		t.Errorf("the log tells of a first byte: %s", r.log)
	}
}

func TestTheBodyDecidesAndTravels(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub := r.hub(ok)
	post := func(body string, extra ...string) *workerReply {
		w := r.worker()
		h := append([]string{"POST /" + hubHost + "/repo/batch HTTP/1.1", "Host: " + r.addr, "Authorization: Bearer " + r.key.Reveal()}, extra...)
		w.send(strings.Join(h, "\r\n") + "\r\n\r\n" + body)
		return w.read("POST")
	}
	download := `{"operation":"download"}`
	r.expect(post(download, "Content-Length: 24"), 200, "")
	if q := hub.last(); string(q.body) != download || q.fields.Get("Authorization") != "Bearer "+canary {
		t.Errorf("the hub got %q", q.head+string(q.body))
	}
	r.expect(post("c\r\n{\"operation\"\r\nc\r\n:\"download\"}\r\n0\r\n\r\n", "Transfer-Encoding: chunked"), 200, "")
	if q := hub.last(); string(q.body) != download {
		t.Errorf("the hub got %q", q.body)
	}
	n := len(hub.requests())
	r.expect(post(`{"operation":"upload"  }`, "Content-Length: 24"), 403, auth.CodeScopeForbidden)
	r.expect(post(download, "Content-Length: 24", "Content-Encoding: gzip"), 403, auth.CodeScopeForbidden)
	r.expect(post(download+strings.Repeat(" ", 64<<10), "Content-Length: 65560"), 403, auth.CodeScopeForbidden)
	long := "10001\r\n" + download + strings.Repeat(" ", 0x10001-24) + "\r\n0\r\n\r\n"
	r.expect(post(long, "Transfer-Encoding: chunked"), 403, auth.CodeScopeForbidden)
	if len(hub.requests()) != n {
		t.Error("a refused request was sent")
	}
}

func TestAKeyRevokedWhileItsBodyIsReadIsRefused(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub := r.hub(ok)
	w := r.worker()
	w.send("POST /" + hubHost + "/repo/batch HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.key.Reveal() + "\r\nExpect: 100-continue\r\nContent-Length: 24\r\n\r\n")
	head, err := rawHead(w.br) // it waits for the body now
	r.must(err)
	if !strings.HasPrefix(head, "HTTP/1.1 100 ") {
		t.Fatalf("%q", head)
	}
	r.revoke()
	w.send(read)
	r.expect(w.read("POST"), 403, auth.CodeKeyRevoked)
	hub.none()
}

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
