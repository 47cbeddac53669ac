package session

import (
	"context"
	"errors"

	"github.com/weighbridge/weighbridge/auth"
)

// Hash checks a new password of the user of this address and reckons what is
// stored of it. The error is *auth.Error with CodePasswordRefused where it is
// too weak.
func (s *Service) Hash(ctx context.Context, email string, password auth.Secret) (auth.PasswordHash, error) {
	if err := CheckPassword(password, email); err != nil {
		return auth.PasswordHash{}, err
	}
	h, err := s.hasher.hash(ctx, password)
	if errors.Is(err, errBusy) {
		return h, busy(err)
	}
	return h, err
}

// ChangePassword gives a user who is signed in, and knows the present password,
// another one. Every session ends with it; the Grant is of a new one. Wrong
// guesses are slowed down as those of signing in, and told apart in nothing.
func (s *Service) ChangePassword(ctx context.Context, userID string, present, next auth.Secret, from From) (Grant, error) {
	u, err := s.o.Store.User(ctx, userID)
	if err != nil {
		return Grant{}, err
	}
	k, err := s.ring.get(ctx)
	if err != nil {
		return Grant{}, err
	}
	try, wait := s.slow.begin(u.Email, from.Address, s.device(k, &u, from.Device))
	if wait > 0 {
		s.denials.Hold(1)
		return Grant{}, tooSoon(wait)
	}
	if len(present.Reveal()) > MaxPassword {
		present = auth.Secret{}
	}
	ok, err := s.hasher.same(ctx, u.Password, present, true)
	switch {
	case errors.Is(err, errBusy):
		try.unevaluated()
		return Grant{}, busy(err)
	case err != nil:
		return Grant{}, err
	case !ok:
		s.denials.record(ctx, u, u.Email, from, "wrong password, to change it", s.o.Log)
		return Grant{}, &auth.Error{Code: CodeSignInFailed, Status: 403, Reason: "the present password is another",
			Next: "Check it. An operator can set the password anew: `weighbridge user reset-password`."}
	}
	try.succeeded()
	hash, err := s.Hash(ctx, u.Email, next)
	if err != nil {
		return Grant{}, err
	}
	ev := from.event()
	ev.Actor = "user:" + u.Email
	was := u.Password
	u, err = s.o.Store.UpdateUser(ctx, u.ID, func(v *auth.User) error {
		if !v.Password.Equal(was.Secret) {
			return sessionEnded("the password was changed meanwhile", nil)
		}
		v.Password = hash
		return nil
	}, ev)
	if err != nil {
		return Grant{}, err
	}
	return s.begin(ctx, k, u, from, "a new password")
}

// SetPassword gives a user another password, whatever the present one is, and
// ends every session. It is for operators.
func (s *Service) SetPassword(ctx context.Context, ref string, password auth.Secret, ev auth.Event) (auth.User, error) {
	u, err := s.o.Store.User(ctx, ref)
	if err != nil {
		return auth.User{}, err
	}
	hash, err := s.Hash(ctx, u.Email, password)
	if err != nil {
		return auth.User{}, err
	}
	return s.o.Store.UpdateUser(ctx, u.ID, func(v *auth.User) error { v.Password = hash; return nil }, ev)
}
