package signer

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// prober is a provider that can ask its upstream whether a credential works.
type prober interface {
	provider
	// asks is the first URL that probe asks for q, or why nobody is asked.
	asks(q *auth.Inquiry) (url, why string)
	// probe asks. It only reads, and asks nobody else than asks says.
	probe(ctx context.Context, p *probing) auth.Report
}

// discerning is a prober of whose fields only a part must not be repeated: the
// rest is made of words that any answer may hold.
type discerning interface {
	sensitive(f auth.Fields) []auth.Secret
}

// maxProbeAnswer bounds what is read of an answer to a probe.
const maxProbeAnswer = 64 << 10

// probing is one probe while it runs.
type probing struct {
	*auth.Inquiry
	*means
	set  *Set
	now  time.Time
	sent []auth.Secret // what is not repeated of an answer
}

// answer is what an upstream said to a probe.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// inquiry finds the provider of q, and what it would ask; why is why it would
// ask nobody.
func inquiry(q *auth.Inquiry) (p prober, to, why string) {
	known, ok := registered[q.Credential.Provider]
	if !ok {
		return nil, "", "there is no provider " + strconv.Quote(q.Credential.Provider)
	}
	if p, ok = known.(prober); !ok {
		return nil, "", "the fields are well formed; nobody is asked about a credential of " + known.Schema().Title
	}
	to, why = p.asks(q)
	return p, to, why
}

// Host is the host that Probe would ask, with its port where that is not the
// default one; empty where it would ask nobody.
func (s *Set) Host(q auth.Inquiry) string {
	if _, ok := registered[q.Credential.Provider].(prober); !ok {
		return "" // most are asked for again and again, and leave no copy behind
	}
	return hostAsked(q)
}

func hostAsked(q auth.Inquiry) string {
	_, to, why := inquiry(&q)
	if why != "" {
		return ""
	}
	t, err := auth.ParseURL(to)
	if err != nil {
		return ""
	}
	return t.Authority()
}

// Probe asks the upstream of a credential whether its secret works: with
// SetOptions.Client, read-only, without following a redirect, and with nothing
// of the secret in the report. It never fails; what went wrong is the report.
func (s *Set) Probe(ctx context.Context, q auth.Inquiry) auth.Report {
	p, to, why := inquiry(&q)
	if why != "" {
		return auth.Report{At: s.now().UTC(), Verdict: auth.VerdictUnasked, Meaning: why}
	}
	c := &probing{Inquiry: &q, means: &s.means, set: s, now: s.now()}
	if d, ok := p.(discerning); ok {
		c.sent = d.sensitive(q.Fields)
	} else {
		for _, f := range p.Schema().Fields {
			if v, ok := q.Fields[f.Name]; ok && f.Secret {
				c.sent = append(c.sent, v)
			}
		}
	}
	r := p.probe(ctx, c)
	r.At, r.Resource = s.now().UTC(), q.Resource
	if r.Asked == "" {
		if t, err := auth.ParseURL(to); err == nil {
			r.Asked = "GET " + t.Redacted()
		}
	}
	r.Answer = c.scrub(r.Answer)
	for _, lines := range [][]string{r.Facts, r.Warnings} {
		for i := range lines {
			lines[i] = c.scrub(lines[i])
		}
	}
	return r.Bounded()
}

