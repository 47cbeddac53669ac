package bridge

import (
	"context"
	"strings"

	"github.com/weighbridge/weighbridge/admin/session"
	"github.com/weighbridge/weighbridge/auth"
)

// openSignIn makes what signs users in. The OpenID provider is one that the
// operator names, and reached as a webhook is.
func (b *Bridge) openSignIn() {
	b.signIn = session.New(session.Options{
		Store: b.store, Now: b.o.Now, OIDC: b.oidc, HTTP: b.webhookClient(),
		Log: func(err error) {
			b.log.Error().Err(err).Msg("a sign-in failed for a reason of ours or of the OpenID provider")
		},
	})
}

// oidc is the OpenID provider of the configuration that stands now; nil where
// there is none, and where its secret cannot be read.
func (b *Bridge) oidc() *session.OIDC {
	l := b.loaded.Load()
	c := &l.Config.OIDC
	if c.Issuer == "" {
		return nil
	}
	out := &session.OIDC{
		Issuer: c.Issuer, ClientID: c.ClientID, RedirectURL: c.RedirectURL, Domains: c.EmailDomains, Team: c.Team, Role: auth.Role(c.Role),
	}
	if !c.ClientSecret.IsZero() {
		secret, err := l.Value(c.ClientSecret)
		if err != nil {
			b.log.Error().Err(err).Msg("oidc.client_secret")
			return nil
		}
		out.ClientSecret = secret
	}
	return out
}

// FirstUserLink is the one-time link by which whoever sees it may make the
// first user within a day; zero where there is a user, or no admin listener
// that a browser reaches. What it opens stands behind #, which no browser
// sends.
func (b *Bridge) FirstUserLink(ctx context.Context) (auth.Secret, error) {
	url := b.AdminURL()
	if url != "" && b.frontURL() != "" {
		url = b.frontURL()
	}
	if url == "" || strings.HasPrefix(url, "unix:") {
		return auth.Secret{}, nil
	}
	secret, err := b.signIn.OfferFirstUser(ctx)
	if err != nil || secret.IsZero() {
		return auth.Secret{}, err
	}
	return auth.NewSecret(url + "/setup#" + secret.Reveal()), nil
}
