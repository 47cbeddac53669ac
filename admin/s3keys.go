package admin

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
)

// The permissions of an S3 access key, in the words of S3 services.
const (
	PermissionRead      = "read"
	PermissionReadWrite = "read-write"
)

// S3Key is an S3 access key as the API shows it. SecretAccessKey is set in the
// answer that made it and nowhere else.
type S3Key struct {
	ID              string            `json:"id"`
	Name            string            `json:"name"`
	Status          string            `json:"status" enum:"active,expired,revoked"`
	AccessKeyID     string            `json:"access_key_id"`
	Permission      string            `json:"permission" enum:"read,read-write"`
	Buckets         []string          `json:"buckets,omitempty" doc:"The buckets it may touch; none means all that its credentials cover."`
	Prefixes        []string          `json:"prefixes,omitempty" doc:"What an object's key must begin with; none means every object."`
	Aliases         map[string]string `json:"aliases,omitempty" doc:"What workers call a bucket, or BUCKET/PREFIX/."`
	Limits          *Limits           `json:"limits,omitempty" doc:"What it may take."`
	Sources         []string          `json:"sources,omitempty" doc:"Networks that it may be used from; none means anywhere."`
	Credentials     []Ref             `json:"credentials" doc:"The credentials it is linked to."`
	CreatedAt       time.Time         `json:"created_at"`
	UpdatedAt       time.Time         `json:"updated_at"`
	LastUsedAt      *time.Time        `json:"last_used_at,omitempty" doc:"To within a minute."`
	LastUsedFrom    string            `json:"last_used_from,omitempty" doc:"The address that it was used from then."`
	ExpiresAt       *time.Time        `json:"expires_at,omitempty"`
	RevokedAt       *time.Time        `json:"revoked_at,omitempty"`
	SecretAccessKey string            `json:"secret_access_key,omitempty" doc:"The secret itself: shown once."`
}

// tagged implements tagged.
func (k S3Key) tagged() any {
	k.LastUsedAt, k.LastUsedFrom, k.SecretAccessKey = nil, "", ""
	return k
}

// NewS3Key is what creating an S3 access key takes.
type NewS3Key struct {
	Name        string            `json:"name" minLength:"1" maxLength:"128"`
	Permission  string            `json:"permission,omitempty" enum:"read,read-write" doc:"read unless stated."`
	Buckets     []string          `json:"buckets,omitempty"`
	Prefixes    []string          `json:"prefixes,omitempty"`
	Aliases     map[string]string `json:"aliases,omitempty"`
	Limits      *Limits           `json:"limits,omitempty"`
	Sources     []string          `json:"sources,omitempty" doc:"Networks (CIDR) or addresses that it may be used from. What counts is the address that a connection comes from."`
	ExpiresAt   *time.Time        `json:"expires_at,omitempty" doc:"1 to 365 days from now; never where not given."`
	Credentials []string          `json:"credentials,omitempty" doc:"Credentials to link it to, by id or name."`
}

// S3KeyPatch changes an S3 access key. A member that is left out stays. Its id
// and its secret stay too: regenerate makes a new secret.
type S3KeyPatch struct {
	Name       *string            `json:"name,omitempty" minLength:"1" maxLength:"128"`
	Permission *string            `json:"permission,omitempty" enum:"read,read-write"`
	Buckets    *[]string          `json:"buckets,omitempty" doc:"An empty list lifts the restriction."`
	Prefixes   *[]string          `json:"prefixes,omitempty" doc:"An empty list lifts the restriction."`
	Aliases    *map[string]string `json:"aliases,omitempty" doc:"Replaces all of them."`
	ExpiresAt  *time.Time         `json:"expires_at,omitempty" doc:"1 to 365 days from now. The zero time means never."`
	Limits     *LimitsPatch       `json:"limits,omitempty" doc:"What is left out stays; 0 lifts a limit."`
	Sources    *[]string          `json:"sources,omitempty" doc:"An empty list lifts the restriction."`
}

type s3KeyOutput struct{ Body S3Key }

func (o *s3KeyOutput) body() tagged { return o.Body }

type s3KeysOutput struct {
	Body struct {
		Keys []S3Key `json:"s3_keys"`
		Next
	}
}

const s3KeysPath = "/api/v1/s3-keys"

