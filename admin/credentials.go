package admin

import (
	"context"
	"fmt"
	"net/http"
	"sort"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
)

// Credential is a credential as the API shows it: never a secret.
type Credential struct {
	ID           string            `json:"id"`
	Name         string            `json:"name"`
	Provider     string            `json:"provider"`
	Status       string            `json:"status" enum:"pending,valid,invalid,expired,revoked"`
	Reason       string            `json:"reason,omitempty" doc:"Why the status is what it is."`
	Patterns     []string          `json:"patterns" doc:"The URL patterns as written, in canonical form."`
	Fields       map[string]string `json:"fields" doc:"Fields that are not secret, and previews of those that are."`
	Facts        []string          `json:"facts,omitempty" doc:"What could be read out of its fields when they came in, in words."`
	Warnings     []string          `json:"warnings,omitempty" doc:"What is wider, or will last shorter, than it should be."`
	Report       *Report           `json:"report,omitempty" doc:"The last validation."`
	AnsweredAt   *time.Time        `json:"answered_at,omitempty" doc:"When the upstream last took the secret."`
	LastUsedAt   *time.Time        `json:"last_used_at,omitempty" doc:"When it was last put on a request, to within a minute."`
	LastUsedFrom string            `json:"last_used_from,omitempty" doc:"The address of the worker whose request that was."`
	Keys         []Ref             `json:"keys" doc:"The API keys it is linked to."`
	Version      uint64            `json:"version" doc:"Grows with every change of the fields."`
	Declarative  bool              `json:"declarative,omitempty" doc:"Comes from the configuration and is read-only."`
	CreatedAt    time.Time         `json:"created_at"`
	UpdatedAt    time.Time         `json:"updated_at"`
	ExpiresAt    *time.Time        `json:"expires_at,omitempty"`
	// OwnExpiresAt tells an end that the secret has by itself from one that
	// somebody set.
	OwnExpiresAt *time.Time `json:"own_expires_at,omitempty" doc:"When the secret ends as its fields or the upstream say; expires_at is no later."`
}

// tagged implements tagged. What was found out about the secret is a reading.
func (c Credential) tagged() any {
	c.OwnExpiresAt = nil
	c.Reason, c.Facts, c.Warnings, c.Report, c.AnsweredAt, c.LastUsedAt, c.LastUsedFrom = "", nil, nil, nil, nil, nil, ""
	return c
}

// Ref names a thing.
type Ref struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// NewCredential is what creating a credential takes.
type NewCredential struct {
	Name      string            `json:"name" minLength:"1" maxLength:"128" doc:"Unique within the team."`
	Provider  string            `json:"provider" doc:"One of GET /api/v1/providers."`
	Fields    map[string]string `json:"fields" doc:"The provider's fields; secret ones are sealed."`
	Patterns  []string          `json:"patterns,omitempty" doc:"URL patterns; the provider's defaults where none are given."`
	Keys      []string          `json:"keys,omitempty" doc:"API keys to link it to, by id or name."`
	ExpiresAt *time.Time        `json:"expires_at,omitempty" doc:"When the secret ends, where that is known."`
	// NoValidate is for machines that do not reach the upstream.
	NoValidate bool `json:"no_validate,omitempty" doc:"Do not ask the upstream: well-formed fields count as valid."`
}

// CredentialPatch is what changing a credential takes; what is left out stays.
type CredentialPatch struct {
	Name      *string           `json:"name,omitempty" minLength:"1" maxLength:"128"`
	Fields    map[string]string `json:"fields,omitempty" doc:"Replaces all fields at once, except those that are policies: they may be changed alone, and stay where they are not named."`
	Patterns  []string          `json:"patterns,omitempty" doc:"Replaces all patterns. A change that reaches a new host must carry fields as well."`
	ExpiresAt *time.Time        `json:"expires_at,omitempty" doc:"When the secret ends. The zero time means never."`
	// NoValidate counts where fields are given.
	NoValidate bool `json:"no_validate,omitempty" doc:"Do not ask the upstream about new fields: well-formed ones count as valid."`
}

type credentialOutput struct{ Body Credential }

func (o *credentialOutput) body() tagged { return o.Body }

// RefInput is the path of one thing.
type RefInput struct {
	Ref string `path:"ref" doc:"An id or a name."`
}

