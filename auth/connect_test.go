package auth

import (
	"slices"
	"testing"
	"time"
)

func (y *yard) connect(key, authority string, p UnmatchedPolicy) ConnectDecision {
	y.Helper()
	host, port, err := ParseAuthority(authority, 443)
	if err != nil {
		y.Fatal(err)
	}
	id, err := y.snapshot().IdentifyID("key_"+key, testNow)
	if err != nil {
		y.Fatal(err)
	}
	return y.snapshot().Connect(id, host, port, p, testNow)
}

func TestConnect(t *testing.T) {
	y := newYard(t).
		credential("tok", "hub", []string{"hub.example/*", "*.hb.example/*"}).
		credential("reg", "bearer", []string{"reg.example:8443/models/*", "*.wild.example/x/*"}).
		credential("clear", "bearer", []string{"http://clear.example/*"}).
		credential("addr", "bearer", []string{"192.0.2.7/*"}).
		key("w", []string{"tok"}).key("none", nil).key("strict", nil, policy(UnmatchedDeny)).
		key("routed", []string{"tok"}, routes("hub.example/org/*")).
		key("open", []string{"tok"}, routes("free.example/*", "part.example/a/*", "http://plain.example/*", "*.lab.example/*"))
	for _, c := range []struct {
		key, authority string
		policy         UnmatchedPolicy
		want           Passage
		code           Code
	}{
		// A credential of the team could match: opened, linked or not.
		{"w", "hub.example", UnmatchedDeny, Intercept, ""},
		{"none", "hub.example", UnmatchedDeny, Intercept, ""},
		{"strict", "hub.example", UnmatchedPass, Intercept, ""},
		{"routed", "hub.example", UnmatchedDeny, Intercept, ""},
		{"open", "hub.example", UnmatchedDeny, Intercept, ""},
		{"none", "reg.example:8443", UnmatchedDeny, Intercept, ""},
		{"none", "a.wild.example", UnmatchedDeny, Intercept, ""},
		{"none", "192.0.2.7", UnmatchedDeny, Intercept, ""},
		// Signed companions of a provider in use are opened.
		{"w", "eu.cdn.hb.example", UnmatchedDeny, Intercept, ""},
		{"none", "a.b.cdn.hb.example", UnmatchedDeny, Intercept, ""},
		{"none", "lfs.hb.example", UnmatchedDeny, Intercept, ""},
		// A bare rule opens, so that its requests are decided one by one.
		{"w", "new.hb.example", UnmatchedDeny, Intercept, ""},
		// A companion that brings its own token is a blind tunnel.
		{"w", "cas.store.hb.example", UnmatchedDeny, Tunnel, ""},
		{"routed", "cas.store.hb.example", UnmatchedDeny, Tunnel, ""},
		{"none", "cas.store.hb.example", UnmatchedDeny, Refuse, CodeNotLinked},
		{"none", "cas.store.hb.example", UnmatchedPass, Tunnel, ""},
		{"open", "cas.store.hb.example", UnmatchedPass, Refuse, CodeRouteForbidden},
		// Anything else is a matter of policy.
		{"w", "other.example", UnmatchedPass, Tunnel, ""},
		{"w", "other.example", UnmatchedDeny, Refuse, CodeNoCredentialMatched},
		{"w", "other.example", UnmatchedInherit, Refuse, CodeNoCredentialMatched},
		{"strict", "other.example", UnmatchedPass, Refuse, CodeNoCredentialMatched},
		{"w", "reg.example", UnmatchedPass, Tunnel, ""},
		{"w", "hub.example:8443", UnmatchedDeny, Refuse, CodeNoCredentialMatched},
		{"w", "wild.example", UnmatchedDeny, Refuse, CodeNoCredentialMatched},
		{"w", "a.b.wild.example", UnmatchedDeny, Refuse, CodeNoCredentialMatched},
		{"w", "eu.cdn.hb.example:8443", UnmatchedDeny, Refuse, CodeNoCredentialMatched},
		{"w", "clear.example", UnmatchedDeny, Refuse, CodeNoCredentialMatched},
		{"w", "clear.example:80", UnmatchedDeny, Refuse, CodeNoCredentialMatched},
		// Routes must cover the whole host where nothing inside is seen.
		{"routed", "other.example", UnmatchedPass, Refuse, CodeRouteForbidden},
		{"open", "free.example", UnmatchedPass, Tunnel, ""},
		{"open", "free.example", UnmatchedDeny, Refuse, CodeNoCredentialMatched},
		{"open", "free.example:8443", UnmatchedPass, Refuse, CodeRouteForbidden},
		{"open", "part.example", UnmatchedPass, Refuse, CodeRouteForbidden},
		{"open", "plain.example", UnmatchedPass, Refuse, CodeRouteForbidden},
		{"open", "x.lab.example", UnmatchedPass, Tunnel, ""},
		{"open", "lab.example", UnmatchedPass, Refuse, CodeRouteForbidden},
	} {
		d := y.connect(c.key, c.authority, c.policy)
		if d.Passage != c.want || d.Code != c.code || d.Reason == "" {
			t.Errorf("%s CONNECT %s %q: passage %d, code %q (%s); want %d %q", c.key, c.authority, c.policy, d.Passage, d.Code, d.Reason, c.want, c.code)
		}
	}
	for host, want := range map[string]bool{"hub.example": true, "eu.cdn.hb.example": true, "cas.store.hb.example": false, "other.example": false} {
		if p, ok := y.snapshot().Intercepts("t1", host, 443); ok != want || ok && p == nil {
			t.Errorf("Intercepts %s: %v, %v", host, ok, p)
		}
	}
	if _, ok := y.snapshot().Intercepts("nobody", "hub.example", 443); ok {
		t.Error("nobody's tunnel is opened")
	}
	id, _ := y.snapshot().IdentifyID("key_w", testNow)
	for _, host := range []string{"HUB.example", "hub.example.", "", "[::1]", "127.1", "a b"} {
		if d := y.snapshot().Connect(id, host, 443, UnmatchedPass, testNow); d.Passage != Refuse || d.Code != CodeBadTarget {
			t.Errorf("CONNECT to the host %q: %+v", host, d)
		}
	}
	if d := y.snapshot().Connect(id, "hub.example", 0, UnmatchedPass, testNow); d.Passage != Refuse || d.Code != CodeBadTarget {
		t.Errorf("CONNECT to port 0: %+v", d)
	}
	if d := y.snapshot().Connect(Identity{}, "hub.example", 443, UnmatchedPass, testNow); d.Passage != Refuse || d.Code != CodeKeyMissing {
		t.Errorf("CONNECT by nobody: %+v", d)
	}
	if d := y.snapshot().Connect(id, "hub.example", 443, UnmatchedPass, time.Time{}); d.Passage != Refuse {
		t.Errorf("CONNECT at no time: %+v", d)
	}
}

