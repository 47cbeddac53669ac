package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// evil starts a host that must never receive anything, at every port where
// somebody could try.
func (r *rig) evil() *origin {
	o := newOrigin(r.t, ok, evilHost)
	r.route(evilHost+":443", o)
	r.route(evilHost+":80", newOrigin(r.t, ok))
	return o
}

func TestT01_InnerHostOtherThanTheTunnelIsMisdirected(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub, evil := r.hub(ok), r.evil()
	a := r.tunnel(hubHost).get("/a", evilHost)
	r.expect(a, 421, auth.CodeMisdirected)
	if e := r.recorder.eventually(auth.ActionDenied, 1); len(e) != 1 || e[0].Code != auth.CodeMisdirected || e[0].KeyName != "worker" {
		t.Errorf("denied: %+v", e)
	}
	for _, host := range []string{hubHost + ":8443", "user@" + hubHost, hubHost + ".", "", hubHost + " " + evilHost} {
		if a := r.tunnel(hubHost).get("/a", host); a.status != 421 && a.status != 400 {
			t.Errorf("Host %q: %d", host, a.status)
		}
	}
	hub.none()
	evil.none()
	if d := r.dialer.dialled(); len(d) > 0 {
		t.Errorf("dialled %q", d)
	}
}

func TestT02_ServerNameMustBeTheTunnelsHost(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub := r.hub(ok)
	for _, name := range []string{evilHost, "sub." + hubHost, ""} {
		w := r.worker()
		if a := w.connect(hubHost+":443", r.proxyAuth()); a.status != 200 {
			t.Fatalf("%d", a.status)
		}
		c := tls.Client(w.c, &tls.Config{ServerName: name, InsecureSkipVerify: true}) //nolint:gosec // the server must refuse
		if err := c.Handshake(); err == nil {
			t.Errorf("the handshake for %q came about, with a leaf for %v", name, c.ConnectionState().PeerCertificates[0].DNSNames)
		}
	}
	denied := r.recorder.eventually(auth.ActionDenied, 3)
	for _, e := range denied {
		if e.Code != auth.CodeMisdirected || e.KeyName != "worker" || e.Host != hubHost {
			t.Errorf("denied: %+v", e)
		}
	}
	if len(denied) != 3 {
		t.Errorf("%d refusals on record", len(denied))
	}
	hub.none()
	// The leaf is for the host of the CONNECT.
	in := r.tunnel(hubHost)
	if leaf := in.c.(*tls.Conn).ConnectionState().PeerCertificates[0]; len(leaf.DNSNames) != 1 || leaf.DNSNames[0] != hubHost {
		t.Errorf("leaf for %v", leaf.DNSNames)
	}
}

func TestT02_TheHostFieldOfAConnectMustBeItsTarget(t *testing.T) {
	r := newRig(t, rigOptions{})
	w := r.worker()
	w.send("CONNECT " + hubHost + ":443 HTTP/1.1\r\nHost: " + evilHost + ":443\r\n" + r.proxyAuth() + "\r\n\r\n")
	r.expect(w.read("GET"), 421, auth.CodeMisdirected)
}

func TestT02_BlindTunnelsCarryTLSForTheirHostOnly(t *testing.T) {
	r := newRig(t, rigOptions{})
	cas := r.route(casHost+":443", newOrigin(t, ok, casHost, evilHost))
	for _, name := range []string{evilHost, ""} {
		w := r.worker()
		if a := w.connect(casHost+":443", r.proxyAuth()); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		c := tls.Client(w.c, &tls.Config{ServerName: name, InsecureSkipVerify: true}) //nolint:gosec // the tunnel must break
		if err := c.Handshake(); err == nil {
			t.Errorf("a handshake for %q passed the tunnel", name)
		}
	}
	cas.none()
	w := r.worker()
	if a := w.connect(casHost+":443", r.proxyAuth()); a.status != 200 {
		t.Fatalf("%d", a.status)
	}
	in, err := w.inside(casHost)
	r.must(err)
	if a := in.get("/v1/reconstructions/x", casHost, "Authorization: Bearer jwt"); a.status != 200 || cas.last().fields.Get("Authorization") != "Bearer jwt" {
		t.Errorf("%d %q", a.status, cas.last().head)
	}
}

