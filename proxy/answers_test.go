package proxy

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

func TestT50_NoErrorTellsASecretAQueryOrAHeader(t *testing.T) {
	const mark = "q-u-e-r-y"
	r := newRig(t, rigOptions{})
	r.hub(func(q *request) bool { panic("not reached") }).close()
	down := newOrigin(t, ok, evilHost)
	r.route(hubHost+":443", down) // the wrong certificate
	r.recorder.set(func(*memory) {})
	var got bytes.Buffer
	for _, ask := range []func() *workerReply{
		func() *workerReply { return r.reverse("/"+hubHost+"/a?"+mark, "X-Own: "+mark, "Cookie: "+mark) },
		func() *workerReply { return r.reverse("/"+otherHost+"/a?"+mark, "X-Own: "+mark) },
		func() *workerReply { return r.tunnel(hubHost).get("/a?"+mark, hubHost, "Authorization: Bearer "+mark) },
		func() *workerReply { return r.tunnel(hubHost).get("/a?"+mark, evilHost) },
		func() *workerReply { return r.reverse("/" + hubHost + "/%zz?" + mark) },
		func() *workerReply { return r.reverse("/user:" + mark + "@" + hubHost + "/a") },
		func() *workerReply { return r.worker().get("http://"+otherHost+"/a?"+mark, otherHost, r.proxyAuth()) },
		func() *workerReply { return r.worker().connect(otherHost+":443", r.proxyAuth(), "X-Own: "+mark) },
		func() *workerReply { return r.worker().get("/.weighbridge/s/"+mark+"?"+mark, r.addr) },
		func() *workerReply {
			return r.worker().get("/"+hubHost+"/?"+mark, r.addr, "Authorization: Bearer wbk_"+mark)
		},
		func() *workerReply { return r.worker().get("/"+hubHost+"/?"+mark, r.addr, "Bad Header: "+mark) },
	} {
		a := ask()
		if a.status < 400 || a.code() == "" {
			t.Errorf("%d is not a refusal", a.status)
		}
		got.WriteString(a.raw)
		got.Write(a.body)
	}
	for place, s := range map[string]string{"worker": got.String(), "log": r.log.String(), "audit": fmt.Sprintf("%+v", r.recorder.all()), "metrics": fmt.Sprintf("%+v", r.metrics.all())} {
		if i := strings.Index(s, mark); i >= 0 {
			t.Errorf("the %s has it: …%s…", place, s[max(0, i-80):min(len(s), i+40)])
		}
	}
}

func TestT50_APanicTellsNothingAndEndsTheConnection(t *testing.T) {
	r := newRig(t, rigOptions{options: func(o *Options) {
		o.Signer = signerFunc(func() { panic("the signer saw " + canary) })
	}})
	hub := r.hub(ok)
	w := r.worker()
	a := w.get("/"+hubHost+"/a?query", r.addr, "Authorization: Bearer "+r.key.Reveal())
	r.expect(a, 500, auth.CodeInternal)
	if ended, _ := w.closed(); !ended {
		t.Error("the connection goes on")
	}
	hub.none()
	if l := r.log.String(); !strings.Contains(l, "a request failed") || strings.Contains(l, "query") {
		t.Errorf("log: %s", l)
	}
	if n := len(r.proxy.Transfers()); n != 0 {
		t.Errorf("%d transfers are left", n)
	}
}

func TestT51_ReflectedSecretsAreMasked(t *testing.T) {
	forms := map[string]string{
		"raw": canary, "base64": base64.StdEncoding.EncodeToString([]byte(canary)), "percent": url.QueryEscape("Bearer " + canary),
	}
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, rigOptions{})
			body := `{"headers":{"authorization":"` + form + `"}}`
			r.hub(func(q *request) bool {
				return text(q, "200 OK", body, "Content-Type: application/json", "X-Echo: "+form, "ETag: \"e\"", "Location: /next?t="+form)
			})
			a := r.tunnel(hubHost).get("/a", hubHost)
			if len(a.body) != len(body) || bytes.Contains(a.body, []byte(form)) || strings.Contains(a.raw, form) || a.header.Get("X-Echo") == "" {
				t.Errorf("%s %s", a.raw, a.body)
			}
			if !bytes.HasPrefix(a.body, []byte(`{"headers":{"authorization":"`)) || a.err != nil {
				t.Errorf("%s", a.body)
			}
		})
	}
}

