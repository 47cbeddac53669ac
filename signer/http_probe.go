package signer

import (
	"context"
	"slices"

	"github.com/weighbridge/weighbridge/auth"
)

var (
	_ prober      = httpBearer{}
	_ prober      = httpBasic{}
	_ prober      = httpAPIKey{}
	_ prober      = httpQuery{}
	_ auth.Placer = httpBearer{}
	_ auth.Placer = httpBasic{}
	_ auth.Placer = httpAPIKey{}
	_ auth.Placer = httpQuery{}
)

// validationField names the URL at which a generic credential is tried.
const validationField = "validationUrl"

func validationURL() auth.Field {
	return auth.Field{
		Name: validationField, Title: "Validation URL", Example: "https://models.example.com/private/file",
		Help: "A URL that answers 2xx to the credential and 401 or 403 without, such as a small private file. One byte of it is asked for. It must match the patterns. Without it the fields alone are checked.",
	}
}

// validationURLProblem is the rule of the field.
func validationURLProblem(v string) string {
	t, err := auth.ParseURL(v)
	switch {
	case err != nil:
		return "is not an absolute URL such as https://models.example.com/private/file"
	case t.HasQuery:
		return "may not have a query: it is shown, and queries may hold secrets"
	}
	return ""
}

// Places implements auth.Placer.
func (anywhere) Places(params map[string]string) map[string]string {
	if v := params[validationField]; v != "" {
		return map[string]string{validationField: v}
	}
	return nil
}

// asksValidationURL is prober.asks of the generic providers. The URL is held to
// the patterns here once more: where it is sent, the secret is too.
func asksValidationURL(p auth.Provider, q *auth.Inquiry) (string, string) {
	v := q.Credential.Params[validationField]
	if v == "" {
		return "", "the fields are well formed; without a " + validationField + " nobody is asked"
	}
	t, err := auth.ParseURL(v)
	if err != nil || !slices.ContainsFunc(injecting(p, &q.Credential), func(pattern auth.Pattern) bool { return pattern.Matches(t) }) {
		return "", "the fields are well formed; the " + validationField + " matches none of the patterns, so nobody is asked"
	}
	return v, ""
}

func (p httpBearer) asks(q *auth.Inquiry) (string, string) { return asksValidationURL(p, q) }
func (p httpBasic) asks(q *auth.Inquiry) (string, string)  { return asksValidationURL(p, q) }
func (p httpAPIKey) asks(q *auth.Inquiry) (string, string) { return asksValidationURL(p, q) }
func (p httpQuery) asks(q *auth.Inquiry) (string, string)  { return asksValidationURL(p, q) }

func (p httpBearer) probe(ctx context.Context, c *probing) auth.Report { return c.tryURL(ctx, p) }
func (p httpBasic) probe(ctx context.Context, c *probing) auth.Report  { return c.tryURL(ctx, p) }
func (p httpAPIKey) probe(ctx context.Context, c *probing) auth.Report { return c.tryURL(ctx, p) }
func (p httpQuery) probe(ctx context.Context, c *probing) auth.Report  { return c.tryURL(ctx, p) }

// tryURL asks for the first byte at the validation URL: a server that knows no ranges answers with the whole, of which little
// is read.
func (p *probing) tryURL(ctx context.Context, by putter) auth.Report {
	to := p.Credential.Params[validationField]
	a, failed := p.get(ctx, to, func(out *auth.Outgoing) (auth.Applied, error) { return by.sign(p.Fields, out, p.now) },
		firstByte)
	if failed != nil {
		return *failed
	}
	switch {
	case a.status >= 200 && a.status < 300:
		return p.valid(a, "the server takes it")
	case a.status == 401 || a.status == 403:
		return p.invalid(a, "the server refuses it", "Get a new secret from the server's operator and rotate it in, or correct the "+validationField+".")
	}
	t, err := auth.ParseURL(to)
	if err != nil {
		return p.undecided(a, "the server")
	}
	return p.undecided(a, t.Authority())
}
