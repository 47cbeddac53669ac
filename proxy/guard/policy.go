package guard

import (
	"net"
	"net/netip"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// permitted says whether a may be dialled, and its class.
func (d *Dialer) permitted(a netip.Addr) (Class, bool) {
	class := Classify(a)
	switch {
	case class == Public:
		return class, true
	case !class.allowable():
		return class, false
	}
	// Every address that is reached, the form itself and what it embeds,
	// has to be public or allowed on its own.
	for _, v := range views(a) {
		if classifyOne(v) != Public && !d.allowed(v) {
			return class, false
		}
	}
	return class, true
}

// allowed says whether an operator allowed a.
func (d *Dialer) allowed(a netip.Addr) bool {
	for _, p := range d.allow {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// own says whether to is one of our own listeners. Where the addresses of
// this machine cannot be listed, every address with a wildcard listener's
// port counts as ours.
func (d *Dialer) own(to netip.AddrPort) bool {
	if d.o.Own == nil {
		return false
	}
	for _, l := range d.o.Own() {
		if l.Port() != to.Port() {
			continue
		}
		for _, v := range views(to.Addr()) {
			if v.WithZone("") == l.Addr().Unmap().WithZone("") {
				return true
			}
			if l.Addr().Unmap().IsUnspecified() && local(v) {
				return true
			}
		}
	}
	return false
}

// local says whether a is an address of this machine.
func local(a netip.Addr) bool {
	if a.IsLoopback() || a.IsUnspecified() {
		return true
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return true // unknown counts as ours
	}
	for _, i := range addrs {
		if n, ok := i.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok && ip.Unmap() == a.Unmap().WithZone("") {
				return true
			}
		}
	}
	return false
}

// verdict refuses to unless it may be dialled. host is what the worker asked
// for: the reason names it, and never an address that the worker does not
// know already. exempt skips the classes (an operator wrote the address) but
// neither metadata nor our own listeners.
func (d *Dialer) verdict(host string, to netip.AddrPort, exempt bool) *auth.Error {
	// Our own first: no permission helps there, and the refusal says so.
	if d.own(to) {
		return forbidden(host, "an address of weighbridge itself", nextOwn(host, exempt), to.String())
	}
	class, ok := d.permitted(to.Addr())
	if exempt && class != Metadata && class != Invalid {
		ok = true
	}
	if !ok {
		return forbidden(host, class.String(), nextStep(host, class, exempt), to.String())
	}
	return nil
}

// forbidden is the refusal; address goes to the log only.
func forbidden(host, what, next, address string) *auth.Error {
	reason := "the host " + host + " resolves to " + what
	if host == corporate {
		reason = host + " has " + what
	} else if _, err := netip.ParseAddr(host); err == nil {
		reason = host + " is " + what
	}
	return refused(reason, next, &net.AddrError{Err: what, Addr: address})
}

// literal returns host as an address where it is one. A host that is neither
// a canonical address nor a plausible lower-case name is refused: what other
// software might read as another address is never passed to a resolver.
func literal(host string) (netip.Addr, bool, *auth.Error) {
	refuse := func(why string) (netip.Addr, bool, *auth.Error) {
		return netip.Addr{}, false, refused("the host "+printable(host)+" "+why,
			"Write the host as a lower-case name, or as an IP address in canonical form.", nil)
	}
	if a, err := netip.ParseAddr(host); err == nil {
		if a.Zone() != "" {
			return refuse("has a zone")
		}
		return a, true, nil
	}
	// RFC 1035 section 2.3.4.
	if host == "" || len(host) > 253 {
		return refuse("is no name")
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 {
			return refuse("is not in canonical form")
		}
		for i := range len(label) {
			c := label[i]
			// Underscores occur in names of buckets and of service discovery.
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return refuse("is not in canonical form")
			}
		}
	}
	// 127.1, 0x7f.1, 2130706433, 0177.0.0.1: the WHATWG URL standard's "ends
	// in a number" (section 3.5), which resolvers take for IPv4 addresses.
	last := host[strings.LastIndexByte(host, '.')+1:]
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") && strings.Trim(last[2:], "0123456789abcdef") == "" {
		return refuse("is not an address in canonical form")
	}
	return netip.Addr{}, false, nil
}

// printable shortens s and replaces what could confuse a log or a terminal.
func printable(s string) string {
	if len(s) > 100 {
		s = s[:100] + "..."
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || r > 0x7e {
			return '?'
		}
		return r
	}, s)
}