func TestT51_ReflectedInGzipInChunksAndInTrailers(t *testing.T) {
	r := newRig(t, rigOptions{})
	var z bytes.Buffer
	zw := gzip.NewWriter(&z)
	_, _ = zw.Write([]byte("token=" + canary + "&rest"))
	_ = zw.Close()
	hub := r.hub(func(q *request) bool {
		switch {
		case strings.HasPrefix(q.target, "/gzip"):
			return text(q, "200 OK", z.String(), "Content-Type: text/plain", "Content-Encoding: gzip")
		case strings.HasPrefix(q.target, "/br"):
			return text(q, "200 OK", "\x8b\x01\x80", "Content-Type: text/plain", "Content-Encoding: br")
		}
		_, _ = io.WriteString(q.w, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nTrailer: X-Trail\r\n\r\n")
		for _, c := range "x" + canary + "y" {
			_, _ = fmt.Fprintf(q.w, "1\r\n%c\r\n", c)
		}
		_, _ = io.WriteString(q.w, "0\r\nX-Trail: "+canary+"\r\n\r\n")
		return true
	})
	in := r.tunnel(hubHost)
	a := in.get("/gzip", hubHost, "Accept-Encoding: gzip, br, zstd")
	if a.status != 200 || a.header.has("Content-Encoding") || len(a.body) != len("token=&rest")+len(canary) || strings.Contains(string(a.body), canary) {
		t.Errorf("%s %q", a.raw, a.body)
	}
	if ae := hub.last().fields.Get("Accept-Encoding"); strings.Contains(ae, "br") || strings.Contains(ae, "zstd") {
		t.Errorf("asked for %q", ae)
	}
	a = in.get("/chunks", hubHost)
	if a.status != 200 || len(a.body) != len(canary)+2 || a.err != nil {
		t.Errorf("%s %q %v", a.raw, a.body, a.err)
	}
	r.expect(in.get("/br", hubHost), 502, auth.CodeUpstreamProtocol)
	// searchCanary looks through every byte that arrived, trailers included.
}

func TestT51_BinariesAndLargeBodiesAreUntouched(t *testing.T) {
	r := newRig(t, rigOptions{})
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16+1)
	r.hub(func(q *request) bool {
		return text(q, "200 OK", string(big), "Content-Type: application/octet-stream", "Content-Encoding: identity", "ETag: W/\"x\"", "Accept-Ranges: bytes")
	})
	a := r.tunnel(hubHost).get("/a", hubHost)
	if !bytes.Equal(a.body, big) || a.header.Get("ETag") != `W/"x"` || a.header.Get("Accept-Ranges") != "bytes" || a.err != nil {
		t.Errorf("%s %d %v", a.raw, len(a.body), a.err)
	}
}

func TestT51_ARangeOfATextIsAnsweredFromTheWholeMaskedText(t *testing.T) {
	r := newRig(t, rigOptions{})
	whole := "head " + canary + " tail"
	hub := r.hub(func(q *request) bool {
		if q.fields.has("Range") {
			part := whole[8:20]
			return text(q, "206 Partial Content", part, "Content-Type: text/plain", fmt.Sprintf("Content-Range: bytes 8-19/%d", len(whole)), "ETag: \"e\"")
		}
		return text(q, "200 OK", whole, "Content-Type: text/plain", "ETag: \"e\"")
	})
	in := r.tunnel(hubHost)
	a := in.get("/t", hubHost, "Range: bytes=3-20")
	if a.status != 206 || a.header.Get("Content-Range") != fmt.Sprintf("bytes 3-20/%d", len(whole)) || len(a.body) != 18 || !strings.HasPrefix(string(a.body), "d ") {
		t.Errorf("%s %q", a.raw, a.body)
	}
	if n := len(hub.requests()); n != 2 {
		t.Errorf("%d requests", n)
	}
	if q := hub.last(); q.fields.has("Range") || q.fields.Get("Authorization") != "Bearer "+canary {
		t.Errorf("%q", q.head)
	}
	// Each of the two is on record, with its end.
	if used, ends := r.recorder.of(auth.ActionUsed), r.recorder.eventually(auth.ActionFinished, 2); len(used) != 2 || len(ends) != 2 || used[0].RequestID == used[1].RequestID {
		t.Errorf("used %+v, finished %+v", used, ends)
	}
	if a := in.get("/t", hubHost, "Range: bytes=1000-"); a.status != 416 || a.header.Get("Content-Range") != fmt.Sprintf("bytes */%d", len(whole)) {
		t.Errorf("%s", a.raw)
	}
}

