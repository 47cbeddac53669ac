package signer

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// Ask asks for the first byte of a URL as d decided: with the credential put on
// as the data plane does, or with nothing. It follows no redirect, and what it
// returns repeats nothing of what was sent. It never fails; what went wrong is
// in the answer.
func (s *Set) Ask(ctx context.Context, d auth.Decision, to auth.Target) auth.Answered {
	p := &probing{Inquiry: &auth.Inquiry{}, means: &s.means, set: s, now: s.now()}
	// What stands in the query may be a secret, too: a signature, a token.
	if q, err := url.ParseQuery(to.RawQuery); err == nil {
		for _, values := range q {
			for _, v := range values {
				if len(v) >= likeness {
					p.sent = append(p.sent, auth.NewSecret(v))
				}
			}
		}
	}
	own := len(p.sent)
	for again := false; ; again = true {
		var sent *auth.Outgoing
		a, failed := p.get(ctx, to.String(), func(out *auth.Outgoing) (auth.Applied, error) {
			sent = out
			if d.Outcome != auth.Inject {
				return auth.Applied{}, nil
			}
			if err := s.Aim(&d, out); err != nil {
				return auth.Applied{}, err
			}
			return s.Sign(ctx, d, out)
		}, firstByte)
		if failed != nil {
			return auth.Answered{Failure: p.scrub(failed.Meaning), Size: -1}
		}
		if d.Outcome == auth.Inject && a.status >= 300 && !again {
			lesson := s.Learn(ctx, d, sent, &auth.Refused{
				Host: sent.Target.Host, Status: a.status, Header: httpHeader(a.header), Body: func() []byte { return a.body }, Repeatable: true,
			})
			if lesson.Again {
				continue
			}
		}
		out := p.answered(a, sent)
		// A redirect that repeats the secret would carry it to another host.
		if put := (&probing{sent: p.sent[own:]}); put.scrub(out.Location) != out.Location {
			out.Location, out.Words = "", "(the redirect repeats a part of the secret and is not followed)"
		}
		return out
	}
}

func (p *probing) answered(a *answer, sent *auth.Outgoing) auth.Answered {
	out := auth.Answered{Status: a.status, ContentType: p.scrub(cutWords(a.header.Get("Content-Type"))), Size: sizeOf(a)}
	if a.status >= 400 {
		out.Words = p.scrub(upstreamWords(a))
	}
	if a.status >= 300 && a.status < 400 {
		if base, err := url.Parse(sent.Target.String()); err == nil {
			if to, err := base.Parse(a.header.Get("Location")); err == nil && to.Host != "" {
				to.Fragment, to.RawFragment = "", ""
				out.Location = to.String()
			}
		}
	}
	return out
}

// sizeOf is the size of what was asked for a byte of: behind the slash of
// Content-Range (RFC 9110, section 14.4), or the length of a whole answer.
func sizeOf(a *answer) int64 {
	text := ""
	switch a.status {
	case http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable:
		_, text, _ = strings.Cut(a.header.Get("Content-Range"), "/")
	case http.StatusOK:
		text = a.header.Get("Content-Length")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}
