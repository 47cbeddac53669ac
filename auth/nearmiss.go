package auth

import "time"

// whyUnmatched says why a URL that no linked credential matches is refused.
// companion is the provider of which the host is a companion, if any.
func (s *Snapshot) whyUnmatched(k *keyEntry, v *sight, companion *provider) (Code, string) {
	t, key := &v.Target, quote(k.record.Name)
	if r, _ := k.team.ready().all.best(v, time.Time{}); r != nil {
		return CodeNotLinked, "the credential " + quote(r.cred.record.Name) + " matches " + t.Redacted() +
			" by the pattern " + r.pattern.text + ", but it is not linked to the API key " + key
	}
	if companion != nil {
		for _, c := range k.team.credentials {
			if c.provider == companion {
				return CodeNotLinked, t.Redacted() + " is on a companion host of the credential " + quote(c.record.Name) +
					", but it is not linked to the API key " + key
			}
		}
	}
	reason := "no credential that is linked to the API key " + key + " matches " + t.Redacted() + ", and unmatched URLs are refused"
	if miss := nearest(k.linked, t); miss != "" {
		reason += "; " + miss
	}
	return CodeNoCredentialMatched, reason
}

// nearest names the linked rule that comes closest: of the same host and
// endpoint with another path, then of the same host with another scheme or
// port.
func nearest(linked []*credential, t *Target) string {
	var path, endpoint *rule
	for _, c := range linked {
		for _, r := range c.rules {
			if !hostMatches(r.pattern.host, t.Host) {
				continue
			}
			switch same := r.pattern.scheme == t.Scheme && r.pattern.port == t.Port; {
			case same && (path == nil || r.pattern.rank > path.pattern.rank):
				path = r
			case !same && (endpoint == nil || r.pattern.rank > endpoint.pattern.rank):
				endpoint = r
			}
		}
	}
	switch {
	case path != nil:
		return "nearest is the pattern " + path.pattern.text + " of the credential " + quote(path.cred.record.Name) + ", whose path does not match"
	case endpoint != nil && endpoint.pattern.scheme != t.Scheme:
		return "nearest is the pattern " + endpoint.pattern.text + " of the credential " + quote(endpoint.cred.record.Name) + ", which is for " + endpoint.pattern.scheme + " only"
	case endpoint != nil:
		return "nearest is the pattern " + endpoint.pattern.text + " of the credential " + quote(endpoint.cred.record.Name) + ", which is for another port"
	}
	return ""
}
