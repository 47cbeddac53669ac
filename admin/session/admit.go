package session

import (
	"context"
	"errors"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

// admit finds or makes the user for whom the provider vouches. reason says why
// there is none, in words for whoever tries.
//
// A user is who the provider knows by the same subject. An e-mail address finds
// a user only where the provider has verified it, and only one that is not yet
// tied to another subject: from then on the subject counts, so that who gets
// the address later is somebody else.
func (s *Service) admit(ctx context.Context, c *OIDC, who vouched, from From) (u auth.User, reason string, err error) {
	email, badEmail := auth.CanonicalEmail(who.Email)
	if len(c.Domains) > 0 && (badEmail != nil || !who.verified() || !c.allowed(email)) {
		return u, "its e-mail address is not of a domain that may sign in, or not verified", badEmail
	}
	ev := from.event()
	ev.Actor = "oidc"
	u, err = s.o.Store.UserBySubject(ctx, c.Issuer, who.Subject)
	if errors.Is(err, store.ErrNotFound) {
		if badEmail != nil || !who.verified() {
			return u, "the provider has not verified its e-mail address", badEmail
		}
		u, reason, err = s.tie(ctx, c, email, who, ev)
	}
	switch {
	case reason != "" || err != nil:
		return u, reason, err
	case u.Disabled():
		return u, "this user may not sign in", nil
	}
	return u, "", nil
}

// tie ties the subject to the user of the address, whom it makes where there
// is none and new users are wanted.
func (s *Service) tie(ctx context.Context, c *OIDC, email string, who vouched, ev auth.Event) (auth.User, string, error) {
	u, err := s.o.Store.User(ctx, email)
	switch {
	case err == nil:
		other := errors.New("the user is another subject of the provider")
		ev.Reason = "tied to the subject of the OpenID provider"
		u, err = s.o.Store.UpdateUser(ctx, u.ID, func(v *auth.User) error {
			if v.Subject != "" {
				return other
			}
			v.Issuer, v.Subject = c.Issuer, who.Subject
			return nil
		}, ev)
		if errors.Is(err, other) {
			return u, "the user of this address is another person at the provider", err
		}
		return u, "", err
	case !errors.Is(err, store.ErrNotFound):
		return u, "", err
	case !c.Role.Valid():
		return u, "there is no user of this address, and none is made", nil
	}
	ev.Reason = "by the OpenID provider"
	u, err = s.o.Store.CreateUser(ctx, auth.User{Email: email, Name: plainName(who.Name), Issuer: c.Issuer, Subject: who.Subject},
		[]store.Place{{Team: c.Team, Role: c.Role}}, ev)
	return u, "", err
}

// plainName is a name as the store takes it; "" where it would not.
func plainName(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > store.MaxName || store.CheckName("user", s) != nil {
		return ""
	}
	return s
}
