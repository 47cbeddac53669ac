package guard

import "net/netip"

// Class is what kind of address an address is. Only Public is dialled
// without being allowed by an operator; the zero value is not.
type Class int

// The classes. The source of each range stands in the tables below.
const (
	// Invalid is the zero Addr, or one with a zone.
	Invalid Class = iota
	Public
	Unspecified
	Loopback
	Private
	CGNAT
	LinkLocal
	SiteLocal
	UniqueLocal
	Multicast
	Broadcast
	Documentation
	Benchmarking
	// Transition addresses embed an IPv4 address and are of no use for
	// reaching a public server: IPv4-compatible, 6to4, Teredo, local NAT64.
	Transition
	Reserved
	// Metadata services hand credentials to whoever asks. Never dialled.
	Metadata
)

// String names the class as it stands in a refusal, with its article.
func (c Class) String() string {
	switch c {
	case Public:
		return "a public address"
	case Unspecified:
		return "the unspecified address"
	case Loopback:
		return "a loopback address"
	case Private:
		return "a private address"
	case CGNAT:
		return "a carrier-grade NAT address"
	case LinkLocal:
		return "a link-local address"
	case SiteLocal:
		return "a site-local address"
	case UniqueLocal:
		return "a unique-local address"
	case Multicast:
		return "a multicast address"
	case Broadcast:
		return "the broadcast address"
	case Documentation:
		return "a documentation address"
	case Benchmarking:
		return "a benchmarking address"
	case Transition:
		return "a transition address"
	case Reserved:
		return "a reserved address"
	case Metadata:
		return "a metadata service's address"
	default:
		return "no valid address"
	}
}

// allowable reports whether an operator may allow addresses of class c. The
// others name no single machine, or (Metadata) must never be reached.
func (c Class) allowable() bool {
	switch c {
	case Invalid, Unspecified, Multicast, Broadcast, Metadata:
		return false
	default:
		return true
	}
}

// block is a row of a special-purpose registry.
type block struct {
	prefix netip.Prefix
	class  Class
}

// Classify says what kind of address a is. IPv6 forms that embed an IPv4
// address are judged by the embedded address as well: where that is not
// public, its class is the answer.
func Classify(a netip.Addr) Class {
	class := Invalid
	for _, v := range views(a) {
		switch c := classifyOne(v); {
		case c == Metadata || c == Invalid:
			return c
		case class == Invalid || class == Public || class == Transition && c != Public:
			class = c
		}
	}
	return class
}

// views returns a itself (IPv4-mapped forms as the IPv4 address that they
// are) and every IPv4 address that it embeds.
func views(a netip.Addr) []netip.Addr {
	if a.Is4In6() && a.Zone() == "" {
		a = a.Unmap()
	}
	return append([]netip.Addr{a}, embedded(a)...)
}

// classifyOne classifies a without looking into it.
func classifyOne(a netip.Addr) Class {
	if !a.IsValid() || a.Zone() != "" {
		return Invalid
	}
	for _, m := range metadata() {
		if a == m {
			return Metadata
		}
	}
	rows := registry4()
	if a.Is6() {
		rows = registry6()
	}
	for _, r := range rows {
		if r.prefix.Contains(a) {
			return r.class
		}
	}
	if a.Is6() && !globalUnicast6().Contains(a) {
		return Reserved
	}
	return Public
}

// embedded returns the IPv4 addresses inside the IPv6 address a.
func embedded(a netip.Addr) []netip.Addr {
	if !a.Is6() {
		return nil
	}
	b := a.As16()
	tail := netip.AddrFrom4([4]byte(b[12:16]))
	switch {
	case prefixOf("::/96").Contains(a) && b[12]|b[13]|b[14] != 0:
		// IPv4-compatible, RFC 4291 section 2.5.5.1; :: and ::1 are not.
		return []netip.Addr{tail}
	case prefixOf("64:ff9b::/96").Contains(a):
		return []netip.Addr{tail} // RFC 6052 section 2.1
	case prefixOf("64:ff9b:1::/48").Contains(a):
		// RFC 8215: prefixes of any length of RFC 6052 section 2.2 may be in
		// use inside. Those of /64 and shorter end in zeros.
		if b[13]|b[14]|b[15] != 0 {
			return []netip.Addr{tail}
		}
		var out []netip.Addr
		for _, v4 := range [][4]byte{{b[6], b[7], b[9], b[10]}, {b[7], b[9], b[10], b[11]}, {b[9], b[10], b[11], b[12]}} {
			if v4 != ([4]byte{}) {
				out = append(out, netip.AddrFrom4(v4))
			}
		}
		return out
	case prefixOf("2002::/16").Contains(a):
		return []netip.Addr{netip.AddrFrom4([4]byte(b[2:6]))} // RFC 3056 section 2
	case prefixOf("2001::/32").Contains(a):
		// RFC 4380 section 4: the server, and the client with its bits inverted.
		return []netip.Addr{
			netip.AddrFrom4([4]byte(b[4:8])),
			netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}),
		}
	case b[8]&^0x02 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe:
		return []netip.Addr{tail} // ISATAP, RFC 5214 section 6.1
	default:
		return nil
	}
}