func (a *API) credentials() {
	tags := []string{"credentials"}
	huma.Register(a.doc, huma.Operation{
		OperationID: "create-credential", Method: http.MethodPost, Path: "/api/v1/credentials",
		Summary: "Create a credential", Tags: tags, DefaultStatus: http.StatusCreated,
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, in *struct{ Body NewCredential }) (*credentialOutput, error) {
		return a.createCredential(ctx, in.Body)
	})
	huma.Register(a.doc, huma.Operation{
		OperationID: "list-credentials", Method: http.MethodGet, Path: "/api/v1/credentials",
		Summary: "List the credentials", Tags: tags,
	}, func(ctx context.Context, in *PageInput) (*credentialsOutput, error) {
		st, err := a.o.Store.State(ctx)
		if err != nil {
			return nil, a.public(err)
		}
		out := &credentialsOutput{}
		out.Body.Credentials, out.Body.Next, err = shown(ctx, *in, "credentials", st.Credentials,
			func(c *auth.Credential) (string, []string) { return c.TeamID, byName(c.Name, c.ID) },
			func(c *auth.Credential) Credential { return a.show(c, &st) })
		return out, err
	})
	huma.Register(a.doc, huma.Operation{
		OperationID: "get-credential", Method: http.MethodGet, Path: "/api/v1/credentials/{ref}",
		Summary: "Show a credential", Tags: tags, Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, in *RefInput) (*credentialOutput, error) {
		return a.credential(ctx, in.Ref)
	})
	a.thing("/api/v1/credentials/{ref}", func(ctx context.Context, path func(string) string) (tagged, error) {
		return bodyOf(a.credential(ctx, path("ref")))
	})
	changes(a, onRef("update-credential", http.MethodPatch, "/api/v1/credentials/{ref}", "Change a credential", "credentials"), a.updateCredential)
	huma.Register(a.doc, onRef("delete-credential", http.MethodDelete, "/api/v1/credentials/{ref}", "Delete a credential and destroy its sealed fields", "credentials"),
		func(ctx context.Context, in *RefInput) (*struct{}, error) {
			return nil, a.public(a.o.Store.DeleteCredential(ctx, team(ctx), in.Ref, a.event(ctx, auth.ActionCredentialDelete)))
		})
}

type credentialsOutput struct {
	Body struct {
		Credentials []Credential `json:"credentials"`
		Next
	}
}

func (a *API) createCredential(ctx context.Context, in NewCredential) (*credentialOutput, error) {
	p, err := a.provider(in.Provider)
	if err == nil {
		err = keepsReserved("", in.Name, in.Provider)
	}
	if err != nil {
		return nil, err
	}
	secrets, params, previews, err := split(p, in.Fields)
	if err != nil {
		return nil, err
	}
	all := together(secrets, params)
	patterns := in.Patterns
	if len(patterns) == 0 {
		patterns = p.Schema().DefaultPatterns
	}
	canonical, err := a.patterns(p, patterns, params)
	if err != nil {
		return nil, err
	}
	keys := make([]string, 0, len(in.Keys))
	for _, ref := range in.Keys {
		k, err := a.o.Store.Key(ctx, team(ctx), ref)
		if err != nil {
			return nil, a.public(err)
		}
		keys = append(keys, k.ID)
	}
	c := auth.Credential{
		TeamID: team(ctx), Name: in.Name, Provider: in.Provider,
		Patterns: canonical, Params: params, Previews: previews,
	}
	if c.ExpiresAt, err = a.ends(in.ExpiresAt); err != nil {
		return nil, err
	}
	if err := a.read(&c, p, all); err != nil {
		return nil, err
	}
	if err := auth.CheckPlaces(p, params, canonical); err != nil {
		return nil, badPlace(err)
	}
	// A secret is not sent anywhere for a credential that cannot be made.
	if _, err := a.o.Store.Credential(ctx, team(ctx), c.Name); err == nil {
		return nil, problem(http.StatusConflict, "exists", fmt.Sprintf("credential %q: the name is taken", c.Name), "Choose another name, or update the existing one.")
	}
	a.judge(&c, a.ask(ctx, c, all, in.NoValidate))
	c, err = a.o.Store.CreateCredential(ctx, c, secrets, keys, a.event(ctx, auth.ActionCredentialCreate))
	if err != nil {
		return nil, a.public(err)
	}
	return a.credential(ctx, c.ID)
}