func TestT04_EachRequestInATunnelIsDecidedAfresh(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub, evil := r.hub(ok), r.evil()
	in := r.tunnel(hubHost)
	r.expect(in.get("/a", hubHost), 200, "")
	r.expect(in.get("/b", evilHost), 421, auth.CodeMisdirected)
	evil.none()
	if n := len(hub.requests()); n != 1 {
		t.Errorf("the hub got %d requests", n)
	}
	// A key that is revoked in between is refused at once, in the same tunnel.
	in = r.tunnel(hubHost)
	r.expect(in.get("/a", hubHost), 200, "")
	r.revoke()
	a := in.get("/a", hubHost)
	r.expect(a, 403, auth.CodeKeyRevoked)
	if a.header.Get("X-Error-Code") != "Weighbridge" {
		t.Errorf("no words for the clients of this host: %q", a.header)
	}
	if n := len(hub.requests()); n != 2 {
		t.Errorf("the hub got %d requests", n)
	}
	denied := r.recorder.eventually(auth.ActionDenied, 2)
	if len(denied) != 2 || denied[1].Code != auth.CodeKeyRevoked || denied[1].KeyID != "key_read" {
		t.Errorf("denied: %+v", denied)
	}
}

func TestT05_AbsoluteTargetsInATunnelMustBeItsOwn(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub, evil := r.hub(ok), r.evil()
	for target, want := range map[string]int{
		"http://" + evilHost + "/":                  400,
		"https://" + hubHost + "@" + evilHost + "/": 400,
		"https://" + evilHost + "/":                 421,
		"http://" + hubHost + "/":                   400,
		"https://" + hubHost + ":8443/":             421,
		"*":                                         400,
		hubHost + ":443":                            400,
		"//" + evilHost + "/a":                      200, // a path, byte for byte
		"https://" + hubHost + "/a?b":               200,
	} {
		in := r.tunnel(hubHost)
		if a := in.get(target, hubHost); a.status != want {
			t.Errorf("%s: %d %s, want %d", target, a.status, a.code(), want)
		}
	}
	evil.none()
	for _, q := range hub.requests() {
		if q.target != "/a?b" && q.target != "//"+evilHost+"/a" {
			t.Errorf("the hub got %q", q.target)
		}
		if q.fields.Get("Host") != hubHost {
			t.Errorf("Host %q", q.fields.Get("Host"))
		}
	}
}

func TestT06_RedirectsGoToTheWorkerAndTheCredentialDoesNot(t *testing.T) {
	for _, status := range []string{"301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"} {
		for _, to := range []string{"https://" + evilHost + "/", "https://sub." + hubHost + "/", "https://" + hubHost + ":8444/", "http://" + hubHost + "/"} {
			t.Run(status[:3]+" "+to, func(t *testing.T) {
				r := newRig(t, rigOptions{})
				hub := r.hub(func(q *request) bool { return text(q, status, "", "Location: "+to) })
				evil := r.evil()
				in := r.tunnel(hubHost)
				a := in.get("/a", hubHost)
				if fmt.Sprint(a.status) != status[:3] || a.header.Get("Location") != to {
					t.Errorf("%d %q", a.status, a.header.Get("Location"))
				}
				evil.none()
				if n := len(hub.requests()); n != 1 {
					t.Errorf("%d requests to the hub", n)
				}
				if d := r.dialer.dialled(); len(d) != 1 || d[0] != hubHost+":443" {
					t.Errorf("dialled %q", d)
				}
			})
		}
	}
}

