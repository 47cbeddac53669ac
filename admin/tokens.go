package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

// Token is an access token as the API shows it. Token itself is set in the
// answer that made its secret and nowhere else.
type Token struct {
	ID           string     `json:"id"`
	Name         string     `json:"name"`
	User         Ref        `json:"user" doc:"Whose it is, by e-mail address."`
	Status       string     `json:"status" enum:"active,expired"`
	Scope        string     `json:"scope" enum:"read,write"`
	Route        string     `json:"route,omitempty" doc:"The path that it is bound to, and all below it."`
	Preview      string     `json:"preview"`
	CreatedAt    time.Time  `json:"created_at"`
	ExpiresAt    time.Time  `json:"expires_at"`
	LastUsedAt   *time.Time `json:"last_used_at,omitempty" doc:"To within a minute."`
	LastUsedFrom string     `json:"last_used_from,omitempty" doc:"The address that it was used from then."`
	Token        string     `json:"token,omitempty" doc:"The access token itself: shown once."`
}

// tagged implements tagged.
func (t Token) tagged() any {
	t.LastUsedAt, t.LastUsedFrom, t.Token = nil, "", ""
	return t
}

// NewToken is what creating an access token takes.
type NewToken struct {
	Name      string    `json:"name" minLength:"1" maxLength:"128"`
	Scope     string    `json:"scope,omitempty" enum:"read,write" doc:"read unless stated."`
	Route     string    `json:"route,omitempty" maxLength:"512" doc:"The beginning of a path, such as /api/v1/keys, beyond which it opens nothing."`
	ExpiresAt time.Time `json:"expires_at" doc:"1 to 365 days from now."`
	User      string    `json:"user,omitempty" doc:"On the machine itself: whose it is to be, by id or e-mail address. Elsewhere it is whoever asks."`
}

type tokenOutput struct{ Body Token }

type tokensOutput struct {
	Body struct {
		Tokens []Token `json:"tokens"`
		Next
	}
}

func (a *API) tokens() {
	tags := []string{"tokens"}
	huma.Register(a.doc, huma.Operation{
		OperationID: "create-token", Method: http.MethodPost, Path: "/api/v1/tokens",
		Summary: "Create an access token for this API; the answer shows it once", Tags: tags,
		DefaultStatus: http.StatusCreated, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, in *struct{ Body NewToken }) (*tokenOutput, error) {
		return a.createToken(ctx, in.Body)
	})
	huma.Register(a.doc, huma.Operation{
		OperationID: "list-tokens", Method: http.MethodGet, Path: "/api/v1/tokens",
		Summary: "List one's own access tokens in the team; all of them for its owners", Tags: tags,
	}, func(ctx context.Context, in *PageInput) (*tokensOutput, error) {
		rows, err := a.o.Store.Tokens(ctx, team(ctx))
		c := callerOf(ctx)
		rows = slices.DeleteFunc(rows, func(t auth.AccessToken) bool { return !c.minds(&t) })
		out := &tokensOutput{}
		out.Body.Tokens, out.Body.Next, err = paged(ctx, a, *in, "tokens", rows, err, a.showToken, func(t Token) []string { return byName(t.Name, t.ID) })
		return out, err
	})
	huma.Register(a.doc, onRef("get-token", http.MethodGet, "/api/v1/tokens/{ref}", "Show an access token", "tokens"),
		func(ctx context.Context, in *RefInput) (*tokenOutput, error) { return a.token(ctx, in.Ref) })
	a.thing("/api/v1/tokens/{ref}", func(ctx context.Context, path func(string) string) (tagged, error) {
		return bodyOf(a.token(ctx, path("ref")))
	})
	huma.Register(a.doc, onRef("regenerate-token", http.MethodPost, "/api/v1/tokens/{ref}/regenerate",
		"Make a new secret for one's own access token and end the old one in a single step", "tokens"),
		func(ctx context.Context, in *RefInput) (*tokenOutput, error) { return a.regenerateToken(ctx, in.Ref) })
	huma.Register(a.doc, onRef("delete-token", http.MethodDelete, "/api/v1/tokens/{ref}", "Delete an access token: the next call with it is refused", "tokens"),
		func(ctx context.Context, in *RefInput) (*struct{}, error) {
			t, err := a.findToken(ctx, in.Ref)
			if err != nil {
				return nil, err
			}
			return nil, a.public(a.o.Store.DeleteToken(ctx, t.TeamID, t.ID, a.event(ctx, auth.ActionTokenDelete)))
		})
}

func (o *tokenOutput) body() tagged { return o.Body }

// token shows one that the caller may know of.
func (a *API) token(ctx context.Context, ref string) (*tokenOutput, error) {
	t, err := a.findToken(ctx, ref)
	if err != nil {
		return nil, err
	}
	shown, err := a.showToken(ctx, &t)
	if err != nil {
		return nil, a.public(err)
	}
	return &tokenOutput{shown}, nil
}

