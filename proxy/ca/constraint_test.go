package ca

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRegistrable(t *testing.T) {
	for name, want := range map[string]string{
		"huggingface.co":            "huggingface.co",
		"a.b.huggingface.co":        "huggingface.co",
		"co":                        "",
		"co.uk":                     "",
		"a.example.co.uk":           "example.co.uk",
		"x.blob.core.windows.net":   "windows.net", // a private suffix does not count
		"b.s3.amazonaws.com":        "amazonaws.com",
		"github.io":                 "github.io",
		"models.internal":           "models.internal",
		"a.models.internal":         "models.internal",
		"localhost":                 "",
		"www.ck":                    "www.ck", // an exception to *.ck
		"shop.ck":                   "",
		"a.b.kawasaki.jp":           "a.b.kawasaki.jp",
		"x.city.kawasaki.jp":        "city.kawasaki.jp",
		"d111.cloudfront.net":       "cloudfront.net",
		"xn--fiqs8s":                "",
		"foo.xn--fiqs8s":            "foo.xn--fiqs8s",
		"compute-1.amazonaws.com":   "amazonaws.com",
		"a.us-east-1.amazonaws.com": "amazonaws.com",
	} {
		if got := registrable(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// show writes constraints as names and addresses, a line each.
func show(cs []constraint) string {
	var lines []string
	for _, c := range cs {
		lines = append(lines, fmt.Sprint(c.names, c.addrs))
	}
	return strings.Join(lines, "\n")
}

func TestConstraintsOf(t *testing.T) {
	for _, c := range []struct {
		hosts []string
		want  string
	}{
		{[]string{"huggingface.co", "cdn.huggingface.co", ".hf.co", "hf.co"}, "[hf.co huggingface.co] []"},
		{[]string{"localhost", "127.0.0.1", "::1"}, "[localhost] [127.0.0.1 ::1]"},
		{[]string{"co.uk", ".co.uk", ".internal", "com"}, ""},
		{[]string{"co.uk", "a.co.uk"}, "[a.co.uk] []"},
		{[]string{"kawasaki.jp", ".city.kawasaki.jp", "github.io", "ck", "www.ck"}, "[city.kawasaki.jp github.io www.ck] []"},
		{nil, ""},
	} {
		s, err := parseHosts(c.hosts)
		if err != nil {
			t.Fatal(err)
		}
		if got := show(constraints(s)); got != c.want {
			t.Errorf("%v: %s, want %s", c.hosts, got, c.want)
		}
	}
}

func TestConstraintsCollapseNoFurtherThanNeeded(t *testing.T) {
	var hosts []string
	for i := range 100 {
		hosts = append(hosts, fmt.Sprintf("b%d.s3.eu-central-1.amazonaws.com", i))
	}
	hosts = append(hosts, "a.huggingface.co", "10.0.0.1")
	s, err := parseHosts(hosts)
	if err != nil {
		t.Fatal(err)
	}
	if got := show(constraints(s)); got != "[a.huggingface.co s3.eu-central-1.amazonaws.com] [10.0.0.1]" {
		t.Errorf("constraints %s", got)
	}
}

func TestManyDomainsAreShared(t *testing.T) {
	var hosts []string
	for i := range 150 {
		hosts = append(hosts, fmt.Sprintf("d%d.example%d.com", i, i), fmt.Sprintf("10.0.0.%d", i))
	}
	a, clk := testAuthority(t, Options{})
	inters := map[string]bool{}
	for _, host := range hosts {
		c := mint(t, a, host, hosts)
		if err := verify(c.Certificate, host, clk.t, a.Roots()...); err != nil {
			t.Fatalf("%s: %v", host, err)
		}
		inters[string(c.Certificate[1])] = true
		if n := len(c.Certificate[1]); n > 4096 {
			t.Fatalf("an intermediate of %d bytes", n)
		}
	}
	if len(inters) != 5 { // 300 names by 64
		t.Errorf("%d intermediates", len(inters))
	}
}

func hostGen() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 9).Draw(t, "kind") == 0 {
			return netip.AddrFrom4([4]byte{10, 0, 0, rapid.Byte().Draw(t, "ip")}).String()
		}
		tld := rapid.SampledFrom([]string{"com", "co.uk", "net", "internal", "s3.amazonaws.com", "core.windows.net", "ck"}).Draw(t, "tld")
		labels := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c1", "x-y", "models"}), 0, 4).Draw(t, "labels")
		if n := rapid.IntRange(0, 200).Draw(t, "n"); n > 0 {
			labels = append(labels, fmt.Sprintf("d%d", n))
		}
		host := strings.Join(append(labels, tld), ".")
		if rapid.Bool().Draw(t, "suffix") {
			return "." + host
		}
		return host
	})
}

// Whatever the hosts: each host that may be covered is, by a constraint of
// bounded size; no constraint is a public suffix or reaches a domain that no
// host names.
func TestConstraintsHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hosts := rapid.SliceOfNDistinct(hostGen(), 0, 220, rapid.ID).Draw(t, "hosts")
		s, err := parseHosts(hosts)
		if err != nil {
			t.Fatal(err)
		}
		got := constraints(s)
		domains := map[string]bool{}
		for _, h := range hosts {
			name, suffix := strings.CutPrefix(h, ".")
			domains[registrable(name)] = true
			addr, _ := netip.ParseAddr(name)
			if !addr.IsValid() && !constrainable(name, !suffix) {
				continue
			}
			example := name
			if suffix {
				example = "any.thing." + name
			}
			if !slices.ContainsFunc(got, func(c constraint) bool { return c.covers(example, addr) }) {
				t.Fatalf("%s is covered by none of %v", h, got)
			}
			if !s.covers(example, addr) {
				t.Fatalf("%s is not covered by the hosts themselves", h)
			}
		}
		for _, c := range got {
			if len(c.names)+len(c.addrs) > maxConstraints {
				t.Fatalf("%d names in one intermediate", len(c.names)+len(c.addrs))
			}
			for _, n := range c.names {
				oneLabel := slices.Contains(hosts, n) && constrainable(n, true) && !strings.Contains(n, ".")
				if reg := registrable(n); !oneLabel && (reg == "" || !domains[reg]) {
					t.Fatalf("constraint %q reaches too far", n)
				}
			}
		}
		if len(hosts) <= maxConstraints {
			for _, c := range got {
				for _, n := range c.names {
					if !slices.Contains(hosts, n) && !slices.Contains(hosts, "."+n) {
						t.Fatalf("constraint %q though there are only %d hosts", n, len(hosts))
					}
				}
			}
		}
	})
}
