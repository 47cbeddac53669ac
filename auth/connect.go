package auth

import (
	"sort"
	"strings"
	"time"
)

// interception knows the hosts of a team whose tunnels are opened.
type interception struct {
	rules    *table
	provider []*provider
	names    []string
}

// newInterception collects the hosts of all https rules and of the signed
// companions of the providers in use. Rules for cleartext open no tunnel: what
// travels in one is TLS.
func newInterception(rules []*rule, used []*provider) *interception {
	x := &interception{provider: used}
	names := make(map[string]bool)
	type endpoint struct {
		host string
		port uint16
		bare bool
	}
	seen := make(map[endpoint]bool)
	var whole []*rule
	for _, r := range rules {
		at := endpoint{r.pattern.host, r.pattern.port, r.bare}
		if r.pattern.scheme != schemeHTTPS || seen[at] {
			continue
		}
		seen[at] = true
		p := Pattern{text: r.pattern.text, scheme: schemeHTTPS, host: r.pattern.host, port: r.pattern.port, tail: true, rank: r.pattern.rank}
		whole = append(whole, &rule{pattern: p, bare: r.bare, cred: r.cred})
		names[constraintName(p.host)] = true
	}
	x.rules = newTable(whole)
	for _, p := range used {
		for _, c := range p.companions {
			if c.Signed {
				names[c.Host] = true
			}
		}
	}
	for n := range names {
		x.names = append(x.names, n)
	}
	sort.Strings(x.names)
	return x
}

// constraintName is the name constraint that permits a pattern's host: what
// is right of the last star, with a leading dot, or the exact host (RFC 5280,
// section 4.2.1.10, with the leading dot of its URI form).
func constraintName(host string) string {
	if i := strings.LastIndexByte(host, '*'); i >= 0 {
		return host[i+1:]
	}
	return host
}

// InterceptHosts returns the team's interception hosts for the name
// constraints of its intermediate certificate: exact names and, with a
// leading dot, suffixes; IP literals as such; sorted, without repetition.
func (s *Snapshot) InterceptHosts(teamID string) []string {
	t := s.teams[teamID]
	if t == nil {
		return nil
	}
	return append([]string(nil), t.ready().intercept.names...)
}

// opens reports whether a tunnel to host:port is opened: a rule that puts
// something on could match, or the host is a signed companion, or a bare rule
// could match and the host is not a companion that brings its own token. why
// says which, for explain.
func (x *interception) opens(host string, port uint16) (p *provider, why string, ok bool) {
	t := Target{Scheme: schemeHTTPS, Host: host, Port: port, Path: "/"}
	var bare *provider
	for _, r := range x.rules.every(&sight{Target: t}) {
		if _, companion := r.cred.provider.companion(host); !r.bare && !companion {
			return r.cred.provider, "a credential of the team could apply to the host, so each request is decided", true
		}
		bare = r.cred.provider
	}
	if port == defaultPort(schemeHTTPS) {
		own := false
		for _, p := range x.provider {
			if c, ok := p.companion(host); ok {
				if c.Signed {
					return p, "the host serves signed URLs of " + p.name + ", so that an Authorization of the worker can be removed", true
				}
				own = true
			}
		}
		if own {
			return nil, "", false
		}
	}
	return bare, "a pattern of the team allows URLs of the host and puts nothing on, so each request is decided", bare != nil
}

// Connect answers what to do with a CONNECT to host:port.
//
// Where the tunnel is opened, refusals are given inside it: the answer is
// Intercept even where nothing in it will be allowed. Where it stays closed
// nothing inside can be judged, so the whole host must be allowed.
func (s *Snapshot) Connect(id Identity, host string, port uint16, unmatched UnmatchedPolicy, now time.Time) ConnectDecision {
	k, refused := s.caller(&id, now)
	if refused != nil {
		return ConnectDecision{Code: refused.Code, Reason: refused.Reason}
	}
	t := Target{Scheme: schemeHTTPS, Host: host, Port: port, Path: "/"}
	if reason := t.check(); reason != "" {
		return ConnectDecision{Code: CodeBadTarget, Reason: reason}
	}
	if p, why, ok := k.team.ready().intercept.opens(host, port); ok {
		return ConnectDecision{Passage: Intercept, Provider: p.Provider, Reason: why}
	}
	d := ConnectDecision{Provider: s.hostProvider(k, &t)}
	if k.restricted && !s.wholeHostRouted(k, host, port) {
		d.Code = CodeRouteForbidden
		d.Reason = "the routes of the API key " + quote(k.record.Name) + " do not cover all of " + t.Authority() + ", and what is inside this tunnel cannot be seen"
		return d
	}
	p := s.hosts.companionOf(schemeHTTPS, host, port, k.providers)
	switch {
	case p != nil && hasProvider(k.providers, p):
		d.Passage, d.Provider, d.Reason = Tunnel, p.Provider, p.companionReason
	case unmatched == UnmatchedPass && k.record.Unmatched != UnmatchedDeny:
		d.Passage, d.Reason = Tunnel, k.bare
	default:
		d.Code, d.Reason, d.Detail = s.whyUnmatched(k, "GET", &sight{Target: t}, p)
	}
	return d
}

// wholeHostRouted reports whether everything on host:port is within the key's
// routes.
func (s *Snapshot) wholeHostRouted(k *keyEntry, host string, port uint16) bool {
	for _, r := range k.routes {
		if p := &r.pattern; p.WholeHost() && p.scheme == schemeHTTPS && p.MatchesHost(host, port) {
			return true
		}
	}
	p := s.hosts.companionOf(schemeHTTPS, host, port, k.routed)
	return p != nil && hasProvider(k.routed, p)
}
