package guard

import (
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		addr string
		want Class
	}{
		{"8.8.8.8", Public}, {"1.1.1.1", Public}, {"99.255.255.255", Public}, {"100.128.0.0", Public},
		{"172.15.255.255", Public}, {"172.32.0.0", Public}, {"192.0.1.0", Public}, {"198.17.255.255", Public},
		{"198.20.0.0", Public}, {"223.255.255.255", Public}, {"168.63.129.15", Public},
		{"0.0.0.0", Unspecified}, {"0.1.2.3", Reserved},
		{"10.0.0.0", Private}, {"10.255.255.255", Private}, {"172.16.0.1", Private}, {"172.31.255.255", Private}, {"192.168.0.1", Private},
		{"100.64.0.0", CGNAT}, {"100.127.255.255", CGNAT},
		{"127.0.0.1", Loopback}, {"127.255.255.254", Loopback},
		{"169.254.0.1", LinkLocal}, {"169.254.169.253", LinkLocal},
		{"192.0.0.1", Reserved}, {"192.0.2.1", Documentation}, {"198.51.100.255", Documentation}, {"203.0.113.9", Documentation},
		{"192.88.99.1", Reserved}, {"198.18.0.1", Benchmarking}, {"198.19.255.255", Benchmarking},
		{"224.0.0.1", Multicast}, {"239.255.255.255", Multicast}, {"240.0.0.1", Reserved}, {"255.255.255.254", Reserved}, {"255.255.255.255", Broadcast},
		{"2606:4700::1111", Public}, {"2a00:1450::1", Public}, {"2001:4860:4860::8888", Public},
		{"::", Unspecified}, {"::1", Loopback}, {"::2", Transition},
		{"fc00::1", UniqueLocal}, {"fdff::1", UniqueLocal}, {"fe80::1", LinkLocal}, {"fec0::1", SiteLocal}, {"ff02::1", Multicast},
		{"2001:db8::1", Documentation}, {"3fff::1", Documentation}, {"2001:2::1", Benchmarking}, {"2001:20::1", Reserved}, {"2001:1::1", Reserved},
		{"100::1", Reserved}, {"5f00::1", Reserved}, {"4000::1", Reserved}, {"1::1", Reserved},
		{"fe80::1%eth0", Invalid}, {"::ffff:8.8.8.8%eth0", Invalid}, {"", Invalid},
	} {
		a, _ := netip.ParseAddr(c.addr)
		if got := Classify(a); got != c.want {
			t.Errorf("Classify(%s) = %v, want %v", c.addr, got, c.want)
		}
	}
}

// TestT31_MetadataInEveryForm: each metadata address, as it is and embedded.
func TestT31_MetadataInEveryForm(t *testing.T) {
	all := newDialer(t, Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}})
	for _, m := range metadata() {
		forms := []netip.Addr{m}
		if m.Is4() {
			forms = append(forms, embeddings(m)...)
		}
		for _, a := range forms {
			if got := Classify(a); got != Metadata {
				t.Errorf("Classify(%s) = %v, want metadata", a, got)
			}
			if _, ok := all.permitted(a); ok {
				t.Errorf("%s is permitted where everything is allowed", a)
			}
		}
	}
}

// TestT32_Embeddings: whatever is forbidden as IPv4 is forbidden in each IPv6
// form that embeds it, and 64:ff9b:: and ::ffff: of a public address are not.
func TestT32_Embeddings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "address")
		v4 := netip.AddrFrom4([4]byte(b))
		want := Classify(v4)
		for i, a := range embeddings(v4) {
			got := Classify(a)
			switch {
			case want == Public && i < 2: // mapped, NAT64
				if got != Public {
					t.Fatalf("Classify(%s) = %v, want public", a, got)
				}
			case want == Public:
				if got == Public {
					t.Fatalf("Classify(%s) is public", a)
				}
			case got != want && got != Metadata && got == Public:
				t.Fatalf("Classify(%s) = %v, want %v", a, got, want)
			}
		}
	})
	for _, s := range []string{
		"::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "64:ff9b:1:7f00:0:100::",
		"2002:7f00:1::1", "2001:0:7f00:1::1", "2001:0:808:808::80ff:fffe",
	} {
		if got := Classify(netip.MustParseAddr(s)); got != Loopback {
			t.Errorf("Classify(%s) = %v, want loopback", s, got)
		}
	}
}

// embeddings are the forms of v4 inside IPv6; mapped and NAT64 come first.
func embeddings(v4 netip.Addr) []netip.Addr {
	b := v4.As4()
	x := func(s string, args ...any) netip.Addr { return netip.MustParseAddr(fmt.Sprintf(s, args...)) }
	out := []netip.Addr{
		x("::ffff:%s", v4),
		x("64:ff9b::%02x%02x:%02x%02x", b[0], b[1], b[2], b[3]),
		x("64:ff9b:1:%02x%02x:00%02x:%02x00::", b[0], b[1], b[2], b[3]),
		x("2002:%02x%02x:%02x%02x::1", b[0], b[1], b[2], b[3]),
		x("2001:0:%02x%02x:%02x%02x::f7f7:f7f7", b[0], b[1], b[2], b[3]),
		x("2001:0:808:808::%02x%02x:%02x%02x", ^b[0], ^b[1], ^b[2], ^b[3]),
	}
	if b[0]|b[1]|b[2] != 0 { // ::1 and :: are other addresses
		out = append(out, x("::%s", v4))
	}
	if b[1]|b[2]|b[3] != 0 {
		out = append(out, x("64:ff9b:1::%02x%02x:%02x%02x", b[0], b[1], b[2], b[3]))
	}
	return out
}

func TestClassNames(t *testing.T) {
	seen := map[string]Class{}
	for c := Invalid; c <= Metadata; c++ {
		if other, dup := seen[c.String()]; dup {
			t.Errorf("classes %d and %d are both %q", other, c, c)
		}
		seen[c.String()] = c
	}
	if Class(99).String() != Invalid.String() || Class(0) != Invalid {
		t.Error("the zero class and unknown ones must be invalid")
	}
}
