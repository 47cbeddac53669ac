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

// Key is an API key as the API shows it. Key and URLKey are set in the answer
// that made them and nowhere else.
type Key struct {
	ID           string     `json:"id"`
	Name         string     `json:"name"`
	Status       string     `json:"status" enum:"active,expired,revoked"`
	Scope        string     `json:"scope" enum:"read,write"`
	Preview      string     `json:"preview" doc:"The beginning of the key."`
	Routes       []string   `json:"routes,omitempty" doc:"URL patterns that the key is restricted to."`
	Limits       *Limits    `json:"limits,omitempty" doc:"What it may take."`
	Sources      []string   `json:"sources,omitempty" doc:"Networks that it may be used from; none means anywhere."`
	Unmatched    string     `json:"unmatched,omitempty" doc:"A stricter policy than the listener's for URLs that no credential matches."`
	Xet          string     `json:"xet,omitempty" doc:"hide keeps xet from the worker, whatever the credential says."`
	HasURLKey    bool       `json:"has_url_key"`
	Credentials  []Ref      `json:"credentials" doc:"The credentials it is linked to."`
	Declarative  bool       `json:"declarative,omitempty"`
	CreatedAt    time.Time  `json:"created_at"`
	UpdatedAt    time.Time  `json:"updated_at"`
	LastUsedAt   *time.Time `json:"last_used_at,omitempty" doc:"To within a minute."`
	LastUsedFrom string     `json:"last_used_from,omitempty" doc:"The address that it was used from then."`
	ExpiresAt    *time.Time `json:"expires_at,omitempty"`
	RevokedAt    *time.Time `json:"revoked_at,omitempty"`
	OldUntil     *time.Time `json:"old_until,omitempty" doc:"Until when the secret before this one is good, too."`
	Key          string     `json:"key,omitempty" doc:"The API key itself: shown once."`
	URLKey       string     `json:"url_key,omitempty" doc:"The URL key itself: shown once."`
}

// tagged implements tagged.
func (k Key) tagged() any {
	k.LastUsedAt, k.LastUsedFrom, k.Key, k.URLKey = nil, "", "", ""
	return k
}

// NewKey is what creating an API key takes.
type NewKey struct {
	Name        string     `json:"name" minLength:"1" maxLength:"128"`
	Scope       string     `json:"scope,omitempty" enum:"read,write" doc:"read unless stated."`
	ExpiresAt   *time.Time `json:"expires_at,omitempty" doc:"1 to 365 days from now; never where not given."`
	Routes      []string   `json:"routes,omitempty"`
	Limits      *Limits    `json:"limits,omitempty"`
	Sources     []string   `json:"sources,omitempty" doc:"Networks (CIDR) or addresses that it may be used from. What counts is the address that a connection comes from."`
	Unmatched   string     `json:"unmatched,omitempty" enum:"pass,deny"`
	Xet         string     `json:"xet,omitempty" enum:"pass,hide" doc:"hide keeps xet from the worker; pass, or nothing, leaves it to the credential."`
	URLKey      bool       `json:"url_key,omitempty" doc:"Also make a URL key: a read-only alias for clients that can only be given a URL."`
	Credentials []string   `json:"credentials,omitempty" doc:"Credentials to link it to, by id or name."`
}

// KeyPatch is what changing an API key takes; what is left out stays.
type KeyPatch struct {
	Name      *string      `json:"name,omitempty" minLength:"1" maxLength:"128"`
	Scope     *string      `json:"scope,omitempty" enum:"read,write"`
	ExpiresAt *time.Time   `json:"expires_at,omitempty" doc:"1 to 365 days from now. The zero time means never."`
	Routes    *[]string    `json:"routes,omitempty" doc:"An empty list lifts the restriction."`
	Limits    *LimitsPatch `json:"limits,omitempty" doc:"What is left out stays; 0 lifts a limit."`
	Sources   *[]string    `json:"sources,omitempty" doc:"An empty list lifts the restriction."`
	Unmatched *string      `json:"unmatched,omitempty" enum:",pass,deny"`
	Xet       *string      `json:"xet,omitempty" enum:",pass,hide"`
	URLKey    *bool        `json:"url_key,omitempty" doc:"true makes a new URL key, false ends it."`
}

