package proxy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// TestT55_AKeyInPlaceOfAHostIsNotShown: neither to who sent it nor in the log,
// in whichever part of the request it stands.
func TestT55_AKeyInPlaceOfAHostIsNotShown(t *testing.T) {
	r := newRig(t, rigOptions{})
	key := r.key.Reveal()
	alias := auth.KeyAliasPrefix + strings.TrimPrefix(key, auth.KeyPrefix)
	url := r.urlKey.Reveal()
	for _, k := range []string{key, alias, url} {
		for _, raw := range []string{
			"GET /" + hubHost + "/a HTTP/1.1\r\nHost: " + k + "%41\r\n",
			"GET /" + hubHost + "/a HTTP/1.1\r\nHost: x:" + k + "\r\n",
			"GET /" + k + ".:1/a HTTP/1.1\r\nHost: " + r.addr + "\r\n",
			"CONNECT " + k + ":x HTTP/1.1\r\nHost: x\r\n",
			"GET http://" + k + "./a HTTP/1.1\r\nHost: x\r\n",
		} {
			w := r.worker()
			w.send(raw + "\r\n")
			method, _, _ := strings.Cut(raw, " ")
			a := w.read(method)
			if a.status != 400 || a.code() != string(auth.CodeBadTarget) {
				t.Errorf("%.30q: %d %s", raw, a.status, a.code())
			}
			if strings.Contains(string(a.body), k) || strings.Contains(a.raw, k) {
				t.Errorf("the answer holds the key: %s", a.body)
			}
		}
		if strings.Contains(r.log.String(), k) {
			t.Errorf("the log holds the key")
		}
	}
}

// TestT30_TheRestOfASealedPrefixIsCheckedLikeAnyURL.
func TestT30_TheRestOfASealedPrefixIsCheckedLikeAnyURL(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.storeHub()
	cas := r.route(casHost+":443", newOrigin(t, ok, casHost))
	base := r.based(r.key, casHost)
	for _, q := range []string{"?a#b", "?\xc3\xa9", "#b"} {
		if a := r.worker().get(base+"/v1/x"+q, r.addr); a.code() != string(auth.CodeBadTarget) {
			t.Errorf("%q: %d %s", q, a.status, a.code())
		}
	}
	cas.none()
	r.expect(r.worker().get(base+"/v1/x?a?b=%41", r.addr), 200, "")
	if got := cas.last().target; !strings.HasSuffix(got, "/v1/x?a?b=%41") {
		t.Errorf("the store got %q", got)
	}
}

// TestT42_NamesInConnectionAreBounded on either side.
func TestT42_NamesInConnectionAreBounded(t *testing.T) {
	many := "Connection: " + strings.Repeat("b,", 15_000) + "b"
	r := newRig(t, rigOptions{})
	hub := r.hub(func(q *request) bool {
		_, err := fmt.Fprintf(q.w, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n%s\r\n\r\n", many)
		return err == nil
	})
	a := r.worker().get("/"+hubHost+"/a", r.addr, "Authorization: Bearer "+r.key.Reveal(), many)
	r.expect(a, 400, auth.CodeBadRequest)
	hub.none()
	r.expect(r.reverse("/"+hubHost+"/a"), 502, auth.CodeUpstreamProtocol)
}

// TestT08_WhatIsNotLinkedIsNotNamed to the worker; the record and the log name
// it.
func TestT08_WhatIsNotLinkedIsNotNamed(t *testing.T) {
	r := newRig(t, rigOptions{})
	a := r.reverse("/" + notLinked + "/a")
	r.expect(a, 403, auth.CodeNotLinked)
	if strings.Contains(string(a.body), `\"unlinked\"`) || strings.Contains(string(a.body), notLinked+"/*") {
		t.Errorf("the worker is told %s", a.body)
	}
	denied := r.recorder.eventually(auth.ActionDenied, 1)
	if len(denied) != 1 || !strings.Contains(denied[0].Reason, `the credential "unlinked" by the pattern `+notLinked+"/*") {
		t.Errorf("on record is %+v", denied)
	}
	r.eventually("a line", func() bool { return strings.Contains(r.log.String(), `the credential \"unlinked\"`) })
}

// Refusals of a CONNECT carry the code where clients that show nothing else of
// them can be made to show it.
func TestARefusedCONNECTCarriesTheCode(t *testing.T) {
	r := newRig(t, rigOptions{policy: Policy{UnmatchedForward: auth.UnmatchedDeny}})
	for target, code := range map[string]auth.Code{
		"169.254.169.254:443": auth.CodeNoCredentialMatched,
		otherHost + ":443":    auth.CodeNoCredentialMatched,
		"a..b:443":            auth.CodeBadTarget,
	} {
		if a := r.worker().connect(target, r.proxyAuth()); a.code() != string(code) || a.status == 200 {
			t.Errorf("%s: %d %q", target, a.status, a.code())
		}
	}
	if a := r.worker().connect(hubHost + ":443"); a.status != 407 || a.code() != string(auth.CodeKeyMissing) {
		t.Errorf("%d %q", a.status, a.code())
	}
}
