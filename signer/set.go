package signer

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// Vault opens the fields of credentials. A store is one.
type Vault interface {
	// OpenFields opens the named fields of one version of a credential, and
	// fails where that version is not the current one.
	OpenFields(ctx context.Context, credentialID string, version uint64, names ...string) (auth.Fields, error)
}

// SetOptions are the options of a Set.
type SetOptions struct {
	// Now defaults to time.Now.
	Now func() time.Time
	// Client sends requests of our own that exchange secrets for tokens, to
	// hosts that credentials name. It must dial like the data plane does, with
	// every guard. Redirects are not followed, whatever it says. nil refuses
	// what needs it.
	Client *http.Client
	// Machine sends requests to the identity service of the machine or pod
	// (managed identities), which is at an address that Client may not reach.
	// nil refuses what needs it.
	Machine *http.Client
	// Getenv and ReadFile are how the identity of a pod or machine is found;
	// nil means that there is none.
	Getenv   func(name string) string
	ReadFile func(name string) ([]byte, error)
}

// Set signs requests with the credentials of a vault. It may be used by any
// number of goroutines. Between two calls it holds no secret of a credential;
// tokens that one was exchanged for are kept in memory for as long as they are
// good for.
type Set struct {
	vault Vault
	now   func() time.Time
	means means

	engines map[provider]engine // immutable

	mu        sync.Mutex // guards replacing audiences
	audiences atomic.Pointer[map[audienceKey]*audience]
}

// NewSet makes a Set over v.
func NewSet(v Vault, o SetOptions) *Set {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	if o.ReadFile == nil {
		o.ReadFile = func(string) ([]byte, error) { return nil, fs.ErrNotExist }
	}
	s := &Set{vault: v, now: o.Now, engines: map[provider]engine{}}
	s.means = means{tokens: newTokens(o.Now), client: o.Client, machine: o.Machine, getenv: o.Getenv, readFile: o.ReadFile}
	for _, p := range registered {
		if p, ok := p.(stateful); ok {
			s.engines[p] = p.engine(o.Now, &s.means)
		}
	}
	s.audiences.Store(&map[audienceKey]*audience{})
	return s
}

// Close ends the exchanges that run. Nothing that needs one is signed
// afterwards.
func (s *Set) Close() { s.means.tokens.Close() }

// Sign puts the credential that d decided for on out, which is complete: what
// Sign returns is sent as it is.
//
// It trusts the decision no further than it can check it. The outcome must be
// Inject and the URL not signed by somebody else; the rule must follow from
// the pattern as written and inject; the target must match the rule, be https
// unless the rule says http://, and not be a companion host. Then it opens the
// fields that the provider needs, of the version that was decided for.
//
// Every error is *auth.Error with CodeCredentialFailed, and leaves out as it
// was: the request must then not be sent at all.
func (s *Set) Sign(ctx context.Context, d auth.Decision, out *auth.Outgoing) (auth.Applied, error) {
	if err := ctx.Err(); err != nil {
		return auth.Applied{}, refusal(&d, "the request has ended", err)
	}
	a, why := s.audience(&d)
	if why == "" {
		why = a.refuses(out.Method, &out.Target, out.Decided)
	}
	if why != "" {
		return auth.Applied{}, refusal(&d, why, nil)
	}
	if s.vault == nil {
		return auth.Applied{}, refusal(&d, "there is no vault to open it from", nil)
	}
	if e := s.engines[a.provider]; e != nil {
		return s.signBy(ctx, e, &d, out)
	}
	needs := a.provider.needs()
	if c, ok := a.provider.(chooser); ok {
		needs = c.choose(d.Params)
	}
	fields, err := s.vault.OpenFields(ctx, d.CredentialID, d.Version, needs...)
	if err != nil {
		return auth.Applied{}, refusal(&d, "it could not be opened", err)
	}
	if err := ctx.Err(); err != nil {
		return auth.Applied{}, refusal(&d, "the request has ended", err)
	}
	for _, name := range needs {
		if fields[name].IsZero() {
			return auth.Applied{}, refusal(&d, "its field "+name+" is missing", nil)
		}
	}
	var applied auth.Applied
	switch p := a.provider.(type) {
	case deriver:
		applied, err = p.derive(ctx, &call{
			credential: d.CredentialID, version: d.Version, params: d.Params, fields: fields,
			pattern: a.pattern, out: out, now: s.now(), means: &s.means,
		})
	case putter:
		applied, err = p.sign(fields, out, s.now())
	default:
		err = errUnsendable
	}
	if err != nil {
		why := "it could not be put on the request"
		var o *obstacle
		if errors.As(err, &o) {
			why += ": " + o.why
		}
		return auth.Applied{}, refusal(&d, why, err)
	}
	return applied, nil
}

// audience finds or makes the audience of the rule that decided.
func (s *Set) audience(d *auth.Decision) (*audience, string) {
	switch {
	case d.Outcome != auth.Inject:
		return nil, "the decision was not to use it"
	case d.Signed:
		return nil, "the URL already carries a signature"
	case d.Companion:
		return nil, "the host never gets a credential"
	case d.CredentialID == "":
		return nil, "the decision names no credential"
	case d.Provider == nil:
		return nil, "the decision names no provider"
	}
	p, ok := d.Provider.(provider)
	if !ok {
		return nil, "its provider cannot sign"
	}
	written := d.Written
	if written == "" {
		written = d.Rule
	}
	key := audienceKey{provider: p, written: written, rule: d.Rule}
	if c, ok := d.Provider.(auth.Canonicalizer); ok {
		key.dialect = c.Dialect(d.Params)
	}
	if a := (*s.audiences.Load())[key]; a != nil {
		return a, ""
	}
	a, why := newAudience(p, written, d.Rule, d.Params)
	if why != "" {
		return nil, why
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := *s.audiences.Load()
	next := make(map[audienceKey]*audience, len(old)+1)
	if len(old) < maxAudiences {
		maps.Copy(next, old)
	}
	next[key] = a
	s.audiences.Store(&next)
	return a, ""
}

// refusal says that the credential was not used, and why. It names the
// credential, never a value or a query.
func refusal(d *auth.Decision, why string, cause error) *auth.Error {
	name := d.CredentialName
	if name == "" {
		name = d.CredentialID
	}
	return auth.NewError(auth.CodeCredentialFailed, "the credential "+strconv.Quote(name)+" was not put on the request: "+why, cause)
}
