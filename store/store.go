// Package store keeps what weighbridge knows: teams, credentials with their
// sealed fields, API keys (as hashes), links, the record of administrative
// acts, and a few named sealed values (the root's key, the box key).
//
// Every secret is sealed before it reaches a driver: a driver sees ciphertext
// only. Every change and its audit event are one transaction.
package store

import (
	"context"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// Store is what every driver implements and the conformance test checks.
//
// Names resolve within a team: REF is an id or a name. Errors are *Error with
// one of the kinds below. After an error nothing has changed.
type Store interface {
	// State returns everything that deciding needs, at one revision.
	State(ctx context.Context) (auth.State, error)

	// EnsureTeam returns the team called name, making it where it is missing.
	EnsureTeam(ctx context.Context, name string) (auth.Team, error)

	Credential(ctx context.Context, teamID, ref string) (auth.Credential, error)
	// CreateCredential stores c with its fields sealed under a new DEK and
	// links it to keyIDs, in one transaction with ev. It fills ID, Version,
	// CreatedAt, UpdatedAt. ErrExists where the name is taken.
	CreateCredential(ctx context.Context, c auth.Credential, secrets auth.Fields, keyIDs []string, ev auth.Event) (auth.Credential, error)
	// UpdateCredential applies change to the record; where secrets is not nil
	// it replaces every sealed field: Version grows by one and the old fields
	// are destroyed.
	UpdateCredential(ctx context.Context, teamID, ref string, change func(*auth.Credential) error, secrets auth.Fields, ev auth.Event) (auth.Credential, error)
	DeleteCredential(ctx context.Context, teamID, ref string, ev auth.Event) error
	// OpenFields opens the named fields (all of them where none is named) of
	// one version: secret fields unsealed, Params as they are. ErrNotFound
	// where the version is not the current one.
	OpenFields(ctx context.Context, credentialID string, version uint64, names ...string) (auth.Fields, error)

	Key(ctx context.Context, teamID, ref string) (auth.Key, error)
	// CreateKey stores k (hashes only) and links it to credentialIDs.
	CreateKey(ctx context.Context, k auth.Key, credentialIDs []string, ev auth.Event) (auth.Key, error)
	UpdateKey(ctx context.Context, teamID, ref string, change func(*auth.Key) error, ev auth.Event) (auth.Key, error)
	DeleteKey(ctx context.Context, teamID, ref string, ev auth.Event) error

	// Link and Unlink are idempotent; changed says whether anything was done
	// (an event is recorded only then).
	Link(ctx context.Context, teamID, credentialRef, keyRef string, ev auth.Event) (changed bool, err error)
	Unlink(ctx context.Context, teamID, credentialRef, keyRef string, ev auth.Event) (changed bool, err error)

	// Record appends an administrative event that changes nothing else.
	Record(ctx context.Context, ev auth.Event) error
	// Events yields administrative events at or after since, oldest first.
	Events(ctx context.Context, teamID string, since time.Time, yield func(auth.Event) bool) error

	// PutSealed seals a named value under the KEK; Sealed opens it
	// (ErrNotFound where there is none).
	PutSealed(ctx context.Context, name string, value []byte) error
	Sealed(ctx context.Context, name string) ([]byte, error)

	Close() error
}

// Options that every driver takes.
type Options struct {
	// KEK wraps data encryption keys.
	KEK KEK
	// Now defaults to time.Now.
	Now func() time.Time
	// OnChange is called with the new state after every committed change,
	// before the changing call returns, in order of revision.
	OnChange func(auth.State)
}

// KEK is a key encryption key: a file, or later a key service.
type KEK interface {
	// ID names the key without revealing it.
	ID() string
	Wrap(ctx context.Context, dek, aad []byte) ([]byte, error)
	Unwrap(ctx context.Context, wrapped, aad []byte) ([]byte, error)
}
