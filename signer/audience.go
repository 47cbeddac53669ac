package signer

import (
	"github.com/weighbridge/weighbridge/auth"
)

// maxAudiences bounds what a Set remembers: far more rules than a team has,
// and a bound all the same, since rules come and go while a process runs.
const maxAudiences = 4096

// audienceKey names a rule as a decision does. Providers are comparable.
type audienceKey struct {
	provider      provider
	written, rule string
}

// audience is where the credential behind one rule may go. It is made once
// for each rule and immutable.
type audience struct {
	provider   provider
	pattern    auth.Pattern
	companions []auth.Companion
	matches    func(*auth.Target) bool // of pattern
}

// newAudience works the rule of a decision out afresh from the operator's
// words, and returns why it may not be signed for.
func newAudience(p provider, written, rule string) (*audience, string) {
	pattern, err := auth.ParsePattern(rule)
	if err != nil {
		return nil, "the rule that decided is not a pattern"
	}
	alone, err := p.Expand(pattern)
	if err != nil || len(alone) == 0 || alone[0].Bare {
		return nil, "the rule that decided allows the URL without a credential"
	}
	if written != rule {
		if !expandsTo(p, written, pattern) {
			return nil, "the rule that decided does not follow from the pattern as written"
		}
	}
	return &audience{provider: p, pattern: pattern, companions: p.Companions(), matches: pattern.Matcher()}, ""
}

func expandsTo(p provider, written string, rule auth.Pattern) bool {
	pattern, err := auth.ParsePattern(written)
	if err != nil {
		return false
	}
	rules, err := p.Expand(pattern)
	if err != nil {
		return false
	}
	for _, r := range rules {
		if !r.Bare && r.Pattern.Equal(rule) {
			return true
		}
	}
	return false
}

// refuses returns why t is not for this audience, or nothing.
func (a *audience) refuses(t *auth.Target) string {
	switch {
	case t.Scheme != a.pattern.Scheme():
		if t.Scheme == "http" {
			return "the URL is not https, and the pattern does not begin with http://"
		}
		return "the URL has another scheme than the pattern"
	case isCompanion(a.companions, t.Host):
		return "the host never gets a credential"
	case a.pattern.WholeHost() && a.pattern.MatchesHost(t.Host, t.Port):
		return ""
	case !a.matches(t):
		return "the URL is not one that the rule matches"
	}
	return ""
}
