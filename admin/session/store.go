package session

import (
	"context"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

// Store is what a Service keeps users and sessions in: the part of
// store.Accounts that it needs, the named sealed values, and the record.
type Store interface {
	User(ctx context.Context, ref string) (auth.User, error)
	UserBySubject(ctx context.Context, issuer, subject string) (auth.User, error)
	Users(ctx context.Context) ([]auth.User, error)
	CreateFirstUser(ctx context.Context, u auth.User, teams []store.Place, ev auth.Event) (auth.User, error)
	CreateUser(ctx context.Context, u auth.User, teams []store.Place, ev auth.Event) (auth.User, error)
	UpdateUser(ctx context.Context, ref string, change func(*auth.User) error, ev auth.Event) (auth.User, error)

	Session(ctx context.Context, id string) (auth.Session, error)
	SessionByFamily(ctx context.Context, family auth.KeyHash) (auth.Session, error)
	CreateSession(ctx context.Context, s auth.Session, ev auth.Event) (auth.Session, error)
	UpdateSession(ctx context.Context, id string, change func(*auth.Session) error, ev auth.Event) (auth.Session, error)

	Sealed(ctx context.Context, name string) ([]byte, error)
	PutSealed(ctx context.Context, name string, value []byte) error
	EnsureSealed(ctx context.Context, name string, value []byte) ([]byte, error)
	Record(ctx context.Context, ev auth.Event) error
}