// get asks for a URL with what put puts on. Where there is no answer, the
// report says why.
func (p *probing) get(ctx context.Context, to string, put func(*auth.Outgoing) (auth.Applied, error), fields ...auth.HeaderField) (*answer, *auth.Report) {
	t, err := auth.ParseURL(to)
	if err != nil {
		return nil, p.unknown("", "the URL to ask is none", "")
	}
	out := &auth.Outgoing{Method: http.MethodGet, Target: t, Header: httpHeader{}}
	out.Header.Set("User-Agent", "weighbridge")
	out.Header.Set("Accept", "*/*")
	for _, f := range fields {
		out.Header.Set(f.Name, f.Value)
	}
	applied, err := put(out)
	p.sent = append(append(p.sent, applied.Mask...), applied.Once...)
	if err != nil {
		return nil, p.unsigned(err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, out.Target.String(), nil)
	if err != nil {
		return nil, p.unknown("", "the URL to ask is none", "")
	}
	r.Header = http.Header(out.Header.(httpHeader))
	asked := "GET " + t.Redacted()
	if p.client == nil {
		return nil, p.unknown(asked, "there is no way out", "")
	}
	once := *p.client
	// T12: what comes after a redirect was not looked at, so it gets nothing.
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := once.Do(r)
	if err != nil {
		why := t.Authority() + " could not be reached"
		next := "Look whether this machine reaches it; it is asked again by itself."
		if e, ok := errors.AsType[*auth.Error](err); ok {
			why += ": " + e.Reason
			next = e.NextStep()
		} else if ctx.Err() != nil {
			why = t.Authority() + " did not answer in time"
		}
		return nil, p.unknown(asked, why, next)
	}
	defer func() { _ = resp.Body.Close() }()
	a := &answer{status: resp.StatusCode, header: resp.Header}
	// A body that breaks off says less, and the status still counts.
	a.body, _ = io.ReadAll(io.LimitReader(resp.Body, maxProbeAnswer))
	return a, nil
}

// unsigned is the report where the secret could not be put on: because it was
// refused where it is exchanged, or for something else.
func (p *probing) unsigned(err error) *auth.Report {
	o, ok := errors.AsType[*obstacle](err)
	switch e, known := errors.AsType[*auth.Error](err); {
	case ok && o.refuted:
		return &auth.Report{Verdict: auth.VerdictInvalid, Meaning: o.why}
	case ok:
		return p.unknown("", o.why, "Look whether this machine reaches it; it is asked again by itself.")
	case known:
		return p.unknown("", e.Reason, "")
	}
	return p.unknown("", "the secret could not be put on a request", "")
}

func (p *probing) unknown(asked, meaning, next string) *auth.Report {
	return &auth.Report{Verdict: auth.VerdictUnknown, Asked: asked, Meaning: meaning, Next: next}
}

// said is the status and the upstream's own words.
func (p *probing) said(a *answer) string {
	s := statusText(a.status)
	if words := upstreamWords(a); words != "" {
		s += ", " + p.scrub(words)
	}
	return s
}

// undecided is the report on an answer that says nothing of the secret.
func (p *probing) undecided(a *answer, host string) auth.Report {
	r := auth.Report{Verdict: auth.VerdictUnknown, Answer: p.said(a)}
	switch {
	case a.status >= 300 && a.status < 400:
		r.Meaning = host + " answered with a redirect, which is not followed with a secret"
	case a.status == http.StatusTooManyRequests, a.status == http.StatusServiceUnavailable:
		r.Meaning = host + " answers no questions now (" + statusText(a.status) + ")"
		r.Wait = retryAfter(a.header.Get("Retry-After"), p.now)
	default:
		r.Meaning = host + " gave an answer that says nothing of the secret (" + statusText(a.status) + ")"
	}
	r.Next = "It is asked again by itself."
	return r
}

// defaultWait is how long an upstream is left alone that says 429 and not for
// how long.
const defaultWait = time.Minute

// retryAfter reads the field of that name (RFC 9110, section 10.2.3).
func retryAfter(v string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(strings.TrimSpace(v)); err == nil && n >= 0 {
		return time.Duration(min(n, 86400)) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return min(max(t.Sub(now), 0), 24*time.Hour)
	}
	return defaultWait
}

// statusText is a status for people, such as "401 Unauthorized".
func statusText(code int) string {
	return strings.TrimSpace(strconv.Itoa(code) + " " + http.StatusText(code))
}

// injectsAt reports whether a pattern of the credential puts the secret on at
// host with TLS: it may be asked there.
func injectsAt(p auth.Provider, c *auth.Credential, host string) bool {
	return slices.ContainsFunc(injecting(p, c), func(pattern auth.Pattern) bool {
		return pattern.Scheme() == "https" && pattern.MatchesHost(host, 443)
	})
}

// injecting are the expanded patterns of c that put the secret on.
func injecting(p auth.Provider, c *auth.Credential) []auth.Pattern {
	var out []auth.Pattern
	for _, text := range c.Patterns {
		pattern, err := auth.ParsePattern(text)
		if err != nil {
			continue
		}
		rules, err := auth.ExpandFor(p, pattern, c.Params)
		if err != nil {
			continue
		}
		for _, r := range rules {
			if !r.Bare && !r.Opens {
				out = append(out, r.Pattern)
			}
		}
	}
	return out
}

// httpHeader is net/http's header as signers see it.
type httpHeader http.Header

var _ auth.FieldLister = httpHeader{}

func (h httpHeader) Get(name string) string      { return http.Header(h).Get(name) }
func (h httpHeader) Values(name string) []string { return slices.Clone(http.Header(h).Values(name)) }
func (h httpHeader) Set(name, value string)      { http.Header(h).Set(name, value) }
func (h httpHeader) Add(name, value string)      { http.Header(h).Add(name, value) }
func (h httpHeader) Del(name string)             { http.Header(h).Del(name) }

// Each implements auth.FieldLister.
func (h httpHeader) Each(f func(name, value string)) {
	for name, values := range h {
		for _, v := range values {
			f(name, v)
		}
	}
}
