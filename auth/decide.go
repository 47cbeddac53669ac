package auth

import "time"

// Decide answers what to do with a request. It is pure: the same snapshot and
// question give the same decision.
//
// In this order: the key must stand; the target must be unambiguous; the
// key's routes must cover it; then the most specific rule of a linked
// credential decides, or, where none matches, whether the host is a companion
// of a linked provider, whether the URL was sealed by us, and the policy for
// unmatched URLs; what is left must be within the key's scope.
//
// A URL that carries a complete foreign signature is never signed again. A
// host that is a companion of the deciding rule's own provider gets nothing
// put on, whatever the rule says. Where nothing is put on, the status of the
// credential does not matter.
func (s *Snapshot) Decide(q Question) Decision {
	k, refused := s.caller(&q.Identity, q.Now)
	if refused != nil {
		return Decision{Code: refused.Code, Reason: refused.Reason}
	}
	if reason := q.Target.check(); reason != "" {
		return Decision{Code: CodeBadTarget, Reason: reason}
	}
	v := see(&q.Target)
	d := s.reach(k, &q, &v)
	if d.Outcome == Deny {
		return d
	}
	d.Xet = k.record.Xet
	return s.inScope(k, &q, &v, d)
}

// reach decides everything except the scope.
func (s *Snapshot) reach(k *keyEntry, q *Question, v *sight) Decision {
	if q.Boxed {
		if d := s.origin(k, q); d.Outcome == Deny {
			return d
		}
	} else if k.restricted && !s.routed(k, q.Method, v) {
		return Decision{
			Code:     CodeRouteForbidden,
			Reason:   "the routes of the API key " + quote(k.record.Name) + " do not cover " + q.Target.name(),
			Provider: s.hostProvider(k, &v.Target),
		}
	}
	r, named, ambiguous := k.book.best(q.Method, v, q.Now)
	v.named = named
	if ambiguous {
		return Decision{
			Code:     CodeBadTarget,
			Reason:   "the encoded slash (%2F) in " + q.Target.name() + " leaves open which credential applies: read as a slash, the path matches differently",
			Provider: s.hostProvider(k, &v.Target),
		}
	}
	signed := signatureOf(q.Target.RawQuery)
	var d Decision
	if r != nil && named != nil {
		if why := named.refuses(r, signed.complete); why != "" {
			return Decision{Code: CodeBadTarget, Reason: why, Provider: r.cred.provider.Provider, Rule: r.pattern.text, Written: r.written}
		}
	}
	if r != nil {
		d = matched(r, &v.Target, signed, q.Now)
	} else {
		d = s.unmatched(k, q, v)
	}
	if d.Outcome == Inject && q.Boxed && k.restricted && !s.routed(k, q.Method, v) {
		// A sealed URL may lead past the routes, but a credential may not: an
		// upstream chose this URL, not the operator.
		return Decision{
			Code:     CodeRouteForbidden,
			Reason:   "the routes of the API key " + quote(k.record.Name) + " do not cover " + q.Target.name() + ", to which a sealed URL leads",
			Provider: d.Provider,
		}
	}
	if d.Outcome == Bare && signed.complete {
		d.Signed, d.KeepBearer = true, signed.bearer
	}
	return d
}

// origin decides the URL that led to a sealed one, as if it were asked for
// now: so links, routes and the credential's status are checked again.
func (s *Snapshot) origin(k *keyEntry, q *Question) Decision {
	if reason := q.Origin.check(); reason != "" {
		return Decision{Code: CodeBoxInvalid, Reason: "the sealed URL does not say which URL led to it"}
	}
	o := Question{Identity: q.Identity, Method: q.Method, Target: q.Origin, Unmatched: q.Unmatched, Now: q.Now}
	v := see(&o.Target)
	return s.reach(k, &o, &v)
}