type keyOutput struct{ Body Key }

func (o *keyOutput) body() tagged { return o.Body }

type keysOutput struct {
	Body struct {
		Keys []Key `json:"keys"`
		Next
	}
}

func (a *API) keys() {
	tags := []string{"keys"}
	huma.Register(a.doc, huma.Operation{
		OperationID: "create-key", Method: http.MethodPost, Path: "/api/v1/keys",
		Summary: "Create an API key; the answer shows it once", Tags: tags,
		DefaultStatus: http.StatusCreated, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, in *struct{ Body NewKey }) (*keyOutput, error) {
		return a.createKey(ctx, in.Body)
	})
	huma.Register(a.doc, huma.Operation{
		OperationID: "list-keys", Method: http.MethodGet, Path: "/api/v1/keys",
		Summary: "List the API keys", Tags: tags,
	}, func(ctx context.Context, in *PageInput) (*keysOutput, error) {
		out := &keysOutput{}
		var err error
		out.Body.Keys, out.Body.Next, err = keysOf(ctx, a, *in, false, a.showKey)
		return out, err
	})
	huma.Register(a.doc, huma.Operation{
		OperationID: "get-key", Method: http.MethodGet, Path: "/api/v1/keys/{ref}",
		Summary: "Show an API key", Tags: tags, Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, in *RefInput) (*keyOutput, error) { return a.key(ctx, in.Ref) })
	a.thing("/api/v1/keys/{ref}", func(ctx context.Context, path func(string) string) (tagged, error) {
		return bodyOf(a.key(ctx, path("ref")))
	})
	changes(a, onRef("update-key", http.MethodPatch, "/api/v1/keys/{ref}", "Change an API key", "keys"), a.updateKey)
	revokes(a, onRef("revoke-key", http.MethodPost, "/api/v1/keys/{ref}/revoke", "Revoke an API key, for good", "keys"), a.endKey)
	huma.Register(a.doc, onRef("regenerate-key", http.MethodPost, "/api/v1/keys/{ref}/regenerate",
		"Make a new secret for an API key and end the old one in a single step", "keys"), func(ctx context.Context, in *struct {
		RefInput
		Overlap string `query:"overlap" doc:"How long the old secret goes on, such as 1h; at most 168h. It ends at once where nothing is given."`
	}) (*keyOutput, error) {
		return a.regenerateKey(ctx, in.Ref, in.Overlap)
	})
	huma.Register(a.doc, onRef("delete-key", http.MethodDelete, "/api/v1/keys/{ref}", "Delete an API key and its links", "keys"),
		func(ctx context.Context, in *RefInput) (*struct{}, error) {
			return nil, a.deleteKey(ctx, in.Ref, a.findKey)
		})
}

// endKey revokes an API key.
func (a *API) endKey(ctx context.Context, ref string, now bool) (*keyOutput, error) {
	k, err := a.endKeyOf(ctx, ref, now, a.findKey)
	if err != nil {
		return nil, err
	}
	return a.key(ctx, k.ID)
}

// endKeyOf revokes a key of the kind that find finds. now also cuts what is
// under way with it.
func (a *API) endKeyOf(ctx context.Context, ref string, now bool, find func(context.Context, string) (*auth.Key, error)) (*auth.Key, error) {
	k, err := find(ctx, ref)
	if err == nil {
		err = a.revokeKey(ctx, k.ID)
	}
	if err == nil && now && a.o.Cut != nil {
		a.o.Cut(Cut{TeamID: k.TeamID, KeyID: k.ID})
	}
	return k, err
}

// deleteKey deletes a key of the kind that find finds.
func (a *API) deleteKey(ctx context.Context, ref string, find func(context.Context, string) (*auth.Key, error)) error {
	k, err := find(ctx, ref)
	if err != nil {
		return err
	}
	return a.public(a.o.Store.DeleteKey(ctx, team(ctx), k.ID, a.event(ctx, auth.ActionKeyDelete)))
}

// findKey finds an API key by id or name.
func (a *API) findKey(ctx context.Context, ref string) (*auth.Key, error) {
	k, err := a.o.Store.Key(ctx, team(ctx), ref)
	if err != nil {
		return nil, a.public(err)
	}
	return &k, apiKey(&k)
}

