package admin

import (
	"context"

	"github.com/weighbridge/weighbridge/auth"
)

// Kind is how a caller of the API shows who it is.
type Kind string

const (
	// KindLocal came over admin.sock, whose file permission is its login.
	KindLocal Kind = "local"
	// KindUser showed the session JWT of a user.
	KindUser Kind = "user"
	// KindToken showed an access token.
	KindToken Kind = "token"
)

// Caller is who calls the API, found out anew for every request. The zero
// value may do nothing and belongs to no team.
type Caller struct {
	Kind Kind
	// User is who signed in, or whose token it is; zero for KindLocal.
	User auth.User
	// SessionID is the session of a KindUser.
	SessionID string
	// Token is the access token of a KindToken.
	Token auth.AccessToken
	// Team is what the request is about: the token's team, or the one that
	// X-Team-ID names; zero where the operation is about none.
	Team auth.Team
	// Role is the user's in Team now; "" where it has none.
	Role auth.Role
	// Operator says that the caller runs weighbridge itself: the socket, and
	// the owners of the default team.
	Operator bool
	// Address is the peer's address without port.
	Address string
}

// Actor is the caller as the record names it.
func (c *Caller) Actor() string {
	switch c.Kind {
	case KindLocal:
		return "cli"
	case KindUser:
		return "user:" + c.User.Email
	case KindToken:
		return "token:" + c.Token.Name
	default:
		return "nobody"
	}
}

type callerKey struct{}

// againKey holds a func() bool: whether the request would be let through now.
type againKey struct{}

// stillMay reports whether the request that ctx belongs to would be let
// through now as well, and see as much: a stream asks, because it outlives what
// admitted it.
func stillMay(ctx context.Context) bool {
	again, _ := ctx.Value(againKey{}).(func() bool)
	return again != nil && again()
}

// callerOf is who makes the request that ctx belongs to.
func callerOf(ctx context.Context) *Caller {
	c, _ := ctx.Value(callerKey{}).(*Caller)
	if c == nil {
		return &Caller{}
	}
	return c
}

// team is the id of the team that a request is about; "", which owns nothing,
// where it is about none.
func team(ctx context.Context) string { return callerOf(ctx).Team.ID }

// sees reports whether who asks may see an event: one of its team, or, for who
// runs weighbridge, one of no team.
func (c *Caller) sees(e *auth.Event) bool {
	if e.TeamID == "" {
		return c.Operator
	}
	return e.TeamID == c.Team.ID
}

// events is whose acts are asked of the store: those of the team, or all, of
// which sees picks.
func (c *Caller) events() string {
	if c.Operator {
		return ""
	}
	return c.Team.ID
}

// event starts the record of an administrative act.
func (a *API) event(ctx context.Context, action string) auth.Event {
	return a.eventOf(callerOf(ctx), action)
}

func (a *API) eventOf(c *Caller, action string) auth.Event {
	return auth.Event{
		Time: a.o.Now().UTC(), Action: action, TeamID: c.Team.ID, Actor: c.Actor(), Address: c.Address,
		RequestID: auth.NewID(a.o.Now()), UserID: c.User.ID, UserName: c.User.Email, TokenID: c.Token.ID, TokenName: c.Token.Name,
	}
}
