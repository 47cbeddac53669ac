package signer

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// stateful is a provider that remembers something from one request to the
// next. What it remembers belongs to a Set; the provider itself is a value.
type stateful interface {
	provider
	engine(now func() time.Time, m *means) engine
}

// engine signs for a stateful provider in place of provider.sign.
type engine interface {
	// aim sets out.Target to where a request goes that d allows, in the form in
	// which it is signed; with an error out is unchanged. Aiming it again changes
	// nothing.
	aim(d *auth.Decision, out *auth.Outgoing) error
	// put signs out, which was aimed. It changes out only where it returns no
	// error.
	put(ctx context.Context, d *auth.Decision, open openFields, out *auth.Outgoing) (auth.Applied, error)
	// learn is told of an answer that refuses.
	learn(ctx context.Context, d *auth.Decision, out *auth.Outgoing, a *auth.Refused) auth.Lesson
}

// openFields opens fields of the version that was decided for. It fails where
// one of needed is missing; optional ones may be.
type openFields func(ctx context.Context, needed, optional []string) (auth.Fields, error)

// engineOf finds the engine of the provider that decided; nil where there is
// none.
func (s *Set) engineOf(d *auth.Decision) engine {
	p, ok := d.Provider.(provider)
	if !ok {
		return nil
	}
	return s.engines[p]
}

// Aim sets the target of a request that d allows to where it goes: for most
// providers where it was going. The error is *auth.Error; out is unchanged then.
func (s *Set) Aim(d *auth.Decision, out *auth.Outgoing) error {
	e := s.engineOf(d)
	if e == nil || d.Outcome != auth.Inject {
		return nil
	}
	if err := e.aim(d, out); err != nil {
		return refusal(d, err.Error(), err)
	}
	return nil
}

// Learn is told that an upstream has refused a request that was signed by d,
// and says whether it is worth asking once more.
func (s *Set) Learn(ctx context.Context, d auth.Decision, out *auth.Outgoing, a *auth.Refused) auth.Lesson {
	if e := s.engineOf(&d); e != nil && d.Outcome == auth.Inject {
		return e.learn(ctx, &d, out, a)
	}
	return s.learnOfToken(&d, out, a)
}

// signBy is Sign by an engine.
func (s *Set) signBy(ctx context.Context, e engine, d *auth.Decision, out *auth.Outgoing) (auth.Applied, error) {
	var refused *auth.Error
	open := func(ctx context.Context, needed, optional []string) (auth.Fields, error) {
		names := needed
		if len(optional) > 0 {
			names = slices.Concat(needed, optional)
		}
		fields, err := s.vault.OpenFields(ctx, d.CredentialID, d.Version, names...)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			why := "it could not be opened"
			if ctx.Err() != nil {
				why = "the request has ended"
			}
			refused = refusal(d, why, err)
			return nil, refused
		}
		for _, name := range needed {
			if fields[name].IsZero() {
				refused = refusal(d, "its field "+name+" is missing", nil)
				return nil, refused
			}
		}
		return fields, nil
	}
	applied, err := e.put(ctx, d, open, out)
	switch {
	case refused != nil:
		return auth.Applied{}, refused
	case err != nil:
		why := err.Error()
		if o, ok := errors.AsType[*obstacle](err); ok {
			why = o.why // its cause is for the log
		}
		return auth.Applied{}, refusal(d, "it could not be put on the request: "+why, err)
	}
	return applied, nil
}