// revokeKey revokes a key of either kind.
func (a *API) revokeKey(ctx context.Context, id string) error {
	_, err := a.o.Store.UpdateKey(ctx, team(ctx), id, func(row *auth.Key) error {
		if row.RevokedAt.IsZero() {
			row.RevokedAt = a.o.Now().UTC()
		}
		return nil
	}, a.event(ctx, auth.ActionKeyRevoke))
	return a.public(err)
}

func (a *API) createKey(ctx context.Context, in NewKey) (*keyOutput, error) {
	k := auth.Key{
		TeamID: team(ctx), Name: in.Name, Scope: auth.ScopeRead,
		Unmatched: auth.UnmatchedPolicy(in.Unmatched), Xet: auth.XetPolicy(in.Xet),
	}
	if in.Scope != "" {
		k.Scope = auth.Scope(in.Scope)
	}
	var err error
	if k.Routes, err = a.routes(in.Routes); err != nil {
		return nil, err
	}
	if k.ExpiresAt, err = a.keyEnd(in.ExpiresAt); err != nil {
		return nil, err
	}
	if k.Limits, err = checkLimits(in.Limits); err != nil {
		return nil, err
	}
	if k.Sources, err = readSources(in.Sources); err != nil {
		return nil, err
	}
	credentials, err := a.credentialIDs(ctx, in.Credentials)
	if err != nil {
		return nil, err
	}
	secret := auth.NewAPIKey()
	k.Preview = secret.Preview()
	k.Hash, _ = auth.HashAPIKey(secret.Reveal())
	var urlKey auth.Secret
	if in.URLKey {
		urlKey = auth.NewURLKey()
		k.URLKeyHash, _ = auth.HashURLKey(urlKey.Reveal())
	}
	k, err = a.o.Store.CreateKey(ctx, k, credentials, a.event(ctx, auth.ActionKeyCreate))
	if err != nil {
		return nil, a.public(err)
	}
	return a.reveal(ctx, k.ID, secret, urlKey)
}

func (a *API) updateKey(ctx context.Context, ref string, in KeyPatch) (*keyOutput, error) {
	var routes []string
	if in.Routes != nil {
		var err error
		if routes, err = a.routes(*in.Routes); err != nil {
			return nil, err
		}
	}
	bounds, err := boundsPatch{in.ExpiresAt, in.Limits, in.Sources}.read(a)
	if err != nil {
		return nil, err
	}
	var urlKey auth.Secret
	if in.URLKey != nil && *in.URLKey {
		urlKey = auth.NewURLKey()
	}
	k, err := a.o.Store.UpdateKey(ctx, team(ctx), ref, func(row *auth.Key) error {
		if err := apiKey(row); err != nil {
			return err
		}
		if in.Name != nil {
			row.Name = *in.Name
		}
		if in.Scope != nil {
			row.Scope = auth.Scope(*in.Scope)
		}
		if in.Routes != nil {
			row.Routes = routes
		}
		if in.Unmatched != nil {
			row.Unmatched = auth.UnmatchedPolicy(*in.Unmatched)
		}
		if in.Xet != nil {
			row.Xet = auth.XetPolicy(*in.Xet)
		}
		if err := bounds(row); err != nil {
			return err
		}
		if in.URLKey != nil {
			row.URLKeyHash = auth.KeyHash{}
			if *in.URLKey {
				row.URLKeyHash, _ = auth.HashURLKey(urlKey.Reveal())
			}
		}
		return nil
	}, a.event(ctx, auth.ActionKeyUpdate))
	if err != nil {
		return nil, a.public(err)
	}
	return a.reveal(ctx, k.ID, auth.Secret{}, urlKey)
}

// maxOverlap is the longest that an old secret goes on beside the new one.
const maxOverlap = 7 * 24 * time.Hour

