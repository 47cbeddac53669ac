package proxy

import (
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

func TestT34_OurOwnAddressesAreRefused(t *testing.T) {
	r := newRig(t, rigOptions{})
	_, port, _ := strings.Cut(r.addr, ":")
	r.dialer.resolve(otherHost+":80", r.addr) // what DNS would say
	for _, host := range []string{"127.0.0.1", "[::1]", "localhost"} {
		a := r.worker().get("http://"+host+":"+port+"/.weighbridge/healthz", host+":"+port, r.proxyAuth())
		if a.status != 403 && a.status != 502 {
			t.Errorf("%s: %d %s", host, a.status, a.code())
		}
		a = r.reverse("/http:" + host + ":" + port + "/.weighbridge/healthz")
		if a.status != 403 {
			t.Errorf("reverse %s: %d %s", host, a.status, a.code())
		}
	}
	r.expect(r.worker().get("http://"+otherHost+"/", otherHost, r.proxyAuth()), 403, auth.CodeAddressForbidden)
	r.expect(r.worker().connect("169.254.169.254:443", r.proxyAuth()), 403, auth.CodeAddressForbidden)
	// An intercepted address: the CONNECT itself says so.
	r.change(func(s *auth.State) { s.Credentials[0].Patterns = []string{"127.0.0.1/*", hubHost + "/*"} })
	r.expect(r.worker().connect("127.0.0.1:443", r.proxyAuth()), 403, auth.CodeAddressForbidden)
}

func TestT36_NoNameIsLookedUpForWhoMayNotAsk(t *testing.T) {
	r := newRig(t, rigOptions{policy: Policy{UnmatchedForward: auth.UnmatchedDeny}})
	r.expect(r.worker().connect("unlisted.example:443", r.proxyAuth()), 403, auth.CodeNoCredentialMatched)
	r.expect(r.worker().connect("unlisted.example:443"), 407, auth.CodeKeyMissing)
	r.expect(r.worker().get("http://unlisted.example/", "unlisted.example", r.proxyAuth()), 403, auth.CodeNoCredentialMatched)
	r.expect(r.reverse("/unlisted.example/a"), 403, auth.CodeNoCredentialMatched)
	if len(r.dialer.look.asked) > 0 {
		t.Errorf("asked for %q", r.dialer.look.asked)
	}
}

func TestConnectToAHostThatIsNotReachedSaysSoInItsAnswer(t *testing.T) {
	r := newRig(t, rigOptions{})
	a := r.worker().connect("nowhere.example:443", r.proxyAuth())
	r.expect(a, 502, auth.CodeUpstreamUnreachable)
	if e := r.recorder.eventually(auth.ActionFinished, 1); len(e) != 1 || e[0].Code != auth.CodeUpstreamUnreachable {
		t.Errorf("%+v", e)
	}
	// For an intercepted host it is said inside.
	r.expect(r.tunnel(hubHost).get("/a", hubHost), 502, auth.CodeUpstreamUnreachable)
}
