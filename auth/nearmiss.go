package auth

import "strings"

// whyUnmatched says why a URL that no linked credential matches is refused.
// companion is the provider of which the host is a companion, if any. detail
// is not for the caller: it names what the key has no link to.
func (s *Snapshot) whyUnmatched(k *keyEntry, method string, v *sight, companion *provider) (code Code, reason, detail string) {
	t, key := &v.Target, quote(k.record.Name)
	if r := k.team.ready().all.first(method, t); r != nil {
		return CodeNotLinked, "a credential of the team matches " + t.name() + ", but it is not linked to the API key " + key,
			"it is the credential " + quote(r.cred.record.Name) + " by the pattern " + r.written
	}
	if companion != nil {
		for _, c := range k.team.credentials {
			if c.provider == companion {
				return CodeNotLinked, t.name() + " is on a companion host of " + companion.name +
						", but no credential of that provider is linked to the API key " + key,
					"one is the credential " + quote(c.record.Name)
			}
		}
	}
	reason = "no credential that is linked to the API key " + key + " matches " + t.name() + ", and unmatched URLs are refused"
	if miss := nearest(k.linked, t); miss != "" {
		reason += "; " + miss
	}
	return CodeNoCredentialMatched, reason, ""
}

// maxMisses bounds how many rules are looked at for the sake of a reason.
const maxMisses = 4096

// nearest names the linked rule that comes closest: one of the same endpoint
// that shares most of the path, or else one of the same host for another
// scheme or port.
func nearest(linked []*credential, t *Target) string {
	var path, endpoint *rule
	shared, looked := -1, 0
	for _, c := range linked {
		for _, r := range c.rules {
			if looked++; looked > maxMisses {
				break
			}
			switch {
			case !hostMatches(r.pattern.host, t.Host):
			case r.pattern.scheme != t.Scheme || r.pattern.port != t.Port:
				if endpoint == nil {
					endpoint = r
				}
			default:
				if n := r.pattern.sharedSegments(t.Path); n > shared {
					path, shared = r, n
				}
			}
		}
	}
	near := path
	if near == nil {
		near = endpoint
	}
	if near == nil {
		return ""
	}
	miss := "nearest is the pattern " + near.written + " of the credential " + quote(near.cred.record.Name)
	switch {
	case path != nil:
		return miss + ", whose path does not match"
	case near.pattern.scheme != t.Scheme:
		return miss + ", which is for " + near.pattern.scheme + " only"
	default:
		return miss + ", which is for another port"
	}
}

// sharedSegments counts the leading segments of path that fit.
func (p *Pattern) sharedSegments(path string) int {
	segments := strings.Split(path[1:], "/")
	for i := range p.segments {
		if i == len(segments) || !p.segments[i].matches(unescape(segments[i])) {
			return i
		}
	}
	return len(p.segments)
}

// matches reports whether one decoded segment fits.
func (s *segment) matches(seg string) bool {
	switch s.kind {
	case literal:
		return s.text == seg
	case star:
		return seg != ""
	case glob:
		return globMatches(s.parts, seg)
	default:
		return true
	}
}
