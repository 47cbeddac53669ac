package ca

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// hostSet says for which hosts a team may have leaves, exactly.
type hostSet struct {
	names    map[string]bool // exact names
	suffixes map[string]bool // without the leading dot
	addrs    map[netip.Addr]bool
}

// parseHosts reads what Snapshot.InterceptHosts returns. Something else among
// it is an error that names it, never left out.
func parseHosts(hosts []string) (hostSet, error) {
	s := hostSet{names: map[string]bool{}, suffixes: map[string]bool{}, addrs: map[netip.Addr]bool{}}
	for _, h := range hosts {
		if suffix, ok := strings.CutPrefix(h, "."); ok {
			if !isName(suffix) {
				return hostSet{}, fmt.Errorf("interception host %q is not a name", h)
			}
			s.suffixes[suffix] = true
			continue
		}
		addr, err := parseHost(h)
		switch {
		case err != nil:
			return hostSet{}, err
		case addr.IsValid():
			s.addrs[addr] = true
		default:
			s.names[h] = true
		}
	}
	return s, nil
}

// covers reports whether a leaf for host may be minted; addr is valid where
// host is an IP literal.
func (s hostSet) covers(host string, addr netip.Addr) bool {
	if addr.IsValid() {
		return s.addrs[addr]
	}
	if s.names[host] {
		return true
	}
	for up := parent(host); up != ""; up = parent(up) {
		if s.suffixes[up] {
			return true
		}
	}
	return false
}

// parseHost tells the IP literals from the names among canonical hosts and
// refuses everything else. It returns the zero address for a name.
func parseHost(host string) (netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" || addr.Is4In6() || addr.String() != host {
			return netip.Addr{}, auth.NewError(auth.CodeBadTarget, fmt.Sprintf("the address %q is not in canonical form", host), nil)
		}
		return addr, nil
	}
	if !isName(host) {
		return netip.Addr{}, auth.NewError(auth.CodeBadTarget, fmt.Sprintf("%.300q is not a host name in canonical form", host), nil)
	}
	return netip.Addr{}, nil
}

// isName reports whether s is a lower-case name of letters, digits, hyphens
// and underscores, with the lengths of RFC 1035, section 2.3.4, that is not
// made of digits and dots alone: such a name would be read as an address.
func isName(s string) bool {
	const maxName, maxLabel = 253, 63
	if s == "" || len(s) > maxName {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := 0; i < len(label); i++ {
			if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	last := s[strings.LastIndexByte(s, '.')+1:]
	return strings.Trim(last, "0123456789") != ""
}
