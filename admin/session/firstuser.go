package session

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

const (
	// setupName is the sealed value that holds the offer to make the first user.
	setupName = "admin first user"
	// SetupLife is how long the offer stands.
	SetupLife = 24 * time.Hour
)

// setup is the offer: the hash of its secret, and its end.
type setup struct {
	Hash  auth.KeyHash `json:"hash"`
	Until time.Time    `json:"until"`
}

// OfferFirstUser makes the secret by which whoever sees it may make the first
// user, within a day; an earlier one ends. It is zero where there is a user.
func (s *Service) OfferFirstUser(ctx context.Context) (auth.Secret, error) {
	all, err := s.o.Store.Users(ctx)
	if err != nil || len(all) > 0 {
		return auth.Secret{}, err
	}
	secret := auth.NewSetupSecret()
	hash, _ := auth.HashSetupSecret(secret.Reveal())
	b, err := json.Marshal(setup{Hash: hash, Until: s.o.Now().Add(SetupLife)})
	if err != nil {
		return auth.Secret{}, err
	}
	if err := s.o.Store.PutSealed(ctx, setupName, b); err != nil {
		return auth.Secret{}, err
	}
	return secret, nil
}

// FirstUser makes the first user, an owner of the team, for whoever shows the
// secret, and signs them in. It can be done once: the store refuses another
// first user. The error is *auth.Error with CodeSetupInvalid where the secret
// does not count.
func (s *Service) FirstUser(ctx context.Context, secret auth.Secret, u auth.User, password auth.Secret, teamID string, from From) (Grant, error) {
	refuse := func() (Grant, error) {
		s.denials.record(ctx, auth.User{}, "", from, "no valid offer to make the first user", s.o.Log)
		return Grant{}, &auth.Error{Code: CodeSetupInvalid, Status: 401, Reason: "this secret does not make the first user: it is another, older than a day, or there is a user already",
			Next: "Run `weighbridge user create` on the machine of weighbridge, or restart it for a new link."}
	}
	hash, ok := auth.HashSetupSecret(secret.Reveal())
	if !ok {
		return refuse()
	}
	b, err := s.o.Store.Sealed(ctx, setupName)
	if errors.Is(err, store.ErrNotFound) {
		return refuse()
	}
	if err != nil {
		return Grant{}, err
	}
	var offer setup
	if err := json.Unmarshal(b, &offer); err != nil {
		return Grant{}, err
	}
	if subtle.ConstantTimeCompare(hash[:], offer.Hash[:]) != 1 || !s.o.Now().Before(offer.Until) {
		return refuse()
	}
	email, err := auth.CanonicalEmail(u.Email)
	if err != nil {
		return Grant{}, &auth.Error{Code: auth.CodeBadRequest, Status: 422, Reason: err.Error(), Next: "Give the e-mail address by which you will sign in."}
	}
	k, err := s.ring.get(ctx)
	if err != nil {
		return Grant{}, err
	}
	if u.Password, err = s.Hash(ctx, email, password); err != nil {
		return Grant{}, err
	}
	ev := from.event()
	ev.Actor, ev.Reason = "first-run link", "the first user"
	u, err = s.o.Store.CreateFirstUser(ctx, u, []store.Place{{Team: teamID, Role: auth.RoleOwner}}, ev)
	if errors.Is(err, store.ErrConflict) {
		return refuse()
	}
	if err != nil {
		return Grant{}, err
	}
	return s.begin(ctx, k, u, from, "the first-run link")
}
