package admin

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
)

// Validator asks upstreams about credentials. *lifecycle.Engine is one.
type Validator interface {
	// Check asks about a credential that is not stored yet.
	Check(ctx context.Context, q auth.Inquiry) auth.Report
	// Validate asks about a stored one and stores the report with ev; resource
	// may name one thing that it should reach.
	Validate(ctx context.Context, credentialID, resource string, ev auth.Event) (auth.Credential, auth.Report, error)
	// Judge puts a report beside c and gives c the status that follows.
	Judge(c *auth.Credential, r auth.Report)
}

// Report is the outcome of a validation as the API shows it.
type Report struct {
	At        time.Time  `json:"at" doc:"When it was validated."`
	Verdict   string     `json:"verdict" enum:"valid,invalid,unknown,unasked" doc:"valid: the upstream took the secret. invalid: it refused it. unknown: it could not be told. unasked: nobody was asked, the fields were checked."`
	Asked     string     `json:"asked,omitempty" doc:"What was asked of whom."`
	Answer    string     `json:"answer,omitempty" doc:"What came back."`
	Meaning   string     `json:"meaning" doc:"What it means."`
	Next      string     `json:"next,omitempty" doc:"What to do."`
	Facts     []string   `json:"facts,omitempty" doc:"What the upstream told about the secret."`
	Warnings  []string   `json:"warnings,omitempty"`
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"When the secret ends, as the upstream says."`
	Resource  string     `json:"resource,omitempty" doc:"The repository that was asked about as well."`
	Reached   bool       `json:"reached,omitempty" doc:"Whether the credential reaches it."`
}

// Validation is the answer to a validation that was asked for.
type Validation struct {
	Credential Credential `json:"credential" doc:"The credential as the validation left it."`
	Report     Report     `json:"report"`
}

// tagged implements tagged.
func (v Validation) tagged() any { return v.Credential.tagged() }

// ValidateInput is what asking for a validation takes.
type ValidateInput struct {
	RefInput
	CheckRepo string `query:"check_repo" maxLength:"256" doc:"A repository of the Hub, such as org/model or datasets/org/name, that the credential should reach."`
}

// Rotation is what replacing a credential's fields takes.
type Rotation struct {
	Fields     map[string]string `json:"fields" doc:"The new fields. Those that are not secret and not named stay."`
	ExpiresAt  *time.Time        `json:"expires_at,omitempty" doc:"When the new secret ends, where that is known."`
	NoValidate bool              `json:"no_validate,omitempty" doc:"Replace the fields without asking the upstream first."`
}

// Cut picks transfers in progress; what is empty picks all.
type Cut struct{ TeamID, CredentialID, KeyID string }

type validationOutput struct{ Body Validation }

func (a *API) validation() {
	const one = "/api/v1/credentials/{ref}"
	huma.Register(a.doc, onRef("validate-credential", http.MethodPost, one+"/validate", "Ask the upstream whether a credential works", "credentials"), a.validateCredential)
	changes(a, onRef("rotate-credential", http.MethodPost, one+"/rotate",
		"Replace a credential's fields: validated first, swapped in one step, the old ones destroyed", "credentials"), a.rotateCredential)
	revokes(a, onRef("revoke-credential", http.MethodPost, one+"/revoke",
		"Revoke a credential, for good, and destroy its sealed fields", "credentials"), a.revokeCredential)
}

// judge gives c, which is about to be stored, the status that its fields have
// earned: the upstream is asked, unless that is not wanted.
func (a *API) judge(c *auth.Credential, r auth.Report) {
	if a.o.Validator == nil {
		c.Status, c.Reason = auth.StatusValid, r.Meaning
		return
	}
	c.Status, c.Reason, c.AnsweredAt = auth.StatusPending, "", time.Time{}
	a.o.Validator.Judge(c, r)
}

// ask is the report about fields that are not stored yet.
func (a *API) ask(ctx context.Context, c auth.Credential, all auth.Fields, not bool) auth.Report {
	switch {
	case a.o.Validator == nil:
		return auth.Report{At: a.o.Now().UTC(), Verdict: auth.VerdictUnasked, Meaning: "the fields are well formed"}
	case not:
		return auth.Report{At: a.o.Now().UTC(), Verdict: auth.VerdictUnasked, Meaning: "the fields are well formed; the upstream was not asked, because that was not wanted"}
	}
	return a.o.Validator.Check(ctx, auth.Inquiry{Credential: c, Fields: all})
}

func (a *API) validateCredential(ctx context.Context, in *ValidateInput) (*validationOutput, error) {
	c, err := a.o.Store.Credential(ctx, team(ctx), in.Ref)
	if err != nil {
		return nil, a.public(err)
	}
	if c.Status == auth.StatusRevoked {
		return nil, revoked(&c)
	}
	if a.o.Validator == nil {
		return nil, problem(http.StatusServiceUnavailable, "unavailable", "nobody here asks upstreams", "")
	}
	_, r, err := a.o.Validator.Validate(ctx, c.ID, in.CheckRepo, a.event(ctx, auth.ActionCredentialValidate))
	if err != nil {
		return nil, a.public(err)
	}
	out, err := a.credential(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	return &validationOutput{Validation{Credential: out.Body, Report: *showReport(&r)}}, nil
}

func revoked(c *auth.Credential) *Problem {
	return problem(http.StatusConflict, "credential_revoked", fmt.Sprintf("credential %q is revoked, which is final", c.Name), "Create a new credential.")
}

func (a *API) rotateCredential(ctx context.Context, ref string, in Rotation) (*credentialOutput, error) {
	c, err := a.o.Store.Credential(ctx, team(ctx), ref)
	if err != nil {
		return nil, a.public(err)
	}
	switch {
	case c.Status == auth.StatusRevoked:
		return nil, revoked(&c)
	case c.Declarative:
		return nil, problem(http.StatusConflict, "read_only", fmt.Sprintf("credential %q comes from the configuration", c.Name), "Change its file or variable there; a changed file is taken by itself.")
	}
	p, err := a.provider(c.Provider)
	if err != nil {
		return nil, err
	}
	given := map[string]string{}
	for _, f := range p.Schema().Fields {
		if v, ok := c.Params[f.Name]; ok && !f.Secret {
			given[f.Name] = v
		}
	}
	for name, v := range in.Fields {
		given[name] = v
	}
	secrets, params, previews, err := split(p, given)
	if err != nil {
		return nil, err
	}
	if len(secrets) == 0 {
		return nil, invalid("body.fields", "no secret field is given", "Give the new secret with --set FIELD=….")
	}
	next := c
	next.Params, next.Previews, next.ExpiresAt, next.Report = params, previews, time.Time{}, nil
	if next.ExpiresAt, err = a.ends(in.ExpiresAt); err != nil {
		return nil, err
	}
	all := together(secrets, params)
	if err := a.read(&next, p, all); err != nil {
		return nil, err
	}
	if err := auth.CheckPlaces(p, params, c.Patterns); err != nil {
		return nil, badPlace(err)
	}
	r := a.ask(ctx, next, all, in.NoValidate)
	if a.o.Validator != nil && (r.Verdict == auth.VerdictInvalid || r.Verdict == auth.VerdictUnknown || r.Verdict == "") {
		return nil, notRotated(&c, r)
	}
	c, err = a.o.Store.UpdateCredential(ctx, team(ctx), c.ID, func(row *auth.Credential) error {
		if row.Version != c.Version {
			return problem(http.StatusConflict, "conflict", fmt.Sprintf("credential %q was changed by somebody else meanwhile", row.Name), "Look at it, and rotate again.")
		}
		row.Params, row.Previews, row.Reading, row.ExpiresAt, row.Report = next.Params, next.Previews, next.Reading, next.ExpiresAt, nil
		a.judge(row, r)
		return nil
	}, secrets, a.event(ctx, auth.ActionCredentialRotate))
	if err != nil {
		return nil, a.public(err)
	}
	return a.credential(ctx, c.ID)
}

// notRotated says why the new fields were not taken.
func notRotated(c *auth.Credential, r auth.Report) *Problem {
	detail := fmt.Sprintf("credential %q was not rotated and goes on with its old fields: %s", c.Name, r.Meaning)
	if r.Answer != "" {
		detail += " (" + r.Asked + ": " + r.Answer + ")"
	}
	next := r.Next
	if r.Verdict != auth.VerdictInvalid {
		next = "Try again once the upstream can be reached, or replace the fields without asking it (--no-validate)."
	}
	return problem(http.StatusConflict, "validation_failed", detail, next)
}

func (a *API) revokeCredential(ctx context.Context, ref string, now bool) (*credentialOutput, error) {
	c, err := a.o.Store.Credential(ctx, team(ctx), ref)
	if err != nil {
		return nil, a.public(err)
	}
	if c.Status != auth.StatusRevoked {
		// Without its sealed fields: nothing will ever open them again.
		_, err = a.o.Store.UpdateCredential(ctx, team(ctx), c.ID, func(row *auth.Credential) error {
			row.Status, row.Reason = auth.StatusRevoked, "revoked at "+a.o.Now().UTC().Format(time.RFC3339)
			return nil
		}, auth.Fields{}, a.event(ctx, auth.ActionCredentialRevoke))
		if err != nil {
			return nil, a.public(err)
		}
	}
	if now && a.o.Cut != nil {
		a.o.Cut(Cut{TeamID: c.TeamID, CredentialID: c.ID})
	}
	return a.credential(ctx, c.ID)
}

// badPlace is the refusal of a URL that a secret would be sent to.
func badPlace(err error) *Problem {
	return invalid("body.fields", auth.AsError(err).Reason, "Name a URL that the patterns match, or widen the patterns.")
}

func showReport(r *auth.Report) *Report {
	if r == nil {
		return nil
	}
	out := &Report{
		At: r.At, Verdict: string(r.Verdict), Asked: r.Asked, Answer: r.Answer, Meaning: r.Meaning, Next: r.Next,
		Facts: r.Facts, Warnings: r.Warnings, Resource: r.Resource, Reached: r.Reached,
	}
	if !r.ExpiresAt.IsZero() {
		out.ExpiresAt = &r.ExpiresAt
	}
	return out
}
