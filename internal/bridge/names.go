package bridge

import (
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// maxInterfaceNames bounds how many of the machine's addresses a certificate
// of ours for the listener covers.
const maxInterfaceNames = 32

// listenerNames are the names and addresses by which workers reach a listener
// on addr, in canonical form: those that the operator wrote, and those that the
// machine has by itself, for which a certificate is welcome and not needed.
func listenerNames(addr, publicURL string) (written, own []string) {
	written = []string{"localhost", "127.0.0.1", "::1"}
	everywhere := false
	if host, _, err := net.SplitHostPort(addr); err == nil {
		ip, err := netip.ParseAddr(host)
		switch {
		case host == "", err == nil && ip.IsUnspecified():
			everywhere = true
		case err == nil:
			written = append(written, ip.Unmap().WithZone("").String())
		default:
			written = append(written, strings.ToLower(host))
		}
	}
	if t, err := auth.ParseURL(publicURL); err == nil {
		written = append(written, t.Host)
	}
	if h, err := os.Hostname(); err == nil {
		own = append(own, strings.ToLower(h))
	}
	if everywhere {
		own = append(own, interfaceNames()...)
	}
	return written, own
}

// interfaceNames are the addresses of this machine that others can name.
func interfaceNames() []string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []string
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if ip := p.Addr().Unmap(); err == nil && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() && len(out) < maxInterfaceNames {
			out = append(out, ip.WithZone("").String())
		}
	}
	return out
}
