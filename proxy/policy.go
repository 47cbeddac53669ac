package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// policy is a Policy, checked and in the form in which it is asked.
type policy struct {
	forward, reverse auth.UnmatchedPolicy
	defaultKey       string
	defaultScope     auth.Scope
	hosts            map[string]bool
	routes           map[string]route
	pickers          map[string]Picker
	publicURL        string
	// publicPath is the path of publicURL, or empty.
	publicPath string
	ports      []uint16
	// keyTransfers is zero for no bound.
	keyTransfers int
}

// route is where a named reverse route leads.
type route struct {
	scheme, authority string
	// path is the base's path without a trailing slash, or empty.
	path string
}

// compilePolicy checks p. Its error names every mistake at once.
func compilePolicy(p Policy) (*policy, error) {
	out := &policy{
		forward:      p.UnmatchedForward,
		reverse:      p.UnmatchedReverse,
		defaultKey:   p.DefaultKeyID,
		defaultScope: p.DefaultScope,
		hosts:        map[string]bool{"localhost": true},
		routes:       map[string]route{},
		pickers:      map[string]Picker{},
		publicURL:    strings.TrimSuffix(p.PublicURL, "/"),
		ports:        p.ConnectPorts,
		keyTransfers: p.KeyTransfers,
	}
	if out.forward == auth.UnmatchedInherit {
		out.forward = auth.UnmatchedPass
	}
	if out.reverse == auth.UnmatchedInherit {
		out.reverse = auth.UnmatchedDeny
	}
	if out.defaultScope == "" {
		out.defaultScope = auth.ScopeRead
	}
	if out.ports == nil {
		out.ports = []uint16{443}
	}
	var mistakes []error
	for _, h := range p.AllowedHosts {
		host, _, err := auth.ParseAuthority(h, 1)
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("allowed host: %w", err))
			continue
		}
		out.hosts[host] = true
	}
	if out.publicURL != "" {
		// The base may have a path of its own, behind another proxy.
		t, err := auth.ParseURL(out.publicURL)
		switch {
		case err != nil:
			mistakes = append(mistakes, fmt.Errorf("public URL: %w", err))
		case t.HasQuery:
			mistakes = append(mistakes, errors.New("public URL: it has a query"))
		default:
			out.hosts[t.Host] = true
			out.publicPath = strings.TrimSuffix(t.Path, "/")
		}
	}
	for name, base := range p.Routes {
		r, err := parseRoute(name, base)
		if err != nil {
			mistakes = append(mistakes, err)
			continue
		}
		out.routes[name] = r
	}
	for name, r := range p.Pickers {
		if _, twice := out.routes[name]; twice || r == nil || !routeName(name) {
			mistakes = append(mistakes, fmt.Errorf("route %q: the name stands for a base URL as well, or is none", name))
			continue
		}
		out.pickers[name] = r
	}
	return out, errors.Join(mistakes...)
}

// routeName reports whether a route may be called name.
func routeName(name string) bool {
	return name != "" && !strings.ContainsAny(name, "./:[]%?#\\ ") && alphanumericDash(name) == len(name)
}

// parseRoute checks a named route.
func parseRoute(name, base string) (route, error) {
	if !routeName(name) {
		return route{}, fmt.Errorf("route %q: a name consists of letters, digits, - and _", name)
	}
	t, err := auth.ParseURL(base)
	if err != nil {
		return route{}, fmt.Errorf("route %q: %w", name, err)
	}
	if t.HasQuery {
		return route{}, fmt.Errorf("route %q: its URL has a query", name)
	}
	return route{t.Scheme, t.Authority(), strings.TrimSuffix(t.Path, "/")}, nil
}

// alphanumericDash counts the letters, digits, dashes and underscores at the
// head of s.
func alphanumericDash(s string) int {
	n := 0
	for n < len(s) {
		n += alphanumeric(s[n:])
		if n == len(s) || s[n] != '-' && s[n] != '_' {
			break
		}
		n++
	}
	return n
}

// unmatched is the policy of a mode.
func (p *policy) unmatched(m mode) auth.UnmatchedPolicy {
	if m == reverse {
		return p.reverse
	}
	return p.forward
}

// allowsPort reports whether a CONNECT may name port.
func (p *policy) allowsPort(port uint16) bool { return slices.Contains(p.ports, port) }

// own reports whether host is a name under which a caller without a key may
// speak to this listener: a loopback one, or one that is listed. Anything
// else may be a name that a web page's owner made resolve here (DNS
// rebinding).
func (p *policy) own(authority string) bool {
	host, _, err := auth.ParseAuthority(authority, 80)
	if err != nil {
		return false
	}
	if p.hosts[host] || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// implies reports whether a listener on addr may imply the default key: one
// that nobody beyond this machine can reach.
func implies(addr net.Addr) bool {
	switch a := addr.(type) {
	case *net.UnixAddr:
		return true
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	}
	return false
}
