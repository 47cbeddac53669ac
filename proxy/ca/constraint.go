package ca

import (
	"crypto/x509"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// maxConstraints is how many names an intermediate is constrained to; each
// costs some 20 bytes of every full handshake.
const maxConstraints = 64

// constraint is what one intermediate may sign for: every name at and below
// names, and addrs.
type constraint struct {
	names []string
	addrs []netip.Addr
}

// constraints turns a team's hosts into name constraints, nearly always one.
//
// Names below another name of the list are left out, since that one covers
// them. Above maxConstraints, names are replaced by their parents, the deepest
// first, never beyond the registrable domain. Where even that leaves more, the
// team has several intermediates, each for its share of the names, rather than
// one that is wider or one that clients refuse for its size.
//
// A public suffix is never a constraint, because it would cover everybody
// below it; hosts that nothing else covers get no leaf.
func constraints(s hostSet) []constraint {
	set := map[string]bool{}
	for n := range s.names {
		if constrainable(n, true) {
			set[n] = true
		}
	}
	for n := range s.suffixes {
		if constrainable(n, false) {
			set[n] = true
		}
	}
	dropCovered(set)
	for len(set)+len(s.addrs) > maxConstraints && lift(set) {
		dropCovered(set)
	}
	names := slices.Sorted(maps.Keys(set))
	addrs := slices.SortedFunc(maps.Keys(s.addrs), netip.Addr.Compare)

	var out []constraint
	for len(names) > 0 || len(addrs) > 0 {
		n := min(len(names), maxConstraints)
		a := min(len(addrs), maxConstraints-n)
		out = append(out, constraint{names: names[:n], addrs: addrs[:a]})
		names, addrs = names[n:], addrs[a:]
	}
	return out
}

// dropCovered removes names that lie below another name of the set.
func dropCovered(set map[string]bool) {
	for n := range set {
		for up := parent(n); up != ""; up = parent(up) {
			if set[up] {
				delete(set, n)
				break
			}
		}
	}
}

// lift replaces the deepest names that are not yet registrable domains by
// their parents. It reports whether there were any.
func lift(set map[string]bool) bool {
	depth := 0
	var deepest []string
	for n := range set {
		reg := registrable(n)
		if reg == "" || reg == n {
			continue
		}
		switch d := strings.Count(n, "."); {
		case d > depth:
			depth, deepest = d, append(deepest[:0], n)
		case d == depth:
			deepest = append(deepest, n)
		}
	}
	for _, n := range deepest {
		delete(set, n)
		set[parent(n)] = true
	}
	return len(deepest) > 0
}

// covers reports whether a leaf for host verifies under c.
func (c constraint) covers(host string, addr netip.Addr) bool {
	if addr.IsValid() {
		return slices.Contains(c.addrs, addr)
	}
	for n := host; n != ""; n = parent(n) {
		if _, found := slices.BinarySearch(c.names, n); found {
			return true
		}
	}
	return false
}

// apply writes c into an intermediate. A kind of name of which c permits none
// is excluded whole, because a kind that is not mentioned is not constrained
// (RFC 5280, section 4.2.1.10). The extension is critical; the empty DNS
// constraint and the two zero prefixes stand for all names and addresses.
func (c constraint) apply(t *x509.Certificate) {
	t.PermittedDNSDomainsCritical = true
	t.PermittedDNSDomains = c.names
	for _, a := range c.addrs {
		t.PermittedIPRanges = append(t.PermittedIPRanges, ipNet(netip.PrefixFrom(a, a.BitLen())))
	}
	if len(c.names) == 0 {
		t.ExcludedDNSDomains = []string{""}
	}
	if len(c.addrs) == 0 {
		t.ExcludedIPRanges = []*net.IPNet{ipNet(netip.PrefixFrom(netip.IPv4Unspecified(), 0)), ipNet(netip.PrefixFrom(netip.IPv6Unspecified(), 0))}
	}
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
