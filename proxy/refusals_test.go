package proxy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

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
