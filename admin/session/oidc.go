package session

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/weighbridge/weighbridge/auth"
)

// OIDC is an OpenID provider that users may come from.
type OIDC struct {
	// Issuer is its URL, as its tokens say it.
	Issuer   string
	ClientID string
	// ClientSecret is zero for a public client, which PKCE protects.
	ClientSecret auth.Secret
	// RedirectURL is where it sends users back to: .../api/v1/auth/oidc/callback
	// at the address by which browsers reach this weighbridge.
	RedirectURL string
	// Domains are those of e-mail addresses that may sign in; none means any.
	Domains []string
	// Team and Role are where users go who are new. Without a role nobody who
	// is not a user already comes in.
	Team string
	Role auth.Role
}

const (
	// stateLife is how long a user has for signing in at the provider.
	stateLife = 10 * time.Minute
	// discoveryLife is for how long the provider's document is gone by.
	discoveryLife = time.Hour
	// discoveryPause is for how long one that cannot be asked is not asked
	// again: anybody may begin a sign-in, and each would wait for its timeout
	// behind all others.
	discoveryPause = 5 * time.Second
)

// provider is the OpenID provider as it was found.
type provider struct {
	http *http.Client
	now  func() time.Time

	mu    sync.Mutex
	found *oidc.Provider // nil where it could not be asked
	err   error          // why
	of    string
	at    time.Time // when it was found, or had failed
}

// find asks the provider for its document (OpenID Connect Discovery 1.0), at
// most once an hour, or once in a few seconds while that fails.
func (p *provider) find(ctx context.Context, issuer string) (*oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	life := discoveryLife
	if p.err != nil {
		life = discoveryPause
	}
	if now := p.now(); p.at.IsZero() || p.of != issuer || now.Sub(p.at) >= life || now.Before(p.at) {
		// What is found outlives the request that asked for it: the keys of the
		// provider are fetched again when it has new ones.
		p.found, p.err = oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.http), issuer)
		p.of, p.at = issuer, p.now()
	}
	return p.found, p.err
}

// signingAlgorithms are those of ID tokens that are taken: no secret of ours,
// and none that the client secret would sign.
func signingAlgorithms() []string {
	return []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}
}

func (c *OIDC) client(p *oidc.Provider) *oauth2.Config {
	return &oauth2.Config{
		ClientID: c.ClientID, ClientSecret: c.ClientSecret.Reveal(), Endpoint: p.Endpoint(), RedirectURL: c.RedirectURL,
		Scopes: []string{oidc.ScopeOpenID, "email", "profile"},
	}
}

// started is what is known of a sign-in that is under way at the provider. It
// is kept by the browser, sealed, in a cookie: so that it is this browser that
// comes back (RFC 6749, section 10.12), and that nothing is held here.
type started struct {
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"` // of PKCE, RFC 7636
	Until    time.Time `json:"until"`
	Issuer   string    `json:"issuer"`
}

// Start is the beginning of a sign-in at the OpenID provider.
type Start struct {
	// URL is where the browser is to go.
	URL string
	// Cookie is what it is to bring back, for as long as Life.
	Cookie auth.Secret
	Life   time.Duration
}

func unavailable(cause error) *auth.Error {
	return &auth.Error{Code: CodeOIDCUnavailable, Status: 503, Reason: "the OpenID provider cannot be asked now, or answers what cannot be understood",
		Next: "Try again, or sign in with a password. The log of weighbridge says more.", Cause: cause}
}

func (s *Service) configured() (*OIDC, error) {
	if s.o.OIDC != nil {
		if c := s.o.OIDC(); c != nil {
			return c, nil
		}
	}
	return nil, &auth.Error{Code: CodeOIDCUnavailable, Status: 404, Reason: "no OpenID provider is configured",
		Next: "Sign in with a password, or configure the section oidc."}
}

// StartOIDC begins a sign-in at the OpenID provider.
func (s *Service) StartOIDC(ctx context.Context) (Start, error) {
	c, err := s.configured()
	if err != nil {
		return Start{}, err
	}
	k, err := s.ring.get(ctx)
	if err != nil {
		return Start{}, err
	}
	p, err := s.op.find(ctx, c.Issuer)
	if err != nil {
		return Start{}, unavailable(err)
	}
	st := started{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Until: s.o.Now().Add(stateLife), Issuer: c.Issuer}
	b, err := json.Marshal(st)
	if err != nil {
		return Start{}, err
	}
	return Start{
		URL:    c.client(p).AuthCodeURL(st.State, oidc.Nonce(st.Nonce), oauth2.S256ChallengeOption(st.Verifier)),
		Cookie: auth.NewSecret(base64.RawURLEncoding.EncodeToString(k.box.Seal(nil, nil, b, nil))),
		Life:   stateLife,
	}, nil
}

