package session

import (
	"context"
	"errors"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

// raceGrace is for how long after a refresh the secret before the present one
// is taken for that of another window that asked at the same moment, and not
// for a copy. It gets nothing in either case.
const raceGrace = 10 * time.Second

var (
	errReused = errors.New("a refresh secret was shown that has been used before")
	errRaced  = errors.New("a refresh secret was shown that has just been used")
)

// Refresh exchanges a refresh secret for the next Grant. One that was used
// before ends its session: either its owner or a thief comes late, and nobody
// can tell which. The error is *auth.Error with CodeSessionEnded, or with
// CodeRefreshRaced where another has just refreshed.
func (s *Service) Refresh(ctx context.Context, refresh auth.Secret, from From) (Grant, error) {
	k, err := s.ring.get(ctx)
	if err != nil {
		return Grant{}, err
	}
	const unknown = "the refresh secret is not known, or its session has ended"
	family, hash, ok := auth.HashRefreshSecret(refresh.Reveal())
	if !ok {
		return Grant{}, sessionEnded("what was presented does not have the form of a refresh secret", nil)
	}
	u, row, err := s.lookUp(ctx, func() (auth.Session, error) { return s.o.Store.SessionByFamily(ctx, family) })
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && !row.Live(&u, s.o.Now()):
		s.denials.Hold(1)
		return Grant{}, sessionEnded(unknown, nil)
	case err != nil:
		return Grant{}, err
	}
	next := auth.NextRefreshSecret(refresh)
	_, nextHash, _ := auth.HashRefreshSecret(next.Reveal())
	now := s.o.Now()
	ev := from.event()
	ev.Actor = "user:" + u.Email
	renewed, err := s.o.Store.UpdateSession(ctx, row.ID, func(v *auth.Session) error {
		switch {
		case v.Hash == hash:
			v.Previous, v.Hash, v.RefreshedAt = v.Hash, nextHash, now
			return nil
		case v.Previous == hash && now.Sub(v.RefreshedAt) < raceGrace:
			return errRaced
		default:
			return errReused
		}
	}, ev)
	switch {
	case err == nil:
		return s.grant(k, u, renewed, next)
	case errors.Is(err, errRaced):
		return Grant{}, &auth.Error{Code: CodeRefreshRaced, Status: 409, Reason: "this refresh secret has just been used by another window or process",
			Next: "Use what that one was given."}
	case errors.Is(err, errReused):
		ev.Reason = "a refresh secret was used twice: it was copied"
		if err := s.End(ctx, row.ID, ev); err != nil {
			return Grant{}, err
		}
		return Grant{}, sessionEnded("this refresh secret was used before, so the session was ended for everybody", errReused)
	case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrNotFound):
		return Grant{}, sessionEnded(unknown, nil)
	default:
		return Grant{}, err
	}
}

// End ends a session, with ev on record. Ending one that has ended is nothing.
func (s *Service) End(ctx context.Context, id string, ev auth.Event) error {
	now := s.o.Now()
	ev.Action = auth.ActionSessionEnd
	_, err := s.o.Store.UpdateSession(ctx, id, func(v *auth.Session) error { v.RevokedAt = now; return nil }, ev)
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