func (a *API) s3Keys() {
	tags := []string{"s3-keys"}
	huma.Register(a.doc, huma.Operation{
		OperationID: "create-s3-key", Method: http.MethodPost, Path: s3KeysPath,
		Summary: "Create an S3 access key; the answer shows its secret once", Tags: tags,
		DefaultStatus: http.StatusCreated, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, in *struct{ Body NewS3Key }) (*s3KeyOutput, error) {
		return a.createS3Key(ctx, &in.Body)
	})
	huma.Register(a.doc, huma.Operation{
		OperationID: "list-s3-keys", Method: http.MethodGet, Path: s3KeysPath,
		Summary: "List the S3 access keys", Tags: tags,
	}, func(ctx context.Context, in *PageInput) (*s3KeysOutput, error) {
		out := &s3KeysOutput{}
		var err error
		out.Body.Keys, out.Body.Next, err = keysOf(ctx, a, *in, true, a.showS3Key)
		return out, err
	})
	huma.Register(a.doc, huma.Operation{
		OperationID: "get-s3-key", Method: http.MethodGet, Path: s3KeysPath + "/{ref}",
		Summary: "Show an S3 access key", Tags: tags, Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, in *RefInput) (*s3KeyOutput, error) {
		return a.revealS3Key(ctx, in.Ref, auth.Secret{})
	})
	a.thing(s3KeysPath+"/{ref}", func(ctx context.Context, path func(string) string) (tagged, error) {
		return bodyOf(a.revealS3Key(ctx, path("ref"), auth.Secret{}))
	})
	changes(a, onRef("update-s3-key", http.MethodPatch, s3KeysPath+"/{ref}", "Change an S3 access key", "s3-keys"), a.updateS3Key)
	revokes(a, onRef("revoke-s3-key", http.MethodPost, s3KeysPath+"/{ref}/revoke", "Revoke an S3 access key, for good", "s3-keys"),
		func(ctx context.Context, ref string, now bool) (*s3KeyOutput, error) {
			k, err := a.endKeyOf(ctx, ref, now, a.s3Key)
			if err != nil {
				return nil, err
			}
			return a.revealS3Key(ctx, k.ID, auth.Secret{})
		})
	huma.Register(a.doc, onRef("regenerate-s3-key", http.MethodPost, s3KeysPath+"/{ref}/regenerate",
		"Make a new secret for an S3 access key and end the old one in a single step", "s3-keys"),
		func(ctx context.Context, in *RefInput) (*s3KeyOutput, error) { return a.regenerateS3Key(ctx, in.Ref) })
	huma.Register(a.doc, onRef("delete-s3-key", http.MethodDelete, s3KeysPath+"/{ref}", "Delete an S3 access key and its links", "s3-keys"),
		func(ctx context.Context, in *RefInput) (*struct{}, error) {
			return nil, a.deleteKey(ctx, in.Ref, a.s3Key)
		})
}

func (a *API) regenerateS3Key(ctx context.Context, ref string) (*s3KeyOutput, error) {
	k, err := a.s3Key(ctx, ref)
	if err != nil {
		return nil, err
	}
	if !k.RevokedAt.IsZero() {
		return nil, problem(http.StatusConflict, "key_revoked", fmt.Sprintf("S3 access key %q is revoked, which is final", k.Name), "Create a new one.")
	}
	secret := auth.NewS3Secret()
	if _, err := a.o.Store.RegenerateS3Key(ctx, team(ctx), k.ID, secret, a.event(ctx, auth.ActionKeyRegenerate)); err != nil {
		return nil, a.public(err)
	}
	return a.revealS3Key(ctx, k.ID, secret)
}

func (a *API) createS3Key(ctx context.Context, in *NewS3Key) (*s3KeyOutput, error) {
	k := auth.Key{
		TeamID: team(ctx), Name: in.Name, Scope: scopeOf(in.Permission),
		// What no credential matches is never passed on in the S3 protocol.
		Unmatched: auth.UnmatchedDeny,
		S3:        &auth.S3Access{AccessKeyID: auth.NewS3AccessKeyID(), Buckets: in.Buckets, Prefixes: in.Prefixes, Aliases: in.Aliases},
	}
	if err := k.S3.Check(); err != nil {
		return nil, invalid("body", err.Error(), "")
	}
	var err error
	if k.ExpiresAt, err = a.keyEnd(in.ExpiresAt); err != nil {
		return nil, err
	}
	if k.Limits, err = checkLimits(in.Limits); err != nil {
		return nil, err
	}
	if k.Sources, err = readSources(in.Sources); err != nil {
		return nil, err
	}
	k.Preview = k.S3.AccessKeyID
	credentials, err := a.credentialIDs(ctx, in.Credentials)
	if err != nil {
		return nil, err
	}
	secret := auth.NewS3Secret()
	k, err = a.o.Store.CreateS3Key(ctx, k, secret, credentials, a.event(ctx, auth.ActionKeyCreate))
	if err != nil {
		return nil, a.public(err)
	}
	return a.revealS3Key(ctx, k.ID, secret)
}

