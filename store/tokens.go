package store

import (
	"cmp"
	"context"

	"github.com/weighbridge/weighbridge/auth"
)

// Tokens implements Accounts.
func (c *core) Tokens(ctx context.Context, teamID string) (out []auth.AccessToken, err error) {
	err = c.view(ctx, func(m *model) error {
		out = where(m.accounts.tokens, func(t *auth.AccessToken) bool { return t.TeamID == teamID },
			func(x, y *auth.AccessToken) int { return cmp.Compare(x.ID, y.ID) })
		return nil
	})
	return out, err
}

// Token implements Accounts.
func (c *core) Token(ctx context.Context, teamID, ref string) (out auth.AccessToken, err error) {
	err = c.view(ctx, func(m *model) (err error) { out, err = m.accounts.findToken(teamID, ref); return err })
	return out, err
}

// TokenByHash implements Accounts.
func (c *core) TokenByHash(ctx context.Context, h auth.KeyHash) (out auth.AccessToken, err error) {
	err = c.view(ctx, func(m *model) error {
		id, ok := m.accounts.tokenHashes[h]
		if !ok {
			return &Error{Kind: KindNotFound, What: whatToken, Detail: "it is not known"}
		}
		out = m.accounts.tokens[id]
		return nil
	})
	return out, err
}

// CreateToken implements Accounts.
func (c *core) CreateToken(ctx context.Context, tok auth.AccessToken, ev auth.Event) (auth.AccessToken, error) {
	err := c.change(ctx, func(t *tx) error {
		_, u, err := t.m.findPair(tok.TeamID, tok.UserID)
		if err != nil {
			return err
		}
		if _, ok := t.m.accounts.members[memberKey{tok.TeamID, u.ID}]; !ok {
			return notFound(whatMember, tok.UserID)
		}
		if err := checkToken(&tok); err != nil {
			return err
		}
		if _, ok := t.m.accounts.tokenNames[nameKey{tok.TeamID, tok.Name}]; ok {
			return taken(whatToken, tok.Name)
		}
		if err := t.m.accounts.newSecret(&tok); err != nil {
			return err
		}
		tok.UserID, tok.ID, tok.CreatedAt, tok.ExpiresAt = u.ID, auth.NewID(t.at), t.at, normalTime(tok.ExpiresAt)
		t.b.accounts.tokens.set(tok.ID, tok)
		t.record(aboutToken(aboutUser(ev, auth.ActionTokenCreate, &u), &tok))
		return nil
	})
	if err != nil {
		return auth.AccessToken{}, err
	}
	return tok, nil
}

// RegenerateToken implements Accounts.
func (c *core) RegenerateToken(ctx context.Context, teamID, ref string, hash auth.KeyHash, preview string, ev auth.Event) (tok auth.AccessToken, err error) {
	err = c.change(ctx, func(t *tx) error {
		if tok, err = t.m.accounts.findToken(teamID, ref); err != nil {
			return err
		}
		tok.Hash, tok.Preview = hash, preview
		if err := checkToken(&tok); err != nil {
			return err
		}
		if err := t.m.accounts.newSecret(&tok); err != nil {
			return err
		}
		u := t.m.accounts.users[tok.UserID]
		t.b.accounts.tokens.set(tok.ID, tok)
		t.record(aboutToken(aboutUser(ev, auth.ActionTokenRegenerate, &u), &tok))
		return nil
	})
	if err != nil {
		return auth.AccessToken{}, err
	}
	return tok, nil
}

// newSecret is an error where the value of tok is one that there is.
func (a *accounts) newSecret(tok *auth.AccessToken) error {
	if _, ok := a.tokenHashes[tok.Hash]; ok {
		return &Error{Kind: KindExists, What: whatToken, Ref: tok.Name, Detail: "its value is that of another access token"}
	}
	return nil
}

// DeleteToken implements Accounts.
func (c *core) DeleteToken(ctx context.Context, teamID, ref string, ev auth.Event) error {
	return c.change(ctx, func(t *tx) error {
		tok, err := t.m.accounts.findToken(teamID, ref)
		if err != nil {
			return err
		}
		t.removeToken(&tok, ev)
		return nil
	})
}

func (t *tx) removeToken(tok *auth.AccessToken, ev auth.Event) {
	u := t.m.accounts.users[tok.UserID]
	t.b.accounts.tokens.remove(tok.ID)
	t.record(aboutToken(aboutUser(ev, auth.ActionTokenDelete, &u), tok))
}

// checkToken checks what the store itself relies on.
func checkToken(tok *auth.AccessToken) error {
	if err := CheckName(whatToken, tok.Name); err != nil {
		return err
	}
	switch {
	case tok.Hash.IsZero():
		return invalid(whatToken, tok.Name, "it has no hash")
	case tok.Scope != auth.ScopeRead && tok.Scope != auth.ScopeWrite:
		return invalid(whatToken, tok.Name, "its scope is neither read nor write")
	case tok.ExpiresAt.IsZero():
		return invalid(whatToken, tok.Name, "it does not say when it ends")
	}
	if err := auth.CheckTokenRoute(tok.Route); err != nil {
		return invalid(whatToken, tok.Name, err.Error())
	}
	return nil
}

// aboutToken completes an event about an access token.
func aboutToken(ev auth.Event, tok *auth.AccessToken) auth.Event {
	ev.TeamID, ev.TokenID, ev.TokenName = tok.TeamID, tok.ID, tok.Name
	return ev
}
