package proxy

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// A Tracer is told of every request once, probes apart, by whatever way it came
// and whatever became of it; of the worker's words it hears its traceparent.
func TestTracesTellOfEveryRequestOnce(t *testing.T) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	r := newRig(t, rigOptions{})
	hub := r.hub(func(q *request) bool {
		if strings.HasPrefix(q.target, "/missing") {
			return text(q, "404 Not Found", "no")
		}
		return ok(q)
	})
	r.cdn()
	r.route(casHost+":443", newOrigin(t, ok, casHost))
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	r.must(err)
	r.must(gone.Close())
	r.dialer.resolve(plainHost+":80", gone.Addr().String())

	told := 0
	once := func(a *workerReply, status int, code auth.Code) {
		t.Helper()
		r.expect(a, status, code)
		told++
		r.eventually("a trace", func() bool { return len(r.metrics.traces()) >= told })
	}
	once(r.reverse("/"+hubHost+"/a?token=query", "Traceparent: "+parent, "Tracestate: x="+canary), 200, "")
	once(r.reverse("/"+hubHost+"/missing", "Traceparent: "+parent, "traceparent: "+parent), 404, "")
	once(r.tunnel(cdnHost).get("/f?Expires=1&Signature=a&Key-Pair-Id=b", cdnHost, "Traceparent: "+strings.Repeat("x", maxParent+1)), 200, "")
	once(r.reverse("/"+otherHost+"/a", "Traceparent: "+parent), 403, auth.CodeNoCredentialMatched)
	once(r.reverse("/http:"+plainHost+"/a"), 502, auth.CodeUpstreamUnreachable)
	once(r.worker().get("/"+hubHost+"/a", r.addr), 401, auth.CodeKeyMissing)
	r.expect(r.worker().get("/.weighbridge/healthz", r.addr), 200, "")
	w := r.worker()
	w.send("BREW /" + hubHost + "/a HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.key.Reveal() + "\r\n\r\n")
	once(w.read("BREW"), 403, auth.CodeScopeForbidden)
	blind := r.worker()
	r.expect(blind.connect(casHost+":443", r.proxyAuth()), 200, "")
	_ = blind.c.Close()
	told++
	r.eventually("the tunnel's trace", func() bool { return len(r.metrics.traces()) >= told })

	var got []string
	for _, x := range r.metrics.traces() {
		s := fmt.Sprint(x.Method, " ", x.Mode, " ", x.Outcome, " ", x.Status, " ", x.Code, " ", x.Failed, " ", x.CredentialID, " ", x.Parent, ";")
		for _, d := range x.Decisions {
			s += fmt.Sprint(" ", d.Outcome, " ", d.Code)
		}
		for _, l := range x.Legs {
			s += fmt.Sprint("; ", l.Host, ":", l.Port, " ", l.Status, " ", l.Failed)
			if l.RequestID != x.RequestID || l.Started.Before(x.Started) || l.Ended.After(x.Ended) || l.Head.IsZero() != (l.Status == 0) {
				t.Errorf("%+v", x)
			}
		}
		got = append(got, s)
	}
	want := []string{
		"GET reverse inject 200  false cred_hub " + parent + "; inject ; hub.example:443 200 false",
		"GET reverse inject 404  false cred_hub ; inject ; hub.example:443 404 false",
		"GET forward bare 200  false  ; bare ; us.cdn.hub.example:443 200 false",
		"GET reverse refused 403 no_credential_matched true  " + parent + "; deny no_credential_matched",
		"GET reverse inject 502 upstream_unreachable true cred_plain ; inject ; plain.example:80 0 true",
		"GET reverse refused 401 key_missing true  ;",
		"_OTHER reverse refused 403 scope_forbidden true cred_hub ; deny scope_forbidden",
		"CONNECT tunnel bare 200 bad_request true  ; bare ; cas.hub.example:443 0 true",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if q := hub.requests()[0]; q.fields.Get("Traceparent") != parent || q.fields.Get("Tracestate") != "x="+canary {
		t.Errorf("the hub got %s", q.head)
	}
	if s := fmt.Sprintf("%+v", *r.metrics.traces()[0]); strings.Contains(s, "query") || strings.Contains(s, "/a") || strings.Contains(s, "hub-prod") || strings.Contains(s, "worker") {
		t.Errorf("told %s", s)
	}
}

// A host that shows a key is not told.
func TestTracesShowNoKeyInAHost(t *testing.T) {
	r := newRig(t, rigOptions{policy: Policy{UnmatchedReverse: auth.UnmatchedPass}})
	r.expect(r.reverse("/"+strings.ToLower(r.key.Reveal())+".example.com/a"), 502, auth.CodeUpstreamUnreachable)
	r.eventually("a trace", func() bool { return len(r.metrics.traces()) > 0 })
	if x := r.metrics.traces()[0]; len(x.Legs) != 1 || x.Legs[0].Host != "" || x.Legs[0].Port != 443 {
		t.Errorf("told %+v", x)
	}
}