func TestT07_NothingIsInjectedOnCleartextUnlessThePatternSaysSo(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub := r.route(hubHost+":80", newOrigin(t, ok))
	a := r.worker().get("http://"+hubHost+"/a", hubHost, r.proxyAuth())
	r.expect(a, 200, "")
	if q := hub.last(); q.fields.has("Authorization") {
		t.Errorf("the credential went out in the clear: %q", q.head)
	}
	r.expect(r.reverse("/http:"+hubHost+"/a"), 403, auth.CodeNoCredentialMatched)
	if r.signer.calls.Load() != 0 {
		t.Error("something was signed")
	}
}

func TestT08_SignedURLPassesUntouched(t *testing.T) {
	r := newRig(t, rigOptions{})
	cdn := r.cdn()
	hub := r.hub(ok)
	for name, query := range map[string]string{
		"S3":         "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2Fb&X-Amz-Date=20260101T000000Z&X-Amz-Signature=ab+c%2Bd&response-content-disposition=inline%3B+filename*%3DUTF-8''f",
		"CloudFront": "Expires=1&Signature=a~b_&Key-Pair-Id=K&Policy=e30_",
		"GCS":        "X-Goog-Algorithm=g&X-Goog-Signature=00ff&x=%7e",
		"SAS":        "sv=2020&se=2030-01-01T00%3A00%3A00Z&sp=r&sig=a%2Fb%3D",
		"xet":        "X-Xet-Signed-Range=bytes%3D0-1&Signature=s",
	} {
		t.Run(name, func(t *testing.T) {
			in := r.tunnel(cdnHost)
			a := in.get("/f%2fx//y?"+query, cdnHost, "Authorization: Bearer worker-own", "Cookie: a=b", "Range: bytes=1-2", "If-Range: \"x\"", "User-Agent: curl")
			r.expect(a, 200, "")
			q := cdn.last()
			if q.target != "/f%2fx//y?"+query {
				t.Errorf("target %q", q.target)
			}
			if q.fields.has("Authorization") || q.fields.has("Cookie") {
				t.Errorf("the worker's own travelled: %q", q.head)
			}
			if q.fields.Get("Range") != "bytes=1-2" || q.fields.Get("If-Range") != `"x"` || q.fields.Get("User-Agent") != "curl" {
				t.Errorf("%q", q.head)
			}
			// Also on the host that would get the credential.
			in = r.tunnel(hubHost)
			r.expect(in.get("/f?"+query, hubHost, "Authorization: Bearer worker-own"), 200, "")
			if q := hub.last(); q.fields.has("Authorization") || q.target != "/f?"+query {
				t.Errorf("%q", q.head)
			}
		})
	}
	if r.signer.calls.Load() != 0 {
		t.Error("something was signed")
	}
	if e := r.recorder.of(auth.ActionSummary); len(e) == 0 || e[0].Host != cdnHost || e[0].KeyID != "key_read" {
		t.Errorf("companion requests are not summed up: %+v", e)
	}
}

func TestT08_OnlyASASWithItsUserKeepsTheBearer(t *testing.T) {
	r := newRig(t, rigOptions{})
	cdn := r.route(cdnHost+":443", newOrigin(t, ok, cdnHost))
	in := r.tunnel(cdnHost)
	r.expect(in.get("/c/b?sv=1&sp=r&se=2030-01-01&sduoid=u&sig=x", cdnHost, "Authorization: Bearer entra", "Cookie: c=d"), 200, "")
	if q := cdn.last(); q.fields.Get("Authorization") != "Bearer entra" || q.fields.has("Cookie") {
		t.Errorf("%q", q.head)
	}
	r.expect(in.get("/c/b?sv=1&sp=r&se=2030-01-01&sduoid=u&sig=x", cdnHost, "Authorization: Basic eDp5"), 200, "")
	if q := cdn.last(); q.fields.has("Authorization") {
		t.Errorf("%q", q.head)
	}
}

func TestT13_WithoutInterceptionAnInjectedHostIsRefusedAndNotTunnelled(t *testing.T) {
	r := newRig(t, rigOptions{options: func(o *Options) { o.Minter = nil }})
	hub := r.hub(ok)
	r.expect(r.worker().connect(hubHost+":443", r.proxyAuth()), 502, auth.CodeCredentialFailed)
	hub.none()
	if d := r.dialer.dialled(); len(d) > 0 {
		t.Errorf("dialled %q", d)
	}
}