// matched decides by the most specific rule.
func matched(r *rule, t *Target, signed signature, now time.Time) Decision {
	c := r.cred
	d := Decision{Rule: r.pattern.text, Written: r.written, Provider: c.provider.Provider, Params: c.record.Params}
	_, d.Companion = c.provider.companion(t.Host)
	switch {
	case d.Companion:
		d.Outcome, d.Reason = Bare, c.provider.companionReason
	case r.bare:
		d.Outcome, d.Reason = Bare, "the pattern allows the URL and puts nothing on it"
	case signed.complete:
		d.Outcome, d.Reason = Bare, "the URL carries a complete signature already; nothing is put on and no byte is changed"
	case !c.record.Usable(now):
		d.Code, d.Reason = CodeCredentialNotUsable, unusable(&c.record, t, now)
		d.Next = "Run `weighbridge credential show " + Argument(c.record.Name) + "` for the reason; replace the secret with `weighbridge credential update " + Argument(c.record.Name) + "`."
		d.CredentialID, d.CredentialName, d.Version = c.record.ID, c.record.Name, c.record.Version
	default:
		d.Outcome, d.Reason = Inject, "the pattern is the most specific one of the linked credentials that match"
		d.CredentialID, d.CredentialName, d.Version = c.record.ID, c.record.Name, c.record.Version
		d.KeepBearer = c.record.Reading.KeepBearer
	}
	return d
}

// unusable says why c is not used, and what to do.
func unusable(c *Credential, t *Target, now time.Time) string {
	status, why := c.Status, c.Reason
	next := "replace its secret with `weighbridge credential update`"
	switch {
	case c.Status == StatusValid:
		status, why = StatusExpired, "it expired at "+c.ExpiresAt.UTC().Format(time.RFC3339)
	case c.Status == StatusPending:
		next = "wait until it is checked, or look at `weighbridge credential show`"
	case c.Status == "":
		status = "unknown"
	}
	if why != "" {
		why = " (" + why + ")"
	}
	return "the credential " + quote(c.Name) + " matches " + t.name() + " best, but it is " + string(status) + why + "; " + next
}

// unmatched decides where no linked credential matches.
func (s *Snapshot) unmatched(k *keyEntry, q *Question, v *sight) Decision {
	t := &v.Target
	p := s.hosts.companionOf(t.Scheme, t.Host, t.Port, k.providers)
	if p != nil && hasProvider(k.providers, p) {
		return Decision{Outcome: Bare, Reason: p.companionReason, Provider: p.Provider, Companion: true}
	}
	d := Decision{Provider: s.hostProvider(k, t)}
	switch {
	case q.Opened != "":
		d.Outcome, d.Reason = Bare, q.Opened
	case q.Boxed:
		d.Outcome, d.Reason = Bare, "the URL was sealed by weighbridge; nothing is put on"
	case q.Unmatched == UnmatchedPass && k.record.Unmatched != UnmatchedDeny:
		d.Outcome, d.Reason = Bare, k.bare
	default:
		d.Code, d.Reason, d.Detail = s.whyUnmatched(k, q.Method, v, p)
	}
	return d
}

// hostProvider is the provider of a host that no rule decides: one whose own
// host it is, or whose companion. nil where there is none.
func (s *Snapshot) hostProvider(k *keyEntry, t *Target) Provider {
	if p := s.hosts.owner(t.Host); p != nil {
		return p.Provider
	}
	if p := s.hosts.companionOf(t.Scheme, t.Host, t.Port, k.providers); p != nil {
		return p.Provider
	}
	return nil
}

// routed reports whether the key's routes cover a target: by a route, or as a
// companion of a provider of which a route covers a host.
func (s *Snapshot) routed(k *keyEntry, method string, v *sight) bool {
	if k.allowed.covers(v, k.book.read(method, &v.Target)) {
		return true
	}
	p := s.hosts.companionOf(v.Scheme, v.Host, v.Port, k.routed)
	return p != nil && hasProvider(k.routed, p)
}
