package signer

import (
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// maxAudiences bounds what a Set remembers: far more rules than a team has,
// and a bound all the same, since rules come and go while a process runs.
const maxAudiences = 4096

// audienceKey names a rule as a decision does. Providers are comparable.
type audienceKey struct {
	provider      provider
	written, rule string
	// dialect is that of a Canonicalizer.
	dialect string
}

// audience is where the credential behind one rule may go. It is made once
// for each rule and immutable.
type audience struct {
	provider   provider
	pattern    auth.Pattern
	companions []auth.Companion
	matches    func(*auth.Target) bool // of pattern
	// named finds out what a request names, where its rules are matched against
	// that; nil otherwise.
	named func(method string, t auth.Target) (auth.Canonical, bool)
}

// newAudience works the rule of a decision out afresh from the operator's
// words, and returns why it may not be signed for.
func newAudience(p provider, written, rule string, params map[string]string) (*audience, string) {
	pattern, err := auth.ParsePattern(rule)
	if err != nil {
		return nil, "the rule that decided is not a pattern"
	}
	alone, err := auth.ExpandFor(p, pattern, params)
	if err != nil || len(alone) == 0 || alone[0].Bare {
		return nil, "the rule that decided allows the URL without a credential"
	}
	if written != rule {
		if !expandsTo(p, written, pattern, params) {
			return nil, "the rule that decided does not follow from the pattern as written"
		}
	}
	a := &audience{provider: p, pattern: pattern, companions: p.Companions(), matches: pattern.Matcher()}
	if c, ok := p.(auth.Canonicalizer); ok {
		dialect := c.Dialect(params)
		a.named = func(method string, t auth.Target) (auth.Canonical, bool) { return c.Canonical(dialect, method, t) }
	}
	return a, ""
}

func expandsTo(p provider, written string, rule auth.Pattern, params map[string]string) bool {
	pattern, err := auth.ParsePattern(written)
	if err != nil {
		return false
	}
	rules, err := auth.ExpandFor(p, pattern, params)
	if err != nil {
		return false
	}
	for _, r := range rules {
		if !r.Bare && !r.Opens && r.Pattern.Equal(rule) {
			return true
		}
	}
	return false
}

// holds reports whether the rule is about something in the container t.
func (a *audience) holds(t auth.Target) bool {
	return a.pattern.MatchesHost(t.Host, t.Port) && strings.HasPrefix(a.pattern.Path(), strings.TrimSuffix(t.Path, "/")+"/")
}

// refuses returns why t is not for this audience, or nothing. decided is that of
// auth.Outgoing.
func (a *audience) refuses(method string, t *auth.Target, decided bool) string {
	const unmatched = "the URL is not one that the rule matches"
	if a.named != nil && t.Scheme == a.pattern.Scheme() {
		c, ok := a.named(method, *t)
		switch {
		case !ok:
			return unmatched
		case c.Refused != "":
			return c.Refused
		case slices.ContainsFunc(c.Match, func(t auth.Target) bool { return c.Admits(&t, a.matches) }):
		case decided && (method == "POST" || c.Itself) && c.Below && slices.ContainsFunc(c.Match, a.holds):
			// What it is about stands in its body, and was decided name by name; or it
			// tells nothing of what is in the container.
		default:
			return unmatched
		}
		return ""
	}
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
		return unmatched
	}
	return ""
}
