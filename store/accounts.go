package store

import (
	"context"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// Accounts is the half of a Store that says who may call the admin API. All of
// it is in memory, so that asking costs no disk; nothing of it but the teams is
// part of the State, so that a sign-in changes no revision.
//
// Users are named by id or e-mail address, teams by id or name. Lists are
// sorted by id, which is by the time that a thing was made.
type Accounts interface {
	Teams(ctx context.Context) ([]auth.Team, error)
	Team(ctx context.Context, ref string) (auth.Team, error)
	// CreateTeam makes a team with the users as its members, in one transaction
	// with ev and one event for each of them. ErrExists where the name is taken.
	CreateTeam(ctx context.Context, name string, members []Member, ev auth.Event) (auth.Team, error)
	// UpdateTeam applies change to a copy and stores its name. The default team
	// keeps its own (ErrInvalid): it is what the first start looks for.
	UpdateTeam(ctx context.Context, ref string, change func(*auth.Team) error, ev auth.Event) (auth.Team, error)
	// DeleteTeam deletes a team to which nothing belongs, with its memberships:
	// ErrConflict where it has credentials, API keys or access tokens. The
	// default team stays (ErrInvalid), and so does the record of any.
	DeleteTeam(ctx context.Context, ref string, ev auth.Event) error

	Users(ctx context.Context) ([]auth.User, error)
	User(ctx context.Context, ref string) (auth.User, error)
	// UserBySubject finds the user that an OpenID provider knows as subject.
	UserBySubject(ctx context.Context, issuer, subject string) (auth.User, error)
	// CreateUser stores u with its memberships, in one transaction with ev and
	// one event for each of them. It fills ID, CreatedAt, UpdatedAt. ErrExists
	// where the address or the subject is taken.
	CreateUser(ctx context.Context, u auth.User, teams []Place, ev auth.Event) (auth.User, error)
	// CreateFirstUser is CreateUser where there is no user yet: ErrConflict
	// where there is one.
	CreateFirstUser(ctx context.Context, u auth.User, teams []Place, ev auth.Event) (auth.User, error)
	// UpdateUser applies change to a copy of the record and stores it, as
	// UpdateKey does. Where the password changes or the user is disabled, and
	// wherever change touches SessionsAfter, SessionsAfter becomes the moment of
	// the change: every session until then has ended with it.
	UpdateUser(ctx context.Context, ref string, change func(*auth.User) error, ev auth.Event) (auth.User, error)
	// DeleteUser deletes the user with all memberships, access tokens and
	// sessions. ErrConflict where a team would lose its last owner.
	DeleteUser(ctx context.Context, ref string, ev auth.Event) error

	// Members are the memberships of a team, MembershipsOf those of a user.
	Members(ctx context.Context, teamID string) ([]auth.Membership, error)
	MembershipsOf(ctx context.Context, userID string) ([]auth.Membership, error)
	Membership(ctx context.Context, teamID, userID string) (auth.Membership, error)
	// PutMember puts a user into a team, or gives a member another role.
	// ErrConflict where the team would lose its last owner: the last one that is
	// not disabled. Where nothing changes, nothing is recorded.
	PutMember(ctx context.Context, teamID, userRef string, role auth.Role, ev auth.Event) (auth.Membership, error)
	// RemoveMember takes a user out of a team and deletes the access tokens that
	// the user has in it. ErrConflict as PutMember.
	RemoveMember(ctx context.Context, teamID, userRef string, ev auth.Event) error

	// Tokens are those of a team, whoever's they are. A ref of Token,
	// RegenerateToken and DeleteToken is an id or a name in the team.
	Tokens(ctx context.Context, teamID string) ([]auth.AccessToken, error)
	Token(ctx context.Context, teamID, ref string) (auth.AccessToken, error)
	TokenByHash(ctx context.Context, h auth.KeyHash) (auth.AccessToken, error)
	// CreateToken stores tok (its hash alone) for a member of its team. It fills
	// ID and CreatedAt. ErrExists where the name is taken in the team.
	CreateToken(ctx context.Context, tok auth.AccessToken, ev auth.Event) (auth.AccessToken, error)
	// RegenerateToken puts the hash and the preview of another secret in place of
	// a token's own, which is not known from then on; all else stays. ErrExists
	// where the hash is that of a token that there is.
	RegenerateToken(ctx context.Context, teamID, ref string, hash auth.KeyHash, preview string, ev auth.Event) (auth.AccessToken, error)
	DeleteToken(ctx context.Context, teamID, ref string, ev auth.Event) error

	Session(ctx context.Context, id string) (auth.Session, error)
	// SessionByFamily finds the session that a refresh secret is of; whether it
	// is the one that counts, its Hash says.
	SessionByFamily(ctx context.Context, family auth.KeyHash) (auth.Session, error)
	// Sessions are those of a user, ended ones among them.
	Sessions(ctx context.Context, userID string) ([]auth.Session, error)
	// CreateSession stores s. It fills ID and CreatedAt. A user has at most
	// MaxSessions: the oldest make room. Those that expired are removed.
	CreateSession(ctx context.Context, s auth.Session, ev auth.Event) (auth.Session, error)
	// UpdateSession applies change to a copy and stores what it makes of Hash,
	// Previous, RefreshedAt, ExpiresAt and RevokedAt. ErrConflict where it was
	// ended: that is for good.
	UpdateSession(ctx context.Context, id string, change func(*auth.Session) error, ev auth.Event) (auth.Session, error)
	// EndSessions ends all of a user but the one with the id except, and
	// returns how many it were.
	EndSessions(ctx context.Context, userID, except string, ev auth.Event) (int, error)
	// PruneSessions removes the sessions that expired or were ended before then.
	PruneSessions(ctx context.Context, before time.Time) (int, error)
}

// Member is a user in a team that is made.
type Member struct {
	// User is an id or e-mail address.
	User string
	Role auth.Role
}

// Place is a team that a new user is put into.
type Place struct {
	// Team is an id or name.
	Team string
	Role auth.Role
}

// MaxSessions is how many sessions a user may have at a time: enough for every
// program and browser of a person, and an end for who signs in again and again.
const MaxSessions = 64

// The kinds of things in errors.
const (
	whatUser    = "user"
	whatMember  = "member"
	whatToken   = "access token"
	whatSession = "session"
)

func conflict(what, ref, detail, next string) *Error {
	return &Error{Kind: KindConflict, What: what, Ref: ref, Detail: detail, Next: next}
}