func (a *API) updateCredential(ctx context.Context, ref string, in CredentialPatch) (*credentialOutput, error) {
	c, err := a.o.Store.Credential(ctx, team(ctx), ref)
	if err != nil {
		return nil, a.public(err)
	}
	p, err := a.provider(c.Provider)
	if err != nil {
		return nil, err
	}
	var secrets auth.Fields
	var params, previews map[string]string
	policies, err := policyChange(p, in.Fields)
	if err != nil {
		return nil, err
	}
	if in.Fields != nil && !policies {
		if secrets, params, previews, err = split(p, in.Fields); err != nil {
			return nil, err
		}
	}
	var patterns []string
	if in.Patterns != nil {
		read := c.Params
		if in.Fields != nil && !policies {
			read = params
		}
		if patterns, err = a.patterns(p, in.Patterns, read); err != nil {
			return nil, err
		}
	}
	if in.ExpiresAt != nil && !in.ExpiresAt.IsZero() && !in.ExpiresAt.After(a.o.Now()) {
		return nil, past(*in.ExpiresAt)
	}
	if c.Status == auth.StatusRevoked {
		return nil, revoked(&c)
	}
	var report auth.Report
	if secrets != nil && !c.Declarative {
		next := c
		next.Params = withPolicies(p, params, c.Params, in.Fields)
		if patterns != nil {
			next.Patterns = patterns
		}
		all := together(secrets, next.Params)
		if err := a.read(&next, p, all); err != nil {
			return nil, err
		}
		if err := auth.CheckPlaces(p, next.Params, next.Patterns); err != nil {
			return nil, badPlace(err)
		}
		report = a.ask(ctx, next, all, in.NoValidate)
	}
	seen := c.Version
	moved := false
	c, err = a.o.Store.UpdateCredential(ctx, team(ctx), c.ID, func(row *auth.Credential) error {
		if secrets != nil && row.Version != seen {
			return problem(http.StatusConflict, "conflict", fmt.Sprintf("credential %q was changed by somebody else meanwhile", row.Name), "Look at it, and change it again.")
		}
		if in.Name != nil {
			if err := keepsReserved(row.Name, *in.Name, row.Provider); err != nil {
				return err
			}
			row.Name = *in.Name
		}
		if patterns != nil {
			// Asked of the row itself: it may have changed since it was read.
			if secrets == nil {
				if err := keepsHosts(p, row, patterns); err != nil {
					return err
				}
			}
			row.Patterns = patterns
		}
		switch {
		case policies:
			row.Params = withPolicies(p, row.Params, row.Params, in.Fields)
		case in.Fields != nil:
			row.Params, row.Previews = withPolicies(p, params, row.Params, in.Fields), previews
			row.ExpiresAt, row.Report = time.Time{}, nil
		}
		if in.ExpiresAt != nil {
			row.ExpiresAt = in.ExpiresAt.UTC()
		}
		if secrets != nil {
			if err := a.read(row, p, together(secrets, params)); err != nil {
				return err
			}
			a.judge(row, report)
			return nil
		}
		endWith(row)
		if err := auth.CheckPlaces(p, row.Params, row.Patterns); err != nil {
			return badPlace(err)
		}
		if row.Status == auth.StatusExpired && in.ExpiresAt != nil && a.o.Validator != nil {
			// Its end was moved: the upstream says whether it still works.
			row.Status, row.Reason, row.Report = auth.StatusPending, "its end was moved", nil
			moved = true
		}
		return nil
	}, secrets, a.event(ctx, auth.ActionCredentialUpdate))
	if err != nil {
		return nil, a.public(err)
	}
	if moved {
		// What does not come of it now comes later: the update stands.
		if _, _, err := a.o.Validator.Validate(ctx, c.ID, "", a.event(ctx, auth.ActionCredentialValidate)); err != nil {
			_ = a.public(err) // for the log
		}
	}
	return a.credential(ctx, c.ID)
}

func (a *API) credential(ctx context.Context, ref string) (*credentialOutput, error) {
	c, err := a.o.Store.Credential(ctx, team(ctx), ref)
	if err != nil {
		return nil, a.public(err)
	}
	st, err := a.o.Store.State(ctx)
	if err != nil {
		return nil, a.public(err)
	}
	return &credentialOutput{a.show(&c, &st)}, nil
}

func (a *API) show(c *auth.Credential, st *auth.State) Credential {
	status, reason := c.Status, c.Reason
	if status == auth.StatusValid && !c.Usable(a.o.Now()) {
		status, reason = auth.StatusExpired, "it expired at "+c.ExpiresAt.UTC().Format(time.RFC3339)
	}
	out := Credential{
		ID: c.ID, Name: c.Name, Provider: c.Provider, Status: string(status), Reason: reason,
		Patterns: append([]string{}, c.Patterns...), Fields: map[string]string{}, Keys: []Ref{},
		Facts: append([]string{}, c.Reading.Facts...), Warnings: append([]string{}, c.Reading.Warnings...),
		Version: c.Version, Declarative: c.Declarative, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt,
	}
	if !c.ExpiresAt.IsZero() {
		out.ExpiresAt = &c.ExpiresAt
	}
	if out.Report = showReport(c.Report); out.Report != nil {
		out.Warnings = append(out.Warnings, out.Report.Warnings...)
	}
	out.OwnExpiresAt = endOfSecret(c)
	if !c.AnsweredAt.IsZero() {
		out.AnsweredAt = &c.AnsweredAt
	}
	out.LastUsedAt, out.LastUsedFrom = a.lastUsed(c.ID)
	if p := a.providers[c.Provider]; p != nil {
		out.Warnings = append(out.Warnings, auth.Read(p, together(nil, c.Params), c.Patterns, a.o.Now()).Warnings...)
	}
	for k, v := range c.Params {
		out.Fields[k] = v
	}
	for k, v := range c.Previews {
		if v == "" {
			v = auth.Redacted
		}
		out.Fields[k] = v
	}
	linked := map[string]bool{}
	for _, l := range st.Links {
		if l.CredentialID == c.ID {
			linked[l.KeyID] = true
		}
	}
	for i := range st.Keys {
		if linked[st.Keys[i].ID] {
			out.Keys = append(out.Keys, Ref{st.Keys[i].ID, st.Keys[i].Name})
		}
	}
	sort.Slice(out.Keys, func(i, j int) bool { return out.Keys[i].Name < out.Keys[j].Name })
	return out
}
