package auth

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Verdict is what a validation found. Only VerdictInvalid and the clock take a
// credential out of use.
type Verdict string

// The verdicts of a validation. The zero value counts as VerdictUnknown.
const (
	// VerdictValid: the upstream took the secret.
	VerdictValid Verdict = "valid"
	// VerdictInvalid: the upstream refused the secret.
	VerdictInvalid Verdict = "invalid"
	// VerdictUnknown: the upstream could not be asked, or its answer says
	// nothing of the secret. It changes no status.
	VerdictUnknown Verdict = "unknown"
	// VerdictUnasked: there is nobody to ask, or it was not wanted; the fields
	// alone were checked.
	VerdictUnasked Verdict = "unasked"
)

// Report is the outcome of one validation: what was asked of whom, what came
// back, what it means and what to do. It holds no secret and no query, and is
// stored with the credential and shown.
type Report struct {
	At      time.Time `json:"at"`
	Verdict Verdict   `json:"verdict"`
	// Asked is the method and the URL, without its query; empty where nobody
	// was asked.
	Asked string `json:"asked,omitempty"`
	// Answer is what came back: a status, and the upstream's words as far as
	// they hold nothing secret.
	Answer string `json:"answer,omitempty"`
	// Meaning says what that means, Next what to do about it.
	Meaning string `json:"meaning"`
	Next    string `json:"next,omitempty"`
	// Facts and Warnings are as in a Reading, but told by the upstream.
	Facts    []string `json:"facts,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	// Resource is the thing that was asked about as well, and Reached whether the
	// credential reaches it.
	Resource string `json:"resource,omitempty"`
	Reached  bool   `json:"reached,omitempty"`
	// ExpiresAt is when the upstream says that the secret ends; zero where it
	// does not say.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// Wait is how long the upstream wants not to be asked again (429, 503 with
	// Retry-After). It is not kept.
	Wait time.Duration `json:"-"`
}

// The bounds of a report, so that no upstream decides how much is stored.
const (
	maxReportText  = 400 // bytes of one text
	maxReportLines = 16  // facts, and warnings
)

// Bounded is r cut to what may be stored and shown: short texts without control
// characters.
func (r Report) Bounded() Report {
	r.Asked, r.Answer, r.Meaning, r.Next = reportText(r.Asked), reportText(r.Answer), reportText(r.Meaning), reportText(r.Next)
	r.Resource = reportText(r.Resource)
	r.Facts, r.Warnings = reportLines(r.Facts), reportLines(r.Warnings)
	return r
}

func reportLines(lines []string) []string {
	var out []string
	for _, l := range lines[:min(len(lines), maxReportLines)] {
		out = append(out, reportText(l))
	}
	return out
}

func reportText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
	if len(s) <= maxReportText {
		return s
	}
	cut := maxReportText
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// Inquiry is a credential that an upstream is to be asked about.
type Inquiry struct {
	// Credential is the record, stored or about to be.
	Credential Credential
	// Fields are all its fields, secret or not.
	Fields Fields
	// Resource is one thing at the upstream, such as a repository, of which
	// somebody wants to know whether the credential reaches it; usually empty.
	Resource string
}

// Placer is a provider that has fields, not secret, whose values are URLs to
// which the secret is sent. They are held to the credential's own patterns.
type Placer interface {
	// Places are such URLs by the name of their field.
	Places(params map[string]string) map[string]string
}

// CheckPlaces refuses a URL in a field that no pattern of the credential puts
// the secret on at. The error names the field.
func CheckPlaces(p Provider, params map[string]string, patterns []string) error {
	placer, ok := p.(Placer)
	if !ok {
		return nil
	}
	for field, place := range placer.Places(params) {
		t, err := ParseURL(place)
		if err != nil {
			return NewError(CodeBadRequest, field+": it is not a URL", err)
		}
		if !places(p, params, patterns, t) {
			return NewError(CodeBadRequest, field+": "+t.name()+" matches none of the credential's own patterns, so the secret may not be sent there", nil)
		}
	}
	return nil
}

func places(p Provider, params map[string]string, patterns []string, t Target) bool {
	for _, text := range patterns {
		pattern, err := ParsePattern(text)
		if err != nil {
			continue
		}
		rules, err := ExpandFor(p, pattern, params)
		if err != nil {
			continue
		}
		for _, r := range rules {
			if !r.Bare && !r.Opens && r.Pattern.Matches(t) {
				return true
			}
		}
	}
	return false
}
