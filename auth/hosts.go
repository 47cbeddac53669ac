package auth

import (
	"fmt"
	"slices"
	"strings"
)

// provider is a Provider with what is asked of it once.
type provider struct {
	Provider
	name   string
	schema Schema
	// companionReason is the reason of every request to a companion.
	companionReason string
	// companions by host, or by suffix with its leading dot.
	companions map[string]Companion
}

// hostIndex finds providers by host: their own hosts and their companions,
// exact or below a suffix.
type hostIndex struct {
	own       map[string][]*provider
	companion map[string][]*provider
	all       []*provider
}

func newProvider(p Provider) (*provider, error) {
	e := &provider{Provider: p, schema: p.Schema(), companions: make(map[string]Companion)}
	e.name = e.schema.Name
	e.companionReason = "the host is a companion of " + e.name + ", which gets nothing put on"
	for _, h := range e.schema.Hosts {
		if err := checkIndexHost(h); err != nil {
			return nil, fmt.Errorf("provider %q: host %q %w", e.name, h, err)
		}
	}
	for _, c := range p.Companions() {
		if err := checkIndexHost(c.Host); err != nil {
			return nil, fmt.Errorf("provider %q: companion host %q %w", e.name, c.Host, err)
		}
		e.companions[c.Host] = c
	}
	return e, nil
}

// checkIndexHost checks a host, or a suffix with a leading dot.
func checkIndexHost(h string) error {
	name := strings.TrimPrefix(h, ".")
	host, reason := parseHost(name)
	switch {
	case reason != "":
		return fmt.Errorf("%s", reason)
	case host != name:
		return fmt.Errorf("is not lower-case")
	}
	return nil
}

func (x *hostIndex) add(p *provider) {
	x.all = appendProvider(x.all, p)
	for _, h := range p.schema.Hosts {
		x.own[h] = appendProvider(x.own[h], p)
	}
	for h := range p.companions {
		x.companion[h] = appendProvider(x.companion[h], p)
	}
}

// wider is the suffix, with a leading dot, that follows h in the search for a
// host: a.b.c, .b.c, .c and then "".
func wider(h string) string {
	i := strings.IndexByte(h[1:], '.')
	if i < 0 {
		return ""
	}
	return h[1+i:]
}

// owner is the provider among whose own hosts host is.
func (x *hostIndex) owner(host string) *provider {
	for h := host; h != ""; h = wider(h) {
		if list := x.own[h]; len(list) > 0 {
			return list[0]
		}
	}
	return nil
}

// companionOf finds the provider of which the target is a companion. Where
// several are, one of those in first is preferred. Companions are reached by
// https on its default port only.
func (x *hostIndex) companionOf(scheme, host string, port uint16, first []*provider) *provider {
	if scheme != schemeHTTPS || port != defaultPort(schemeHTTPS) {
		return nil
	}
	var other *provider
	for h := host; h != ""; h = wider(h) {
		for _, p := range x.companion[h] {
			if hasProvider(first, p) {
				return p
			}
			if other == nil {
				other = p
			}
		}
	}
	return other
}

// companion is the entry of p for host, the longest first.
func (p *provider) companion(host string) (c Companion, ok bool) {
	if len(p.companions) == 0 {
		return Companion{}, false
	}
	for h := host; h != ""; h = wider(h) {
		if c, ok := p.companions[h]; ok {
			return c, true
		}
	}
	return Companion{}, false
}

// providersMeeting are the providers that have a host which p's host pattern
// matches: a route covers one of their URLs.
func (x *hostIndex) providersMeeting(p Pattern) []*provider {
	if p.scheme == schemeS3 {
		return nil // its host is a bucket
	}
	var out []*provider
	for _, q := range x.all {
		if slices.ContainsFunc(q.schema.Hosts, func(h string) bool { return meets(p.host, h) }) {
			out = append(out, q)
		}
	}
	return out
}

// meets reports whether some host is matched by both a pattern's host and an
// index entry (exact, or a suffix with a leading dot).
func meets(pattern, entry string) bool {
	if !strings.HasPrefix(entry, ".") {
		return hostMatches(pattern, entry)
	}
	labels, suffix := strings.Split(pattern, "."), strings.Split(entry[1:], ".")
	if len(labels) <= len(suffix) {
		return false
	}
	labels = labels[len(labels)-len(suffix):]
	for i, l := range labels {
		if l != "*" && l != suffix[i] {
			return false
		}
	}
	return true
}
