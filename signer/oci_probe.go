package signer

import (
	"context"
	"net/http"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

var _ prober = ociRegistry{}

// asks asks each registry of the patterns how it wants to be spoken to, as
// `docker login` does, and its token server for a token.
func (p ociRegistry) asks(q *auth.Inquiry) (string, string) {
	if places := p.places(q); len(places) > 0 {
		return places[0].registry + "/v2/", ""
	}
	return "", "the fields are well formed; no pattern names a registry, so nobody is asked"
}

// ociPlace is a registry, and what is asked for in it.
type ociPlace struct {
	place
	registry string
}

func (p ociRegistry) places(q *auth.Inquiry) (out []ociPlace) {
	for _, pattern := range injecting(p, &q.Credential) {
		if pattern.WildcardHost() || len(out) == maxTrials {
			continue
		}
		t := auth.Target{Scheme: pattern.Scheme(), Host: pattern.Host(), Port: pattern.Port()}
		at := ociPlace{registry: t.Scheme + "://" + t.Authority()}
		path := strings.TrimPrefix(pattern.Path(), "/v2/")
		// The tags of a repository that the pattern names whole, or of one that
		// it allows and that nobody has.
		repository, whole := strings.CutSuffix(path, "/*")
		if path == pattern.Path() {
			repository, whole = "", false
		}
		at.exact = whole && strings.Contains(repository, "/") && !strings.Contains(repository, "*")
		for _, name := range []string{repository, repository + "/" + absent, absent} {
			t.Path = "/v2/" + strings.TrimPrefix(name, "/") + "/tags/list"
			if name != "" && !strings.Contains(name, "*") && (at.exact || name != repository) && may(p, &q.Credential, t.Redacted()) {
				at.url, at.name = t.Redacted()+"?n=1", strings.TrimPrefix(t.Authority()+"/"+strings.TrimPrefix(name, "/"), "/")
				break
			}
		}
		out = append(out, at)
	}
	return out
}

const ociRenew = "Compare the user name, make a new access token that may pull, and rotate it in."

func (p ociRegistry) probe(ctx context.Context, c *probing) auth.Report {
	t := c.trial(p)
	defer t.close()
	var r auth.Report
	for _, at := range p.places(c.Inquiry) {
		one := t.registry(ctx, &at)
		switch {
		case r.Verdict == "", one.Verdict == auth.VerdictInvalid:
			r = one
			if one.Verdict != auth.VerdictValid {
				return r
			}
		case one.Verdict == auth.VerdictValid:
			r.Facts, r.Warnings = append(r.Facts, one.Facts...), append(r.Warnings, one.Warnings...)
		default:
			r.Warnings = append(r.Warnings, at.registry+": "+one.Meaning)
		}
	}
	return r
}

// registry asks one: for a token to nothing in particular, which a wrong
// password does not get, and then for the tags of a repository.
func (t *trial) registry(ctx context.Context, at *ociPlace) auth.Report {
	c := t.p
	host := strings.TrimPrefix(strings.TrimPrefix(at.registry, "https://"), "http://")
	asked := "GET " + at.registry + "/v2/"
	call := &call{params: c.Credential.Params, fields: c.Fields, now: c.now, means: &t.set.means}
	got, err := call.registryToken(ctx, at.registry, "")
	if err != nil {
		r := c.unsigned(err)
		r.Asked = asked
		if r.Verdict == auth.VerdictInvalid {
			r.Next = ociRenew
		}
		return *r
	}
	c.sent = append(c.sent, got.value)
	basic := strings.HasPrefix(got.value.Reveal(), "Basic ")
	valid := auth.Report{Verdict: auth.VerdictValid, Asked: asked, Answer: "a token", Meaning: host + " gives a token to the user"}
	switch {
	case at.url == "" && basic:
		return *c.unknown(asked, "no pattern allows a question to "+host+" that would tell", "")
	case at.url == "" || !basic && !at.exact:
		return valid
	}
	a, failed := t.ask(ctx, at.url)
	switch {
	case failed != nil && basic:
		return *failed
	case failed != nil:
		valid.Warnings = append(valid.Warnings, "whether it reaches "+at.name+" is not known: "+failed.Meaning)
		return valid
	case basic && a.status == http.StatusUnauthorized:
		return c.invalid(a, host+" does not take the user name and password", ociRenew)
	case basic && a.status != http.StatusOK && a.status != http.StatusNotFound && a.status != http.StatusForbidden:
		return c.undecided(a, host)
	case basic:
		valid.Answer, valid.Meaning = c.said(a), host+" takes the user name and password"
	}
	switch {
	case a.status == http.StatusOK:
		valid.Facts = append(valid.Facts, at.name+": may be pulled")
	case !at.exact:
	case a.status == http.StatusNotFound:
		valid.Warnings = append(valid.Warnings, "there is no repository "+at.name+", or the user does not reach it")
		valid.Next = "Compare the pattern with the repository's name."
	default:
		valid.Warnings = append(valid.Warnings, at.name+" may not be pulled: "+c.said(a))
		valid.Next = "Give the user the right to pull from it."
	}
	return valid
}
