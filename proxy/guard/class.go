package guard

import "net/netip"

// Class is what kind of address an address is. Only Public is dialled
// without being allowed by an operator; the zero value is not.
type Class int

// Classify says what kind of address a is. IPv6 forms that embed an IPv4
// address are judged by the embedded address as well.
func Classify(a netip.Addr) Class { panic("being written") }
