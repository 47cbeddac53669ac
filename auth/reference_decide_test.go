package auth

import "strconv"

// refAnswer is the part of a decision that is compared.
type refAnswer struct {
	outcome    Outcome
	code       Code
	credential string
	rule       string
	provider   string
	companion  bool
	signed     bool
	bearer     bool
	needBody   bool
}

func deny(c Code) refAnswer { return refAnswer{code: c} }

// refDecide is Decide, written as the design says it.
func refDecide(s State, keyID string, q Question) refAnswer {
	var key *Key
	for i := range s.Keys {
		if s.Keys[i].ID == keyID {
			key = &s.Keys[i]
		}
	}
	switch key.Status(q.Now) {
	case "expired":
		return deny(CodeKeyExpired)
	case "revoked":
		return deny(CodeKeyRevoked)
	}
	a := refReach(s, key, q)
	if a.outcome == Deny {
		return a
	}
	p := refProvider(a.provider)
	for _, owner := range testProviders { // the owner of a host judges there
		for _, h := range owner.Schema().Hosts {
			if h == q.Target.Host {
				p = owner
			}
		}
	}
	class := ClassRead
	for _, path := range refReadings(q.Target.Path) {
		t := q.Target
		t.Path = canonicalPath(path)
		c := classifyMethod(q.Method)
		if p != nil {
			c = p.Classify(q.Method, t)
		}
		if c == ClassBody && q.HasBody {
			c = p.(BodyClassifier).ClassifyBody(q.Method, t, q.ContentEncoding, q.Body)
		}
		switch {
		case class == ClassBody || c == ClassBody && path != q.Target.Path:
			if class != c {
				class = ClassForbidden
			}
		case c == ClassBody:
			class = c
		default:
			class = min(class, c)
		}
	}
	if class == ClassBody {
		a.outcome, a.code, a.needBody = Deny, CodeScopeForbidden, true
		return a
	}
	if class == ClassForbidden || class == ClassWrite && (key.Scope != ScopeWrite || q.Identity.ViaURLKey) {
		a.outcome, a.code, a.companion, a.signed, a.bearer = Deny, CodeScopeForbidden, false, false, false
	}
	return a
}

func refReach(s State, key *Key, q Question) refAnswer {
	t := q.Target
	linkedIDs := map[string]bool{}
	for _, l := range s.Links {
		if l.KeyID == key.ID {
			linkedIDs[l.CredentialID] = true
		}
	}
	linked := refRules(s, func(c *Credential) bool { return c.TeamID == key.TeamID && linkedIDs[c.ID] })
	hostProvider := func() string {
		for _, p := range testProviders {
			for _, h := range p.Schema().Hosts {
				if h == t.Host {
					return p.Schema().Name
				}
			}
		}
		for _, p := range testProviders {
			if refOnHTTPS(t) && refCompanion(p, t.Host) {
				return p.Schema().Name
			}
		}
		return ""
	}
	if q.Boxed {
		o := q
		o.Boxed, o.Target = false, q.Origin
		if a := refReach(s, key, o); a.outcome == Deny {
			return a
		}
	} else if len(key.Routes) > 0 && !refRouted(key, t) {
		return refAnswer{code: CodeRouteForbidden, provider: hostProvider()}
	}

	readings := refReadings(t.Path)
	best := refBest(linked, t, readings[0], q.Now)
	for _, path := range readings[1:] {
		other := refBest(linked, t, path, q.Now)
		if (best == nil) != (other == nil) || best != nil && (best.cred.ID != other.cred.ID || best.rule.Bare != other.rule.Bare) {
			return refAnswer{code: CodeBadTarget, provider: hostProvider()}
		}
	}
	signed, bearer := refSigned(t.RawQuery)
	if best != nil {
		a := refAnswer{rule: best.rule.Pattern.String(), provider: best.cred.Provider, companion: refCompanion(best.provider, t.Host)}
		switch {
		case a.companion || best.rule.Bare || signed:
			a.outcome, a.signed, a.bearer = Bare, signed, bearer
		case best.cred.Usable(q.Now):
			a.outcome, a.credential = Inject, best.cred.ID
		default:
			a.code, a.credential = CodeCredentialNotUsable, best.cred.ID
		}
		if a.outcome == Inject && q.Boxed && len(key.Routes) > 0 && !refRouted(key, t) {
			return refAnswer{code: CodeRouteForbidden, provider: best.cred.Provider}
		}
		return a
	}
	bare := refAnswer{outcome: Bare, signed: signed, bearer: bearer, provider: hostProvider()}
	for _, p := range testProviders {
		used := false
		for i := range s.Credentials {
			used = used || linkedIDs[s.Credentials[i].ID] && s.Credentials[i].Provider == p.Schema().Name
		}
		if used && refOnHTTPS(t) && refCompanion(p, t.Host) {
			bare.companion, bare.provider = true, p.Schema().Name
			return bare
		}
	}
	if q.Boxed || q.Unmatched == UnmatchedPass && key.Unmatched != UnmatchedDeny {
		return bare
	}
	a := refAnswer{code: CodeNoCredentialMatched, provider: hostProvider()}
	for i := range s.Credentials {
		c := &s.Credentials[i]
		if c.TeamID != key.TeamID || linkedIDs[c.ID] {
			continue
		}
		rules := refRules(s, func(d *Credential) bool { return d == c })
		if refBest(rules, t, t.Path, q.Now) != nil || refOnHTTPS(t) && refCompanion(refProvider(c.Provider), t.Host) {
			a.code = CodeNotLinked
		}
	}
	return a
}

func refRouted(key *Key, t Target) bool {
	covered := true
	for _, path := range refReadings(t.Path) {
		some := false
		for _, text := range key.Routes {
			for _, r := range refExpandRoute(text) {
				some = some || refMatches(r, t, path)
			}
		}
		covered = covered && some
	}
	if covered {
		return true
	}
	for _, p := range testProviders {
		for _, text := range key.Routes {
			for _, r := range refExpandRoute(text) {
				for _, h := range p.Schema().Hosts {
					pattern := refParse(r)
					at := Target{Scheme: pattern.scheme, Host: h}
					port, _ := strconv.Atoi(pattern.port)
					at.Port = uint16(port)
					pattern.path = []string{"*"}
					whole := refHostText(pattern) + "/*"
					if refMatches(whole, at, "/") && refOnHTTPS(t) && refCompanion(p, t.Host) {
						return true
					}
				}
			}
		}
	}
	return false
}

func refHostText(p refPattern) string {
	if p.scheme == "http" {
		return "http://" + p.host + ":" + p.port
	}
	return p.host + ":" + p.port
}

func refExpandRoute(text string) []string {
	p, err := ParsePattern(text)
	if err != nil {
		panic(err)
	}
	for _, provider := range testProviders {
		for _, h := range provider.Schema().Hosts {
			if h == p.Host() {
				rules, err := provider.Expand(p)
				if err != nil {
					panic(err)
				}
				var out []string
				for _, r := range rules {
					out = append(out, r.Pattern.String())
				}
				return out
			}
		}
	}
	return []string{p.String()}
}
