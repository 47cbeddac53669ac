package signer

import (
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// isCompanion reports whether host is one of companions, by name or below a
// suffix.
func isCompanion(companions []auth.Companion, host string) bool {
	for _, c := range companions {
		if c.Host == host || c.Host != "" && c.Host[0] == '.' && hostBelow(host, c.Host[1:]) {
			return true
		}
	}
	return false
}

// hostBelow reports whether host is a name below domain, at any depth.
func hostBelow(host, domain string) bool {
	return len(host) > len(domain)+1 && strings.HasSuffix(host, domain) && host[len(host)-len(domain)-1] == '.'
}