func TestT14_AnUpstreamThatCannotBeVerifiedGetsNothing(t *testing.T) {
	r := newRig(t, rigOptions{})
	wrong := r.route(hubHost+":443", newOrigin(t, ok, evilHost))
	in := r.tunnel(hubHost)
	r.expect(in.get("/a", hubHost), 502, auth.CodeUpstreamTLS)
	wrong.none()
	if strings.Contains(wrong.bytes.String(), canary) {
		t.Error("the credential was on the wire")
	}
	e := r.recorder.eventually(auth.ActionFinished, 1)
	if len(e) != 1 || e[0].Code != auth.CodeUpstreamTLS || e[0].Status != 502 {
		t.Errorf("finished: %+v", e)
	}
}

func TestT15_WhatCannotBeSignedIsNotSent(t *testing.T) {
	for name, spoil := range map[string]func(*fakeSigner){
		"an error": func(s *fakeSigner) {
			err := errors.New("the row cannot be opened: " + canary)
			s.fail.Store(&err)
		},
		"another host":  func(s *fakeSigner) { s.spoil.Store(true) },
		"a broken line": func(s *fakeSigner) { s.broken.Store(true) },
		"in the query":  func(s *fakeSigner) { s.query.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, rigOptions{})
			hub, evil := r.hub(ok), r.evil()
			spoil(r.signer)
			a := r.reverse("/" + hubHost + "/a")
			r.expect(a, 502, auth.CodeCredentialFailed)
			hub.none()
			evil.none()
			if d := r.dialer.dialled(); len(d) > 0 {
				t.Errorf("dialled %q", d)
			}
			if name == "an error" {
				// This signer broke its promise to keep secrets out of errors;
				// what workers see does not depend on it.
				r.log = &lockedBuffer{}
			}
		})
	}
}

func TestT15_AnUnusableCredentialIsNeverPassedBare(t *testing.T) {
	r := newRig(t, rigOptions{state: func(s *auth.State) { s.Credentials[0].Status = auth.StatusInvalid }})
	hub := r.hub(ok)
	r.expect(r.tunnel(hubHost).get("/a", hubHost), 403, auth.CodeCredentialNotUsable)
	hub.none()
}

func TestT16_HopByHopFieldsAndThoseThatConnectionNames(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub := r.hub(func(q *request) bool {
		return text(q, "200 OK", "x", "Connection: X-Hop, keep-alive", "X-Hop: 1", "Keep-Alive: timeout=5", "Proxy-Connection: x", "X-End: 2")
	})
	in := r.tunnel(hubHost)
	a := in.get("/a", hubHost,
		"Connection:", "Connection: Authorization, X-Amz-Date, close2", "connection: X-Custom",
		"Authorization: Bearer worker-own", "X-Amz-Date: 1", "X-Custom: 2", "Keep-Alive: 5", "TE: trailers", "Trailer: X",
		"Proxy-Connection: keep-alive", "Proxy-Foo: 1", "HTTP2-Settings: x", "X-End: 3")
	r.expect(a, 200, "")
	q := hub.last()
	if got := q.fields.Values("Authorization"); len(got) != 1 || got[0] != "Bearer "+canary {
		t.Errorf("Authorization %q", got)
	}
	for _, n := range []string{"Connection", "X-Amz-Date", "X-Custom", "Keep-Alive", "TE", "Trailer", "Proxy-Connection", "Proxy-Foo", "HTTP2-Settings"} {
		if q.fields.has(n) {
			t.Errorf("%s travelled", n)
		}
	}
	if q.fields.Get("X-End") != "3" {
		t.Error("an end-to-end field was lost")
	}
	for _, n := range []string{"X-Hop", "Keep-Alive", "Proxy-Connection"} {
		if a.header.has(n) {
			t.Errorf("%s came back", n)
		}
	}
	if a.header.Get("X-End") != "2" {
		t.Error("an end-to-end field of the answer was lost")
	}
}

