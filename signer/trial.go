package signer

import (
	"context"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// trial asks the questions of one probe by the very road that workers' requests
// take: decided by the credential's own patterns, aimed, signed, and asked once
// more where the answer teaches something. It keeps nothing afterwards: no
// token, no lesson, since the credential may not be stored yet.
type trial struct {
	p   *probing
	set *Set
	of  provider
}

// entered is a Vault of the fields that a credential was given with.
type entered auth.Fields

// OpenFields implements Vault.
func (e entered) OpenFields(_ context.Context, _ string, _ uint64, names ...string) (auth.Fields, error) {
	out := make(auth.Fields, len(names))
	for _, n := range names {
		if v, ok := e[n]; ok {
			out[n] = v
		}
	}
	return out, nil
}

// trial begins one; it is to be closed.
func (p *probing) trial(of provider) *trial {
	return &trial{p: p, of: of, set: NewSet(entered(p.Fields), SetOptions{
		Now: p.set.now, Client: p.client, Machine: p.machine, Getenv: p.getenv, ReadFile: p.readFile,
	})}
}

func (t *trial) close() { t.set.Close() }

// deciding is the decision for a GET of a URL by the credential's patterns;
// found is false where none of them puts the secret on.
func deciding(of provider, c *auth.Credential, to auth.Target) (d auth.Decision, found bool) {
	for _, text := range c.Patterns {
		pattern, err := auth.ParsePattern(text)
		if err != nil {
			continue
		}
		rules, err := auth.ExpandFor(of, pattern, c.Params)
		if err != nil {
			continue
		}
		for _, r := range rules {
			if r.Bare || r.Opens {
				continue
			}
			a, why := newAudience(of, text, r.Pattern.String(), c.Params)
			if why != "" || a.refuses("GET", &to, false) != "" {
				continue
			}
			return auth.Decision{
				Outcome: auth.Inject, Provider: of, Rule: r.Pattern.String(), Written: text, Params: c.Params,
				CredentialID: "probe", CredentialName: c.Name, Version: c.Version,
			}, true
		}
	}
	return d, false
}

// may reports whether a URL is one that c would be put on at.
func may(of provider, c *auth.Credential, url string) bool {
	to, err := auth.ParseURL(url)
	if err != nil {
		return false
	}
	_, found := deciding(of, c, to)
	return found
}

// ask asks for a URL. Where there is no answer, or the secret could not be
// exchanged, the report says why.
func (t *trial) ask(ctx context.Context, url string, fields ...auth.HeaderField) (*answer, *auth.Report) {
	to, err := auth.ParseURL(url)
	if err != nil {
		return nil, t.p.unknown("", "the URL to ask is none", "")
	}
	d, found := deciding(t.of, &t.p.Credential, to)
	if !found {
		return nil, t.p.unknown("", "no pattern of the credential matches the URL to ask", "")
	}
	for again := false; ; again = true {
		var sent *auth.Outgoing
		a, failed := t.p.get(ctx, url, func(out *auth.Outgoing) (auth.Applied, error) {
			sent = out
			if err := t.set.Aim(&d, out); err != nil {
				return auth.Applied{}, err
			}
			return t.set.Sign(ctx, d, out)
		}, fields...)
		if failed != nil || a.status < 300 || again {
			return a, failed
		}
		lesson := t.set.Learn(ctx, d, sent, &auth.Refused{
			Host: sent.Target.Host, Status: a.status, Header: httpHeader(a.header), Body: func() []byte { return a.body }, Repeatable: true,
		})
		if !lesson.Again {
			return a, nil
		}
	}
}

// firstByte keeps an answer short that might be a whole model (RFC 9110,
// section 14.2).
var firstByte = auth.HeaderField{Name: "Range", Value: "bytes=0-0"}

// absent is a name that nothing has. Asking for it tells as much of a secret as
// asking for what is there: who asks is looked at before what is asked for.
const absent = "weighbridge-asks-for-a-name-that-nothing-has"

// maxTrials is how many places one probe asks at.
const maxTrials = 8

// somewhere is a URL that a pattern matches, and whether it is the only one;
// empty where the pattern leaves the host open. What a star stands for does not
// exist.
func somewhere(p auth.Pattern) (url string, exact bool) {
	if p.WildcardHost() || p.Scheme() != "https" && p.Scheme() != "http" {
		return "", false
	}
	path := p.Path()
	exact = !strings.Contains(path, "*") && !strings.HasSuffix(path, "/")
	path = strings.ReplaceAll(strings.ReplaceAll(path, "**", "*"), "*", absent)
	t := auth.Target{Scheme: p.Scheme(), Host: p.Host(), Port: p.Port(), Path: path}
	return t.Redacted(), exact
}

// finding is what one answer says: of the secret, and of the place.
type finding struct {
	verdict auth.Verdict
	meaning string
	next    string
	// fact or warning say what is to be said of the place.
	fact, warning string
}

// tally is the report on several places: what refutes the secret counts most,
// then what proves it.
func (t *trial) tally(ctx context.Context, places []place, judge func(*answer, *place) finding) auth.Report {
	var r auth.Report
	for i := range places {
		at := &places[i]
		a, failed := t.ask(ctx, at.url, at.fields...)
		if failed != nil {
			if failed.Verdict == auth.VerdictInvalid || r.Verdict == "" {
				return *failed
			}
			r.Warnings = append(r.Warnings, "whether it reaches "+at.name+" is not known: "+failed.Meaning)
			continue
		}
		f := judge(a, at)
		switch {
		case f.verdict == auth.VerdictInvalid:
			bad := t.p.invalid(a, f.meaning, f.next)
			bad.Asked = at.asked()
			return bad
		case f.verdict != auth.VerdictValid && r.Verdict == "":
			bad := t.p.undecided(a, at.host())
			if f.meaning != "" {
				bad.Meaning, bad.Next = f.meaning, f.next
			}
			bad.Asked = at.asked()
			return bad
		case f.verdict != auth.VerdictValid:
			r.Warnings = append(r.Warnings, "whether it reaches "+at.name+" is not known: "+t.p.said(a))
			continue
		case r.Verdict == "":
			r = auth.Report{Verdict: f.verdict, Asked: at.asked(), Answer: t.p.said(a), Meaning: f.meaning, Next: f.next}
		}
		if f.fact != "" {
			r.Facts = append(r.Facts, f.fact)
		}
		if f.warning != "" {
			r.Warnings = append(r.Warnings, f.warning)
			if r.Next == "" {
				r.Next = f.next
			}
		}
		if at.wanted && f.warning == "" {
			r.Reached = true
		}
	}
	return r
}

// place is one URL that a probe asks for.
type place struct {
	url    string
	name   string // for people
	exact  bool   // it should be there
	wanted bool   // somebody asks about it
	fields []auth.HeaderField
}

// placeList collects what a probe asks for: one byte at URLs that the credential
// is put on at.
type placeList struct {
	of  provider
	c   *auth.Credential
	out []place
}

func (l *placeList) add(at place) {
	if len(l.out) < maxTrials && may(l.of, l.c, at.url) {
		at.fields = []auth.HeaderField{firstByte}
		l.out = append(l.out, at)
	}
}

// want adds what somebody asks about, where it is a URL.
func (l *placeList) want(resource string) {
	if strings.HasPrefix(resource, "https://") {
		l.add(place{url: resource, name: resource, exact: true, wanted: true})
	}
}

// asked is what was asked, without its query.
func (p *place) asked() string {
	t, err := auth.ParseURL(p.url)
	if err != nil {
		return ""
	}
	return "GET " + t.Redacted()
}

func (p *place) host() string {
	t, err := auth.ParseURL(p.url)
	if err != nil {
		return "the server"
	}
	return t.Authority()
}
