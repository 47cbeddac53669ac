package proxy

import (
	"net"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

func TestPolicyNamesEveryMistake(t *testing.T) {
	_, err := compilePolicy(Policy{
		AllowedHosts: []string{"good.example", "ba d"},
		PublicURL:    "ftp://x",
		Routes:       map[string]string{"a.b": "https://x.example", "ok": "nonsense", "comfyui": "https://cloud.comfy.org/base/"},
	})
	if err == nil {
		t.Fatal("no mistake was found")
	}
	for _, want := range []string{"allowed host", "public URL", `route "a.b"`, `route "ok"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named in %v", want, err)
		}
	}
}

func TestPolicyDefaultsAreTheSafeOnes(t *testing.T) {
	p, err := compilePolicy(Policy{})
	if err != nil {
		t.Fatal(err)
	}
	if p.unmatched(forward) != auth.UnmatchedPass || p.unmatched(reverse) != auth.UnmatchedDeny {
		t.Error("unmatched defaults")
	}
	if p.defaultScope != auth.ScopeRead || !p.allowsPort(443) || p.allowsPort(22) {
		t.Error("scope or port defaults")
	}
}

func TestOwnNamesAreLoopbackAndListedOnes(t *testing.T) {
	p, err := compilePolicy(Policy{AllowedHosts: []string{"weights.internal"}, PublicURL: "https://public.example/base"})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"127.0.0.1:8080": true, "127.9.9.9": true, "[::1]:1": true, "localhost": true, "LOCALHOST:80": true,
		"a.localhost": true, "weights.internal:9": true, "public.example": true,
		"rebind.example": false, "10.0.0.1": false, "": false, "localhost.evil.example": false, "localhost@evil": false, "[::2]": false,
	} {
		if p.own(host) != want {
			t.Errorf("own(%q) is %v", host, !want)
		}
	}
}

func TestOnlyLoopbackAndUnixListenersImplyAKey(t *testing.T) {
	for addr, want := range map[net.Addr]bool{
		&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}:    true,
		&net.TCPAddr{IP: net.IPv6loopback}:          true,
		&net.UnixAddr{Name: "/run/wb", Net: "unix"}: true,
		&net.TCPAddr{}:                          false,
		&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}: false,
	} {
		if implies(addr) != want {
			t.Errorf("implies(%v) is %v", addr, !want)
		}
	}
}