// FinishOIDC ends it: answer is the query with which the provider sent the
// browser back, cookie what Start gave it. The error is *auth.Error.
func (s *Service) FinishOIDC(ctx context.Context, answer url.Values, cookie auth.Secret, from From) (Grant, error) {
	c, err := s.configured()
	if err != nil {
		return Grant{}, err
	}
	k, err := s.ring.get(ctx)
	if err != nil {
		return Grant{}, err
	}
	deny := func(reason string, cause error) (Grant, error) {
		s.denials.record(ctx, auth.User{}, "", from, "OpenID Connect: "+reason, s.o.Log)
		return Grant{}, &auth.Error{Code: CodeSignInFailed, Status: 401, Reason: "the sign-in at the OpenID provider does not count: " + reason,
			Next: "Begin it again, in the same browser.", Cause: cause}
	}
	st, err := opened(k, cookie)
	if err != nil || !s.o.Now().Before(st.Until) || st.Issuer != c.Issuer {
		return deny("this browser has not begun one, or too long ago", err)
	}
	if subtle.ConstantTimeCompare([]byte(st.State), []byte(answer.Get("state"))) != 1 {
		return deny("it is another than this browser began", nil)
	}
	// RFC 9207: a provider that says who it is must be the one that was asked.
	if iss := answer.Get("iss"); iss != "" && iss != c.Issuer {
		return deny("another provider answered", nil)
	}
	if code := answer.Get("error"); code != "" || answer.Get("code") == "" {
		return deny("the provider refused it", fmt.Errorf("the provider answered %.64q", code))
	}
	p, err := s.op.find(ctx, c.Issuer)
	if err != nil {
		return Grant{}, unavailable(err)
	}
	who, err := s.exchange(ctx, c, p, answer.Get("code"), &st)
	if err != nil {
		if _, refused := errors.AsType[*oauth2.RetrieveError](err); !refused && !errors.Is(err, errIDToken) {
			return Grant{}, unavailable(withoutURL(err))
		}
		return deny("the provider did not vouch for it", withoutURL(err))
	}
	u, reason, err := s.admit(ctx, c, who, from)
	switch {
	case reason != "":
		return deny(reason, err)
	case err != nil:
		return Grant{}, err
	}
	return s.begin(ctx, k, u, from, "OpenID Connect")
}

func opened(k *keys, cookie auth.Secret) (st started, err error) {
	b, err := base64.RawURLEncoding.DecodeString(cookie.Reveal())
	if err == nil {
		b, err = k.box.Open(nil, nil, b, nil)
	}
	if err != nil {
		return st, errors.New("the cookie is not one of ours")
	}
	return st, json.Unmarshal(b, &st)
}

// withoutURL drops the URL that an error of an HTTP client quotes, and the
// answer's body that one of OAuth does.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return fmt.Errorf("the provider refused the code: %.64q", e.ErrorCode)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

var errIDToken = errors.New("the ID token does not hold")

// vouched is what an ID token says of a user (OpenID Connect Core 1.0, section
// 5.1).
type vouched struct {
	Subject       string `json:"sub"`
	Email         string `json:"email"`
	EmailVerified any    `json:"email_verified"`
	Name          string `json:"name"`
}

// verified takes true alone, also as the string that some providers send.
func (v *vouched) verified() bool { return v.EmailVerified == true || v.EmailVerified == "true" }

// exchange gets the ID token for the code, and checks it.
func (s *Service) exchange(ctx context.Context, c *OIDC, p *oidc.Provider, code string, st *started) (vouched, error) {
	var who vouched
	ctx = oidc.ClientContext(ctx, s.o.HTTP)
	tok, err := c.client(p).Exchange(ctx, code, oauth2.VerifierOption(st.Verifier))
	if err != nil {
		return who, err
	}
	raw, _ := tok.Extra("id_token").(string)
	id, err := p.Verifier(&oidc.Config{ClientID: c.ClientID, SupportedSigningAlgs: signingAlgorithms(), Now: s.o.Now}).Verify(ctx, raw)
	if err != nil {
		return who, fmt.Errorf("%w: %w", errIDToken, err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(st.Nonce)) != 1 {
		return who, fmt.Errorf("%w: its nonce is another", errIDToken)
	}
	if id.AccessTokenHash != "" && id.VerifyAccessToken(tok.AccessToken) != nil {
		return who, fmt.Errorf("%w: its access token is another", errIDToken)
	}
	if err := id.Claims(&who); err != nil || who.Subject == "" {
		return who, fmt.Errorf("%w: %w", errIDToken, errors.Join(err, errors.New("its claims")))
	}
	return who, nil
}

// allowed reports whether an address of the canonical form may sign in.
func (c *OIDC) allowed(email string) bool {
	_, domain, _ := strings.Cut(email, "@")
	return len(c.Domains) == 0 || slices.ContainsFunc(c.Domains, func(d string) bool { return strings.EqualFold(d, domain) })
}
