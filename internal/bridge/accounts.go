package bridge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/serviceaccount"
	"github.com/weighbridge/weighbridge/proxy"
)

// accounts takes ServiceAccount tokens of the configured cluster for the keys
// that the configuration names, both as they stand at the moment.
type accounts struct {
	log     zerolog.Logger
	current atomic.Pointer[accountsNow]
}

var _ proxy.Tokens = (*accounts)(nil)

// accountsNow is one configuration's; nil where it names no cluster.
type accountsNow struct {
	section  config.ServiceAccounts
	jwks     string
	verifier *serviceaccount.Verifier
	keys     []accountKey
}

// accountKey says which key an account stands for.
type accountKey struct {
	selects auth.ServiceAccount
	keyID   string
}

// prepare makes what holds by a configuration. What was verified before is kept
// where the cluster stays the same.
func (a *accounts) prepare(cfg *config.Config, now func() time.Time, keyID func(name string) (string, error)) (*accountsNow, error) {
	c := cfg.ServiceAccounts
	if c.Issuer == "" {
		return nil, nil
	}
	next := &accountsNow{section: c}
	if c.JWKSFile != "" {
		b, err := os.ReadFile(c.JWKSFile)
		if err != nil {
			return nil, fmt.Errorf("service_accounts.jwks_file: %w", err)
		}
		next.jwks = string(b)
	}
	if was := a.current.Load(); was != nil && was.section == c && was.jwks == next.jwks {
		next.verifier = was.verifier
	} else {
		asks, err := clusterClient(&c)
		if err != nil {
			return nil, err
		}
		o := serviceaccount.Options{Issuer: c.Issuer, Audience: c.Audience, JWKSURL: c.JWKSURL, Review: c.Review, HTTP: asks, Now: now}
		if next.jwks != "" {
			o.JWKS = []byte(next.jwks)
		}
		if next.verifier, err = serviceaccount.New(o); err != nil {
			return nil, fmt.Errorf("service_accounts: %w", err)
		}
	}
	for i := range cfg.Keys {
		k := &cfg.Keys[i]
		for _, text := range k.ServiceAccounts {
			selects, ok := auth.ParseServiceAccounts(text)
			if !ok {
				return nil, fmt.Errorf("key %q: %q names no ServiceAccount", k.Name, text)
			}
			id, err := keyID(k.Name)
			if err != nil {
				return nil, fmt.Errorf("key %q: %w", k.Name, err)
			}
			next.keys = append(next.keys, accountKey{selects, id})
		}
	}
	return next, nil
}

// Ours implements proxy.Tokens.
func (a *accounts) Ours(s string) bool {
	now := a.current.Load()
	return now != nil && now.verifier.Ours(s)
}

// Verify implements proxy.Tokens. Whether the token counts is asked again for
// each request, in a tunnel too; that is a look into memory most of the time.
func (a *accounts) Verify(ctx context.Context, s string) (proxy.Holder, error) {
	if _, err := a.key(ctx, s); err != nil {
		return nil, err
	}
	return func(time.Time) (string, error) { return a.key(ctx, s) }, nil
}

// key is the id of the key that the account of a token stands for.
func (a *accounts) key(ctx context.Context, token string) (string, error) {
	now := a.current.Load()
	if now == nil {
		return "", auth.NewError(auth.CodeKeyInvalid, "what was presented as API key does not have the form of one, and ServiceAccount tokens are not taken here", nil)
	}
	who, err := now.verifier.Verify(ctx, token)
	if errors.Is(err, serviceaccount.ErrUnavailable) {
		a.log.Error().Err(err).Msg("a ServiceAccount token cannot be verified")
		return "", auth.NewError(auth.CodeIdentityUnavailable, serviceaccount.ErrUnavailable.Error(), err)
	}
	if err != nil {
		return "", auth.NewError(auth.CodeKeyInvalid, "the presented ServiceAccount token does not count: it is not of this cluster, not made for the audience "+now.section.Audience+", or has ended", err)
	}
	best := ""
	for _, k := range now.keys {
		switch {
		case !k.selects.Selects(who.ServiceAccount):
		case k.selects.Name != "*":
			return k.keyID, nil
		default:
			best = k.keyID
		}
	}
	if best == "" {
		return "", auth.NewError(auth.CodeKeyInvalid, "no API key is declared for the ServiceAccount "+who.String(), nil)
	}
	return best, nil
}

// clusterClient asks the cluster: over TLS that its own root vouches for, with
// our own token, which goes to the hosts that the section names and no further.
func clusterClient(c *config.ServiceAccounts) (*http.Client, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("service_accounts.ca_file: %w", err)
		}
		if t.RootCAs = x509.NewCertPool(); !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("service_accounts.ca_file holds no certificate")
		}
	}
	out := client(&http.Transport{TLSClientConfig: t, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext})
	if c.TokenFile == "" {
		return out, nil
	}
	out.Transport = &bearer{file: c.TokenFile, next: out.Transport, to: []string{c.Issuer, c.JWKSURL, c.Review}}
	return out, nil
}

// bearer adds the token in a file, as it is now.
type bearer struct {
	file string
	to   []string // URLs whose hosts get it
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	base := r.URL.Scheme + "://" + r.URL.Host
	for _, to := range b.to {
		if r.URL.Scheme != "https" || to != base && !strings.HasPrefix(to, base+"/") {
			continue
		}
		token, err := os.ReadFile(b.file)
		if err != nil {
			return nil, fmt.Errorf("service_accounts.token_file: %w", err)
		}
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		break
	}
	return b.next.RoundTrip(r)
}
