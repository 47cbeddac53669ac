package auth

// Intercepts reports whether tunnels of a team to host:port are opened, and of
// which provider the host is. It is what Connect says for keys that stand: a
// key that has ended is told so inside the tunnel, where clients show it.
func (s *Snapshot) Intercepts(teamID, host string, port uint16) (Provider, bool) {
	t := s.teams[teamID]
	if t == nil {
		return nil, false
	}
	p, _, ok := t.ready().intercept.opens(host, port)
	if !ok {
		return nil, false
	}
	return p.Provider, true
}

// Owner is the provider among whose own hosts host is, or nil. Refusals that
// come before anybody is identified are put into the words of its clients.
func (s *Snapshot) Owner(host string) Provider {
	if p := s.hosts.owner(host); p != nil {
		return p.Provider
	}
	return nil
}