// minds reports whether t is one of the caller's own, or of a team that is.
func (c *Caller) minds(t *auth.AccessToken) bool {
	return c.Kind == KindLocal || t.UserID == c.User.ID || c.Role.AtLeast(auth.RoleOwner)
}

// findToken finds one that the caller may know of; another's is not there.
func (a *API) findToken(ctx context.Context, ref string) (auth.AccessToken, error) {
	t, err := a.o.Store.Token(ctx, team(ctx), ref)
	if err == nil && !callerOf(ctx).minds(&t) {
		_, err = a.o.Store.Token(ctx, "", ref) // the words of what is nowhere
	}
	return t, a.public(err)
}

func (a *API) createToken(ctx context.Context, in NewToken) (*tokenOutput, error) {
	c := callerOf(ctx)
	whose := c.User.ID
	switch {
	case c.Kind == KindLocal && in.User == "":
		return nil, invalid("body.user", "on the machine itself it has to be said whose token it is", "Name a member of the team.")
	case c.Kind == KindLocal:
		whose = in.User
	case in.User != "" && in.User != c.User.ID && !strings.EqualFold(in.User, c.User.Email):
		return nil, invalid("body.user", "nobody makes an access token for somebody else", "Leave user out.")
	}
	if left := in.ExpiresAt.Sub(a.o.Now()); left < auth.MinTokenLife-time.Minute || left > auth.MaxTokenLife+time.Minute {
		return nil, invalid("body.expires_at", "an access token lives for 1 to 365 days", "Give a time in that span.")
	}
	if err := auth.CheckTokenRoute(in.Route); err != nil {
		return nil, invalid("body.route", err.Error(), "")
	}
	secret, hash := newTokenSecret()
	t := auth.AccessToken{TeamID: team(ctx), UserID: whose, Name: in.Name, Preview: secret.Preview(), Hash: hash, Scope: auth.Scope(in.Scope), Route: in.Route, ExpiresAt: in.ExpiresAt.UTC()}
	if t.Scope == "" {
		t.Scope = auth.ScopeRead
	}
	t, err := a.o.Store.CreateToken(ctx, t, a.event(ctx, auth.ActionTokenCreate))
	return a.revealToken(ctx, &t, secret, err)
}

// regenerateToken gives a token another secret. Whoever has that acts as the
// token's user: an owner of the team, who may end the token, does not get it.
func (a *API) regenerateToken(ctx context.Context, ref string) (*tokenOutput, error) {
	t, err := a.findToken(ctx, ref)
	if err != nil {
		return nil, err
	}
	switch c := callerOf(ctx); {
	case c.Kind != KindLocal && t.UserID != c.User.ID:
		return nil, forbidden("whoever has an access token acts as its user, and it is somebody else's", "Its user makes the new secret. An owner of the team may delete the token.")
	case t.Expired(a.o.Now()):
		return nil, problem(http.StatusConflict, "conflict", "the access token "+quoted(t.Name)+" has expired, and a new secret would not count either", "Delete it, and create a new one.")
	}
	secret, hash := newTokenSecret()
	t, err = a.o.Store.RegenerateToken(ctx, t.TeamID, t.ID, hash, secret.Preview(), a.event(ctx, auth.ActionTokenRegenerate))
	return a.revealToken(ctx, &t, secret, err)
}

func newTokenSecret() (auth.Secret, auth.KeyHash) {
	secret := auth.NewAccessToken()
	hash, _ := auth.HashAccessToken(secret.Reveal())
	return secret, hash
}

// revealToken shows t, whose secret was made in this request unless err says
// otherwise, with that secret.
func (a *API) revealToken(ctx context.Context, t *auth.AccessToken, secret auth.Secret, err error) (*tokenOutput, error) {
	if err != nil {
		return nil, a.public(err)
	}
	shown, err := a.showToken(ctx, t)
	if err != nil {
		return nil, a.public(err)
	}
	shown.Token = secret.Reveal()
	return &tokenOutput{shown}, nil
}

func (a *API) showToken(ctx context.Context, t *auth.AccessToken) (Token, error) {
	u, err := a.o.Store.User(ctx, t.UserID)
	if errors.Is(err, store.ErrNotFound) {
		err = nil // deleted this moment, and the token with it
	}
	out := Token{ID: t.ID, Name: t.Name, User: Ref{t.UserID, u.Email}, Status: "active", Scope: string(t.Scope), Route: t.Route, Preview: t.Preview, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt}
	out.LastUsedAt, out.LastUsedFrom = a.lastUsed(t.ID)
	if t.Expired(a.o.Now()) {
		out.Status = "expired"
	}
	return out, err
}
