package config

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

func (l *loader) checkUpstream() {
	u := &l.config.Upstream
	for _, from := range slices.Sorted(maps.Keys(u.Resolve)) {
		l.checkResolve(from, u.Resolve[from])
	}
	l.checkProxy()
	seen := map[netip.Prefix]bool{}
	for i, p := range u.AllowPrivate {
		path := item("upstream.allow_private", i)
		switch {
		case !p.IsValid():
			if !l.failed(path) {
				l.wrong(path, "is empty", "write a CIDR such as 10.20.0.0/16")
			}
			continue
		case seen[p]:
			l.wrong(path, p.String()+" appears twice", "")
		case p.Bits() == 0:
			l.warn(path, p.String()+" allows every private address", "list the networks that are meant")
		}
		seen[p] = true
	}
	ports := map[uint16]bool{}
	for i, p := range u.ConnectPorts {
		path := item("upstream.connect_ports", i)
		switch {
		case p == 0 && !l.failed(path):
			l.wrong(path, "0 is not a port", "write a number from 1 to 65535")
		case p != 0 && ports[p]:
			l.wrong(path, fmt.Sprintf("%d appears twice", p), "")
		}
		ports[p] = true
	}
	if len(u.ConnectPorts) == 0 && !l.failed("upstream.connect_ports") {
		l.wrong("upstream.connect_ports", "is empty", "name at least 443")
	}
}

// checkResolve checks one entry of upstream.resolve.
func (l *loader) checkResolve(from, to string) {
	path := member("upstream.resolve", from)
	at, ok := l.keyPlaces[path]
	if !ok {
		at = l.placeOf(path)
	}
	if host, port, err := net.SplitHostPort(from); err != nil || host == "" || port == "" {
		l.at(at, path, fmt.Sprintf("%q is not host:port", show(from)), "write \"huggingface.co:443\": \"192.0.2.7:9443\"")
	} else if _, _, err := auth.ParseAuthority(from, 1); err != nil {
		l.at(at, path, fmt.Sprintf("%q is not host:port: %s", show(from), reason(err)), "")
	}
	if _, err := netip.ParseAddrPort(to); err != nil && !l.failed(path) {
		l.wrong(path, fmt.Sprintf("%q is not an IP address with a port", show(to)), "write an address such as 192.0.2.7:9443; names are not resolved here")
	}
}

// checkProxy checks upstream.proxy, whose text may hold a password.
func (l *loader) checkProxy() {
	u := &l.config.Upstream
	const path = "upstream.proxy"
	if u.Proxy == "" {
		if u.ProxyResolves {
			l.wrong("upstream.proxy_resolves", "is set, but there is no upstream.proxy", "name the proxy, or leave this out")
		}
		return
	}
	p, err := url.Parse(u.Proxy)
	switch {
	case err != nil || p.Host == "" || p.Hostname() == "" || p.Scheme != "http" && p.Scheme != "https":
		l.wrong(path, "is not the URL of a proxy", "write http://host:port or https://host:port")
		return
	case p.Path != "" && p.Path != "/" || p.RawQuery != "" || p.Fragment != "" || p.ForceQuery:
		l.wrong(path, "has more than a host and a port", "write http://host:port or https://host:port")
	}
	if _, ok := p.User.Password(); ok && !strings.HasPrefix(l.placeOf(path).file, "$") {
		l.warn(path, "holds a password", "put the URL into a file and name it in "+envPrefix+"UPSTREAM_PROXY_FILE")
	}
	if u.ProxyResolves {
		l.warn("upstream.proxy_resolves", "addresses are not checked before dialling: the proxy must keep workers from reaching private networks", "")
	}
}