func TestT17_NoKeyOfOursReachesAnUpstream(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub, other := r.hub(ok), r.route(otherHost+":443", newOrigin(t, ok, otherHost))
	key := r.key.Reveal()
	alias := auth.KeyAliasPrefix + strings.TrimPrefix(key, auth.KeyPrefix)
	ask := func(host string, extra ...string) *workerReply {
		return r.worker().get("https://"+host+"/a", host, append([]string{r.proxyAuth()}, extra...)...)
	}
	for _, host := range []string{hubHost, otherHost} {
		for _, f := range []string{
			"Authorization: Bearer " + key, "Authorization: Bearer " + alias, "Authorization: " + basic("x", key), "authorization: token " + key,
			"X-Weighbridge-Key: " + r.writeKey.Reveal(), "x-weighbridge-anything: 1",
		} {
			r.expect(ask(host, f), 200, "")
		}
	}
	for _, o := range []*origin{hub, other} {
		got := o.bytes.String()
		for _, s := range []string{key, alias, r.writeKey.Reveal(), "weighbridge", strings.TrimPrefix(basic("x", key), "Basic ")} {
			if strings.Contains(strings.ToLower(got), strings.ToLower(s)) {
				t.Errorf("%q reached an upstream", s)
			}
		}
	}
	if q := other.last(); q.fields.has("Authorization") {
		t.Errorf("%q", q.head)
	}
	// The worker's own token is not ours and travels where nothing is put on.
	r.expect(ask(otherHost, "Authorization: Bearer worker-own"), 200, "")
	if q := other.last(); q.fields.Get("Authorization") != "Bearer worker-own" {
		t.Errorf("%q", q.head)
	}
}

func TestFieldsThatOverrideOrTellWhereTheWorkerIsDoNotTravel(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub := r.hub(ok)
	dropped := []string{
		"X-HTTP-Method-Override", "X-Http-Method", "x-method-override", "X-Original-URL", "X-Rewrite-URL",
		"Forwarded", "X-Forwarded-For", "x-forwarded-host", "X-Real-IP", "Via", "True-Client-IP", "Max-Forwards",
	}
	extra := []string{"Authorization: Bearer " + r.key.Reveal(), "X-Custom: kept", "Accept: */*", "If-None-Match: \"e\""}
	for _, n := range dropped {
		extra = append(extra, n+": DELETE")
	}
	r.expect(r.worker().get("/"+hubHost+"/a", r.addr, extra...), 200, "")
	q := hub.last()
	for _, n := range dropped {
		if q.fields.has(n) {
			t.Errorf("%s travelled", n)
		}
	}
	if q.method != "GET" || q.fields.Get("X-Custom") != "kept" || q.fields.Get("If-None-Match") != `"e"` || q.fields.Get("Accept") != "*/*" {
		t.Errorf("%q", q.head)
	}
	if got := len(q.fields.Values("Host")); got != 1 || q.fields.Get("Host") != hubHost {
		t.Errorf("Host %q", q.fields.Values("Host"))
	}
}

func TestAPlaceholderIsRemovedAlsoWhereNothingIsPutOn(t *testing.T) {
	r := newRig(t, rigOptions{state: func(s *auth.State) { s.Credentials[0].Patterns = []string{hubHost + "/only/*"} }})
	hub := r.hub(ok)
	in := r.tunnel(hubHost)
	r.expect(in.get("/a", hubHost, "Authorization: Bearer placeholder"), 200, "")
	if q := hub.last(); q.fields.has("Authorization") {
		t.Errorf("%q", q.head)
	}
	r.expect(in.get("/a", hubHost, "Authorization: Bearer real", "Cookie: a=b;c=d"), 200, "")
	if q := hub.last(); q.fields.Get("Authorization") != "Bearer real" || q.fields.Get("Cookie") != "a=b;c=d" {
		t.Errorf("%q", q.head)
	}
}