// updateS3Key changes a key. What it may reach holds from the next request on.
func (a *API) updateS3Key(ctx context.Context, ref string, in S3KeyPatch) (*s3KeyOutput, error) {
	k, err := a.s3Key(ctx, ref)
	if err != nil {
		return nil, err
	}
	bounds, err := boundsPatch{in.ExpiresAt, in.Limits, in.Sources}.read(a)
	if err != nil {
		return nil, err
	}
	_, err = a.o.Store.UpdateKey(ctx, team(ctx), k.ID, func(row *auth.Key) error {
		if in.Name != nil {
			row.Name = *in.Name
		}
		if in.Permission != nil {
			row.Scope = scopeOf(*in.Permission)
		}
		s3 := *row.S3
		if in.Buckets != nil {
			s3.Buckets = *in.Buckets
		}
		if in.Prefixes != nil {
			s3.Prefixes = *in.Prefixes
		}
		if in.Aliases != nil {
			s3.Aliases = *in.Aliases
		}
		if err := s3.Check(); err != nil {
			return invalid("body", err.Error(), "")
		}
		row.S3 = &s3
		return bounds(row)
	}, a.event(ctx, auth.ActionKeyUpdate))
	if err != nil {
		return nil, a.public(err)
	}
	return a.revealS3Key(ctx, k.ID, auth.Secret{})
}

// scopeOf is the scope of a permission; read unless it is said.
func scopeOf(permission string) auth.Scope {
	if permission == PermissionReadWrite {
		return auth.ScopeWrite
	}
	return auth.ScopeRead
}

// s3Key finds an S3 access key by id, name, or access key id.
func (a *API) s3Key(ctx context.Context, ref string) (*auth.Key, error) {
	if auth.IsS3AccessKeyID(ref) {
		st, err := a.o.Store.State(ctx)
		if err != nil {
			return nil, a.public(err)
		}
		for i := range st.Keys {
			if k := &st.Keys[i]; k.TeamID == team(ctx) && k.S3 != nil && k.S3.AccessKeyID == ref {
				return k, nil
			}
		}
	}
	k, err := a.o.Store.Key(ctx, team(ctx), ref)
	switch {
	case err != nil:
		return nil, a.public(err)
	case k.S3 == nil:
		return nil, problem(http.StatusNotFound, "not_found", fmt.Sprintf("%q is an API key and not an S3 access key", k.Name), "List S3 access keys with `weighbridge s3-key list`.")
	}
	return &k, nil
}

func (a *API) revealS3Key(ctx context.Context, ref string, secret auth.Secret) (*s3KeyOutput, error) {
	out, err := showOf(ctx, a, ref, a.s3Key, a.showS3Key)
	if err != nil {
		return nil, err
	}
	out.SecretAccessKey = secret.Reveal()
	return &s3KeyOutput{out}, nil
}

func (a *API) showS3Key(k *auth.Key, st *auth.State) S3Key {
	shown := a.showKey(k, st)
	out := S3Key{
		ID: k.ID, Name: k.Name, Status: shown.Status, AccessKeyID: k.S3.AccessKeyID, Permission: PermissionRead,
		Buckets: k.S3.Buckets, Prefixes: k.S3.Prefixes, Aliases: k.S3.Aliases,
		Limits: shown.Limits, Sources: shown.Sources, Credentials: shown.Credentials, CreatedAt: k.CreatedAt, UpdatedAt: k.UpdatedAt, ExpiresAt: shown.ExpiresAt, RevokedAt: shown.RevokedAt,
		LastUsedAt: shown.LastUsedAt, LastUsedFrom: shown.LastUsedFrom,
	}
	if k.Scope == auth.ScopeWrite {
		out.Permission = PermissionReadWrite
	}
	return out
}

// apiKey refuses S3 access keys where API keys are meant.
func apiKey(k *auth.Key) error {
	if k.S3 == nil {
		return nil
	}
	return problem(http.StatusNotFound, "not_found", fmt.Sprintf("%q is an S3 access key and not an API key", k.Name),
		"Use `weighbridge s3-key` for it.")
}