func TestT51_ARangeOfACodedText(t *testing.T) {
	r := newRig(t, rigOptions{})
	zip := func(s string) string {
		var z bytes.Buffer
		zw := gzip.NewWriter(&z)
		_, _ = zw.Write([]byte(s))
		_ = zw.Close()
		return z.String()
	}
	texts := map[string]string{"/clean": zip("nothing of ours"), "/echo": zip("x " + canary)}
	hub := r.hub(func(q *request) bool {
		whole := texts[q.target]
		extra := []string{"Content-Type: text/plain", "Content-Encoding: gzip", "ETag: \"e\""}
		if q.fields.has("Range") {
			return text(q, "206 Partial Content", whole[3:9], append(extra, fmt.Sprintf("Content-Range: bytes 3-8/%d", len(whole)))...)
		}
		return text(q, "200 OK", whole, extra...)
	})
	in := r.tunnel(hubHost)
	a := in.get("/clean", hubHost, "Range: bytes=3-8", "Accept-Encoding: gzip, br")
	if a.status != 206 || string(a.body) != texts["/clean"][3:9] || a.header.Get("Content-Encoding") != "gzip" || a.header.Get("Content-Range") != fmt.Sprintf("bytes 3-8/%d", len(texts["/clean"])) {
		t.Errorf("%s %q", a.raw, a.body)
	}
	if ae := hub.last().fields.Values("Accept-Encoding"); len(ae) != 1 || ae[0] != "gzip" {
		t.Errorf("asked for %q", ae)
	}
	a = in.get("/echo", hubHost, "Range: bytes=3-8", "Accept-Encoding: gzip")
	if a.status != 200 || a.header.has("Content-Range") || a.header.has("Content-Encoding") || len(a.body) != len(canary)+2 || strings.HasPrefix(a.raw, "HTTP/1.1 200 Partial") {
		t.Errorf("%s %q", a.raw, a.body)
	}
}

func TestT52_WhatAnInjectedAnswerMayNotLeaveBehind(t *testing.T) {
	r := newRig(t, rigOptions{})
	extra := []string{
		"Set-Cookie: a=b", "set-cookie: c=d", "Authentication-Info: x", "Proxy-Authenticate: Basic", "Proxy-Authentication-Info: y",
		"Alt-Svc: h3=\":443\"", "X-Weighbridge-Error: forged", "x-weighbridge-decision: forged", "WWW-Authenticate: Basic realm=\"hub\"", "X-Request-Id: theirs",
	}
	r.hub(func(q *request) bool { return text(q, "401 Unauthorized", "their words", extra...) })
	a := r.tunnel(hubHost).get("/a", hubHost)
	if a.status != 401 || string(a.body) != "their words" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for _, n := range []string{"Set-Cookie", "Authentication-Info", "Proxy-Authenticate", "Proxy-Authentication-Info", "Alt-Svc", headerError} {
		if a.header.has(n) {
			t.Errorf("%s came through", n)
		}
	}
	if a.header.Get("WWW-Authenticate") != `Basic realm="hub"` || a.header.Get("X-Request-Id") != "theirs" {
		t.Errorf("%q", a.raw)
	}
	if got := a.header.Values(headerDecision); len(got) != 1 || got[0] != `used credential "hub-prod" by `+hubHost+`/*: the upstream refused it` {
		t.Errorf("decision %q", got)
	}
	if got, want := a.header.Get("X-Explained"), a.header.Get(headerDecision); got != want {
		t.Errorf("the provider's clients are told %q", got)
	}
	// Without a credential the answer is the worker's own business.
	other := r.route(otherHost+":443", newOrigin(t, func(q *request) bool { return text(q, "403 Forbidden", "", extra...) }, otherHost))
	a = r.worker().get("https://"+otherHost+"/a", otherHost, r.proxyAuth())
	if got := a.header.Values("Set-Cookie"); len(got) != 2 || a.header.has("Alt-Svc") || a.header.has(headerError) || !a.header.has("Authentication-Info") {
		t.Errorf("%s", a.raw)
	}
	if got := a.header.Get(headerDecision); !strings.HasPrefix(got, "nothing was put on the request: ") {
		t.Errorf("decision %q", got)
	}
	_ = other
}

func TestT54_AKeyInAnotherPlaceIsRefusedAndNotSubstituted(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub := r.hub(ok)
	key := r.key.Reveal()
	for _, ask := range []func() *workerReply{
		func() *workerReply { return r.reverse("/" + hubHost + "/a?token=" + key) },
		func() *workerReply { return r.reverse("/" + hubHost + "/" + key) },
		func() *workerReply { return r.reverse("/"+hubHost+"/a", "Referer: https://x.example/?k="+key) },
		func() *workerReply { return r.reverse("/"+hubHost+"/a", "X-Api-Key: "+r.urlKey.Reveal()) },
		func() *workerReply { return r.tunnel(hubHost).get("/a?token="+key, hubHost) },
	} {
		r.expect(ask(), 400, auth.CodeBadRequest)
	}
	hub.none()
	// A Cookie goes away where a credential is put on; a body is not looked into
	// and arrives as it is.
	r.expect(r.reverse("/"+hubHost+"/a", "Cookie: k="+key), 200, "")
	if strings.Contains(hub.bytes.String(), key) {
		t.Error("the key reached the upstream")
	}
}