// A rule that would put something on a companion of its own provider puts
// nothing on, so it opens no tunnel to one that brings its own token.
func TestConnectToCompanionBelowAnInjectingWildcard(t *testing.T) {
	y := newYard(t).credential("tok", "hub", []string{"hub.example/*", "cas.store.hb.example/*"}).credential("b", "bearer", []string{"*.hb.example/*"}).key("w", []string{"tok", "b"})
	if d := y.connect("w", "cas.store.hb.example", UnmatchedDeny); d.Passage != Tunnel {
		t.Errorf("%+v", d)
	}
	y.bare(y.decide("w", "GET", "https://cas.store.hb.example/x"))
	// Another provider's rule is the operator's own decision.
	if d := y.connect("w", "new.hb.example", UnmatchedDeny); d.Passage != Intercept {
		t.Errorf("%+v", d)
	}
	y.injects(y.decide("w", "GET", "https://new.hb.example/x"), "b", "*.hb.example/*")
}

func TestInterceptHosts(t *testing.T) {
	y := newYard(t).
		credential("tok", "hub", []string{"hub.example/*", "*.hb.example/*"}, status(StatusInvalid, "")).
		credential("more", "hub", []string{"hub.example/org/*"}).
		credential("reg", "bearer", []string{"reg.example:8443/*", "a.*.wild.example/*", "*.*.deep.example/*", "http://clear.example/*", "192.0.2.7/*", "[2001:db8::1]/*"}).
		key("w", nil, routes("route.example/*"))
	y.state.Credentials = append(y.state.Credentials, Credential{ID: "x", TeamID: "t2", Name: "x", Provider: "bearer", Patterns: []string{"t2.example/*"}})
	want := []string{".cdn.hb.example", ".deep.example", ".hb.example", ".wild.example", "192.0.2.7", "2001:db8::1", "hub.example", "lfs.hb.example", "old-lfs.hub.example", "reg.example"}
	got := y.snapshot().InterceptHosts("t1")
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	got[0] = "changed"
	if again := y.snapshot().InterceptHosts("t1"); again[0] != want[0] {
		t.Error("the caller can change the snapshot")
	}
	if got := y.snapshot().InterceptHosts("t2"); !slices.Equal(got, []string{"t2.example"}) {
		t.Errorf("team t2: %q", got)
	}
	if got := y.snapshot().InterceptHosts("nobody"); len(got) != 0 {
		t.Errorf("no team: %q", got)
	}
}