func (a *API) regenerateKey(ctx context.Context, ref, overlap string) (*keyOutput, error) {
	var span time.Duration
	if overlap != "" {
		var err error
		if span, err = time.ParseDuration(overlap); err != nil || span < 0 || span > maxOverlap {
			return nil, invalid("query.overlap", "it is not a span of 168h at most", "Give a span such as 1h.")
		}
	}
	secret := auth.NewAPIKey()
	var urlKey auth.Secret
	k, err := a.o.Store.UpdateKey(ctx, team(ctx), ref, func(row *auth.Key) error {
		if err := apiKey(row); err != nil {
			return err
		}
		if !row.RevokedAt.IsZero() {
			return problem(http.StatusConflict, "key_revoked", fmt.Sprintf("API key %q is revoked, which is final", row.Name), "Create a new key.")
		}
		// What came before the secret that is replaced ends in any case.
		was := &auth.PreviousSecret{Hash: row.Hash, URLKeyHash: row.URLKeyHash, Until: a.o.Now().Add(span).UTC()}
		if row.Previous = nil; span > 0 {
			row.Previous = was
		}
		row.Hash, _ = auth.HashAPIKey(secret.Reveal())
		row.Preview = secret.Preview()
		if !row.URLKeyHash.IsZero() {
			urlKey = auth.NewURLKey()
			row.URLKeyHash, _ = auth.HashURLKey(urlKey.Reveal())
		}
		return nil
	}, a.event(ctx, auth.ActionKeyRegenerate))
	if err != nil {
		return nil, a.public(err)
	}
	return a.reveal(ctx, k.ID, secret, urlKey)
}

// routes parses every route, and expands it as it will be where a provider's
// host is meant.
func (a *API) routes(texts []string) ([]string, error) {
	out := make([]string, 0, len(texts))
	for i, t := range texts {
		p, err := auth.ParsePattern(t)
		if err == nil {
			if owner := a.o.Snapshot().Owner(p.Host()); owner != nil && p.Scheme() != "s3" {
				_, err = owner.Expand(p)
			}
		}
		if err != nil {
			return nil, badPattern(fmt.Sprintf("body.routes[%d]", i), err)
		}
		out = append(out, p.String())
	}
	return out, nil
}

func (a *API) key(ctx context.Context, ref string) (*keyOutput, error) {
	return a.reveal(ctx, ref, auth.Secret{}, auth.Secret{})
}

func (a *API) reveal(ctx context.Context, ref string, key, urlKey auth.Secret) (*keyOutput, error) {
	out, err := showOf(ctx, a, ref, a.findKey, a.showKey)
	if err != nil {
		return nil, err
	}
	out.Key, out.URLKey = key.Reveal(), urlKey.Reveal()
	return &keyOutput{out}, nil
}

func (a *API) showKey(k *auth.Key, st *auth.State) Key {
	out := Key{
		ID: k.ID, Name: k.Name, Status: k.Status(a.o.Now()), Scope: string(k.Scope), Preview: k.Preview,
		Routes: k.Routes, Limits: showLimits(k.Limits), Sources: showSources(k.Sources), Unmatched: string(k.Unmatched), Xet: string(k.Xet), HasURLKey: !k.URLKeyHash.IsZero(),
		Credentials: []Ref{}, Declarative: k.Declarative, CreatedAt: k.CreatedAt, UpdatedAt: k.UpdatedAt,
	}
	if out.Scope == "" {
		out.Scope = string(auth.ScopeRead)
	}
	if !k.ExpiresAt.IsZero() {
		out.ExpiresAt = &k.ExpiresAt
	}
	if !k.RevokedAt.IsZero() {
		out.RevokedAt = &k.RevokedAt
	}
	if k.Previous != nil && a.o.Now().Before(k.Previous.Until) {
		out.OldUntil = &k.Previous.Until
	}
	out.LastUsedAt, out.LastUsedFrom = a.lastUsed(k.ID)
	linked := map[string]bool{}
	for _, l := range st.Links {
		if l.KeyID == k.ID {
			linked[l.CredentialID] = true
		}
	}
	for i := range st.Credentials {
		if linked[st.Credentials[i].ID] {
			out.Credentials = append(out.Credentials, Ref{st.Credentials[i].ID, st.Credentials[i].Name})
		}
	}
	sort.Slice(out.Credentials, func(i, j int) bool { return out.Credentials[i].Name < out.Credentials[j].Name })
	return out
}
