package signer

import (
	"context"
	"net/http"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// chooser is a provider that can be given its secret in more than one way: the
// fields that are not secret say which, and so which fields are opened.
type chooser interface {
	// choose is needs for a credential with these params.
	choose(params map[string]string) []string
}

// deriver is a provider of which something derived is put on: a token that the
// secret is exchanged for, or a signature of a part of the URL. derive is
// called in place of sign and holds to the same rules.
type deriver interface {
	derive(ctx context.Context, c *call) (auth.Applied, error)
}

// call is one signature that is asked for.
type call struct {
	credential string
	version    uint64
	// params are all fields that are not secret, fields those of needs.
	params map[string]string
	fields auth.Fields
	// pattern is the rule that decided.
	pattern auth.Pattern
	out     *auth.Outgoing
	now     time.Time
	*means
}

// means are what a Set has for exchanging secrets.
type means struct {
	tokens *tokens
	// client is for hosts anywhere, machine for the identity service of the
	// machine that weighbridge runs on.
	client, machine *http.Client
	getenv          func(name string) string
	readFile        func(name string) ([]byte, error)
}

// token returns the token of c for a purpose.
func (c *call) token(ctx context.Context, purpose string, fetch func(context.Context) (token, error)) (auth.Secret, error) {
	return c.tokens.get(ctx, tokenKey{c.credential, c.version, purpose}, fetch)
}

// learnOfToken gives a token up that an upstream does not take any more (401,
// RFC 6750, section 3.1: expired, revoked): it is exchanged anew, once.
func (s *Set) learnOfToken(d *auth.Decision, out *auth.Outgoing, a *auth.Refused) auth.Lesson {
	if _, ok := d.Provider.(deriver); !ok || d.Outcome != auth.Inject || a.Status != http.StatusUnauthorized || a.Again || !a.Repeatable {
		return auth.Lesson{}
	}
	if !s.means.tokens.drop(d.CredentialID, d.Version, out.Header.Get(authorization)) {
		return auth.Lesson{}
	}
	return auth.Lesson{Again: true, Note: a.Host + " takes the token no more; another one is asked for"}
}

// read reports whether the request only reads. Whether it may write was
// decided before.
func (c *call) read() bool { return classifyMethod(c.out.Method) == auth.ClassRead }
