package proxy

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// The reason phrase is free text of the upstream.
func TestT51_ReasonPhraseIsMasked(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.hub(func(q *request) bool {
		return text(q, "401 Bad token "+strings.TrimPrefix(q.fields.Get("Authorization"), "Bearer "), "x", "Content-Type: text/plain")
	})
	a := r.reverse("/" + hubHost + "/a")
	if strings.Contains(a.raw, canary) {
		t.Errorf("the secret stands in the status line: %q", strings.SplitN(a.raw, "\r\n", 2)[0])
	}
}

// A field whose name holds a secret goes.
func TestT51_FieldNamesAreMasked(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.hub(func(q *request) bool {
		return text(q, "200 OK", "x", "Content-Type: text/plain", "X-Tok-"+strings.TrimPrefix(q.fields.Get("Authorization"), "Bearer ")+": 1")
	})
	a := r.reverse("/" + hubHost + "/a")
	if strings.Contains(a.raw, canary) {
		t.Errorf("the secret stands in a field name: %q", a.raw)
	}
}

// A coding may stand in a field of its own, before another one: what is to be
// decoded is not taken for plain text.
func TestT51_CodingsInSeveralFields(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.hub(func(q *request) bool {
		var z bytes.Buffer
		zw := gzip.NewWriter(&z)
		_, _ = io.WriteString(zw, "the token is "+q.fields.Get("Authorization"))
		_ = zw.Close()
		return text(q, "200 OK", z.String(), "Content-Type: text/plain", "Content-Encoding: gzip", "Content-Encoding: aws-chunked")
	})
	a := r.reverse("/"+hubHost+"/a", "Accept-Encoding: gzip")
	if !strings.HasPrefix(string(a.body), "the token is ") || strings.Contains(string(a.body), canary) || a.header.has("Content-Encoding") {
		t.Errorf("%q, %q", a.raw, a.body)
	}
}

// The worker chooses where the parts of a multipart/byteranges answer are cut.
func TestT51_PartsOfATextComeWhole(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.hub(func(q *request) bool {
		hr := &http.Request{Method: "GET", Header: http.Header{}}
		if v := q.fields.Get("Range"); v != "" {
			hr.Header.Set("Range", v)
		}
		body := "your headers were: authorization=" + q.fields.Get("Authorization") + " and that is all " + strings.Repeat(".", 200)
		rec := httptest.NewRecorder()
		rec.Header().Set("Content-Type", "text/plain")
		http.ServeContent(rec, hr, "x.txt", time.Time{}, strings.NewReader(body))
		out := fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: %d\r\n", rec.Code, rec.Body.Len())
		for k, v := range rec.Header() {
			if k != "Content-Length" {
				out += k + ": " + v[0] + "\r\n"
			}
		}
		_, err := io.WriteString(q.w, out+"\r\n"+rec.Body.String())
		return err == nil
	})
	a := r.reverse("/"+hubHost+"/a", "Range: bytes=0-150,160-170")
	if bytes.Contains(a.body, []byte(canary)) {
		t.Errorf("%d %s: the secret came in a multipart/byteranges answer of a text", a.status, a.header.Get("Content-Type"))
	}
	a = r.reverse("/"+hubHost+"/a", "Range: bytes=0-150")
	if bytes.Contains(a.body, []byte(canary)) {
		t.Errorf("single range leaks")
	}
}

// CGI and its heirs read "_" as "-".
func TestT27_OverridesInOtherSpellings(t *testing.T) {
	r := newRig(t, rigOptions{})
	o := r.hub(ok)
	r.reverse("/"+hubHost+"/a", "X_HTTP_Method_Override: DELETE", "X_Original_URL: /admin", "Transfer_Encoding: chunked", "X-Original-Method: DELETE", "X-HTTP-Method-Overrides: DELETE", "X_Forwarded_Host: evil", "Content_Length: 5", "X-Override-URL: /x", "X-Original-Path: /x", "X-Envoy-Original-Path: /x", "X-Method: DELETE", "X_Amz_Copy_Source: /other/secret", "x_ms-copy-source: https://x/y", "X_Goog_Copy_Source: /other/secret")
	h := o.last().head
	for _, n := range []string{"X_HTTP_Method_Override", "X_Original_URL", "Transfer_Encoding", "X-Original-Method", "X_Forwarded_Host", "Content_Length", "X-Override-URL", "X-Original-Path", "X-Method", "X_Amz_Copy_Source", "x_ms-copy-source", "X_Goog_Copy_Source"} {
		if strings.Contains(h, n+":") {
			t.Errorf("%s reaches the upstream with a credential", n)
		}
	}
}

// An upstream chooses where a sealed URL leads.
func TestT04_SealedURLTakesNoCredentialBeyondTheRoutes(t *testing.T) {
	r := newRig(t, rigOptions{state: func(s *auth.State) {
		s.Keys[0].Routes = []string{hubHost + "/allowed/*"}
	}})
	hub := r.hub(func(q *request) bool {
		if strings.HasPrefix(q.target, "/allowed/") {
			return text(q, "302 Found", "", "Location: https://"+cdnHost+"/f?X-Amz-Signature=aa&X-Amz-Credential=bb")
		}
		return text(q, "200 OK", "private of "+q.target, "Content-Type: application/octet-stream")
	})
	r.route(cdnHost+":443", newOrigin(t, func(q *request) bool {
		return text(q, "302 Found", "", "Location: https://"+hubHost+"/forbidden/weights.bin")
	}, cdnHost))
	if direct := r.reverse("/" + hubHost + "/forbidden/weights.bin"); direct.code() != string(auth.CodeRouteForbidden) {
		t.Fatalf("asked for directly: %d %s", direct.status, direct.code())
	}
	a := r.reverse("/" + hubHost + "/allowed/x")
	loc := a.header.Get("Location")
	a = r.worker().get(strings.TrimPrefix(loc, "http://"+r.addr), r.addr)
	loc = a.header.Get("Location")
	a = r.worker().get(strings.TrimPrefix(loc, "http://"+r.addr), r.addr)
	got := hub.last()
	if a.code() != string(auth.CodeRouteForbidden) || strings.Contains(got.head, canary) && strings.HasPrefix(got.target, "/forbidden/") {
		t.Errorf("a key whose routes refuse /forbidden/ read %q with the credential", a.body)
	}
}

// One small head must not cost much memory.
func TestT42_RepeatedFieldsOfAnAnswerAreBounded(t *testing.T) {
	r := newRig(t, rigOptions{})
	head := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nAlt-Svc: x\r\n"
	for len(head)+6 < 32<<10 {
		head += "a:\r\n"
	}
	r.route("plainother.example:80", newOrigin(t, func(q *request) bool { _, err := io.WriteString(q.w, head+"\r\n"); return err == nil }))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a := r.worker().get("http://plainother.example/x", "plainother.example", r.proxyAuth())
	runtime.ReadMemStats(&after)
	if a.code() != string(auth.CodeUpstreamProtocol) {
		t.Errorf("%d %s", a.status, a.code())
	}
	if mib := (after.TotalAlloc - before.TotalAlloc) >> 20; mib > 64 {
		t.Errorf("one head of 32 KiB cost %d MiB", mib)
	}
}
