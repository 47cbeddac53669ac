package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
)

// CredentialDraft is a credential that is still being written.
type CredentialDraft struct {
	Provider string            `json:"provider" doc:"One of GET /api/v1/providers."`
	Fields   map[string]string `json:"fields,omitempty" doc:"The provider's fields, as far as they are there. They are not kept."`
	Patterns []string          `json:"patterns,omitempty" doc:"URL patterns, as far as they are there."`
}

// CredentialPreview is what can be told of a draft. It quotes no secret.
type CredentialPreview struct {
	Errors    []Flaw     `json:"errors,omitempty" doc:"Each mistake in the fields and patterns, with its place."`
	Patterns  []string   `json:"patterns,omitempty" doc:"The patterns without a mistake, in canonical form."`
	Facts     []string   `json:"facts,omitempty" doc:"What can be read out of the fields, in words."`
	Warnings  []string   `json:"warnings,omitempty" doc:"What is wider, or will last shorter, than it should be."`
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"When the fields themselves say that they end."`
	Grant     string     `json:"grant,omitempty" doc:"The least that the upstream has to allow for the patterns, as a document to copy there: an IAM policy."`
}

type previewOutput struct{ Body CredentialPreview }

// preview tells of a credential before it is made: nothing is kept, nobody is
// asked, and nothing goes on record.
func (a *API) preview() {
	huma.Register(a.doc, huma.Operation{
		OperationID: "preview-credential", Method: http.MethodPost, Path: "/api/v1/credentials/preview",
		Summary: "Tell what fields and patterns say, without keeping them or asking anybody", Tags: []string{"credentials"},
	}, func(_ context.Context, in *struct{ Body CredentialDraft }) (*previewOutput, error) {
		p, err := a.provider(in.Body.Provider)
		if err != nil {
			return nil, err
		}
		return &previewOutput{a.previewOf(p, in.Body)}, nil
	})
}

func (a *API) previewOf(p auth.Provider, in CredentialDraft) (out CredentialPreview) {
	// What is not secret is of use also beside mistakes.
	params := map[string]string{}
	for _, f := range p.Schema().Fields {
		if v := in.Fields[f.Name]; v != "" && !f.Secret {
			params[f.Name] = v
		}
	}
	secrets, checked, _, err := split(p, in.Fields)
	if err == nil {
		params = checked
	}
	out.mistaken(err)
	for i, text := range in.Patterns {
		canonical, err := a.patterns(p, []string{text}, params)
		if prob := asInvalid(err); prob != nil {
			prob.Errors[0].Location = fmt.Sprintf("body.patterns[%d]", i)
			out.mistaken(prob)
			continue
		}
		out.Patterns = append(out.Patterns, canonical...)
	}
	all := together(secrets, params)
	reading := auth.Read(p, all, out.Patterns, a.o.Now())
	out.Facts, out.Warnings = reading.Facts, reading.Warnings
	if end := reading.ExpiresAt; !end.IsZero() {
		if out.ExpiresAt = &end; !end.After(a.o.Now()) {
			out.mistaken(ended(end))
		}
	}
	if len(out.Patterns) > 0 {
		if err := auth.CheckPlaces(p, params, out.Patterns); err != nil {
			out.mistaken(badPlace(err))
		}
	}
	out.Grant = auth.Grant(p, params, out.Patterns)
	return out
}

func (c *CredentialPreview) mistaken(err error) {
	if p := asInvalid(err); p != nil {
		c.Errors = append(c.Errors, p.Errors...)
	}
}

func asInvalid(err error) *Problem {
	p, _ := errors.AsType[*Problem](err)
	return p
}