func TestT55_DebugLogsHoldNoAuthorizationAndNoSignature(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.hub(func(q *request) bool {
		return text(q, "302 Found", "", "Location: https://"+cdnHost+"/f?X-Amz-Algorithm=A&X-Amz-Signature=SIGNATURE")
	})
	r.cdn()
	r.expect(r.reverse("/"+hubHost+"/a?sig=SIGNATURE&x=1", "X-Amz-Security-Token: SIGNATURE"), 302, "")
	in := r.tunnel(cdnHost)
	r.expect(in.get("/f?X-Amz-Algorithm=A&X-Amz-Signature=SIGNATURE", cdnHost, "Authorization: Bearer SIGNATURE"), 200, "")
	r.recorder.eventually(auth.ActionSummary, 1)
	for place, s := range map[string]string{"log": r.log.String(), "audit": fmt.Sprintf("%+v", r.recorder.all()), "transfers": fmt.Sprintf("%+v", r.proxy.Transfers())} {
		if strings.Contains(s, "SIGNATURE") {
			t.Errorf("the %s holds it: %s", place, s)
		}
	}
	if !strings.Contains(r.log.String(), `"url":"https://`+hubHost+`/a"`) {
		t.Errorf("log: %s", r.log.String())
	}
}

func TestT58_AnotherKeysCredentialIsAsGoodAsNone(t *testing.T) {
	r := newRig(t, rigOptions{})
	o := r.route(notLinked+":443", newOrigin(t, ok, notLinked))
	a := r.reverse("/"+notLinked+"/a", "X-Weighbridge-Credential: cred_unlinked", "X-Credential-Id: cred_unlinked")
	r.expect(a, 403, auth.CodeNotLinked)
	o.none()
}

func TestT58_TooManyWrongKeysAreToldToWaitAndRightOnesPass(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.hub(ok)
	wrong := func() *workerReply {
		return r.worker().get("/"+hubHost+"/a", r.addr, "Authorization: Bearer "+auth.NewAPIKey().Reveal())
	}
	for range maxFailures {
		r.expect(wrong(), 401, auth.CodeKeyInvalid)
	}
	a := wrong()
	r.expect(a, 429, auth.CodeTooManyAttempts)
	if s := a.header.Get("Retry-After"); s == "" || s == "0" || len(s) > 2 {
		t.Errorf("Retry-After %q", s)
	}
	r.expect(r.worker().connect(hubHost+":443", "Proxy-Authorization: Bearer "+auth.NewAPIKey().Reveal()), 429, auth.CodeTooManyAttempts)
	r.expect(r.reverse("/"+hubHost+"/a"), 200, "")
	// No key at all is how clients begin; it is not counted.
	r.expect(r.worker().get("/"+hubHost+"/a", r.addr), 401, auth.CodeKeyMissing)
	r.clock.advance(time.Minute)
	r.expect(wrong(), 401, auth.CodeKeyInvalid)
}

// signerFunc does something in place of signing.
type signerFunc func()

func (f signerFunc) Sign(_ context.Context, _ auth.Decision, _ *auth.Outgoing) (auth.Applied, error) {
	f()
	return auth.Applied{}, errors.New("nothing was put on")
}

// Who asks hears what was put on a request that succeeded, too; nobody else
// does, and no upstream hears of the question.
func TestExplainedWhereItIsAskedFor(t *testing.T) {
	r := newRig(t, rigOptions{})
	var asked []string
	r.hub(func(q *request) bool {
		asked = append(asked, q.head)
		return ok(q)
	})
	for question, want := range map[string]bool{"X-Weighbridge-Explain: 1": true, "X-Weighbridge-Explain: 0": false, "X-Other: 1": false} {
		a := r.reverse("/"+hubHost+"/a", question)
		if said := a.header.Get(headerDecision); a.status != 200 || strings.HasPrefix(said, `used credential "`) != want || strings.Contains(said, "refused") {
			t.Errorf("%s: %d %q", question, a.status, said)
		}
	}
	if all := strings.ToLower(strings.Join(asked, "")); strings.Contains(all, "explain") {
		t.Error("the upstream was told")
	}
}
