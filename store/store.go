// Package store keeps what weighbridge knows: teams, credentials with their
// sealed fields, API keys (as hashes), links, the record of administrative
// acts, and a few named sealed values (the root's key, the box key).
//
// Every secret is sealed before it reaches a driver: a driver sees ciphertext
// only. Every change and its audit event are one transaction.
//
// The rules (names, references, versions, links, declarative rows) are written
// once, over a decoded copy of the rows in memory; a driver only loads rows,
// commits a batch of them atomically and scans events. [OpenBolt] keeps them
// in a file, [OpenMemory] nowhere.
//
// It knows no provider, no pattern syntax and no HTTP.
package store

import (
	"context"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
)

// Store is what every driver implements and the conformance test
// (store/storetest) checks.
//
// A ref is an id or a name; names resolve within a team. Errors are *Error
// with one of the kinds below, except that an error of a change callback or of
// ctx is returned as it is. After an error nothing has changed.
//
// Every method is safe for concurrent use. Changes are made one at a time, and
// only where what OnlyIf put into their context holds.
type Store interface {
	// Accounts are who may call the admin API.
	Accounts
	// Replies are what came of calls to it that may come again.
	Replies

	// State returns everything that deciding needs, at one revision. It costs
	// next to nothing: the slices, and all they hold, are shared and must not
	// be changed. Credentials and keys are sorted by id, links by the time
	// they were made.
	State(ctx context.Context) (auth.State, error)

	// EnsureTeam returns the team called name, making it where it is missing.
	EnsureTeam(ctx context.Context, name string) (auth.Team, error)

	Credential(ctx context.Context, teamID, ref string) (auth.Credential, error)
	// CreateCredential stores c with its fields sealed under a new DEK and
	// links it to the keys (ids or names), in one transaction with ev and one
	// event for each link. It fills ID, Version, CreatedAt, UpdatedAt.
	// ErrExists where the name is taken. Declarative must not be set.
	CreateCredential(ctx context.Context, c auth.Credential, secrets auth.Fields, keys []string, ev auth.Event) (auth.Credential, error)
	// UpdateCredential applies change (nil: none) to a copy of the record and
	// stores it; change may be called again, on a fresh copy; what change does to ID, TeamID, Version, CreatedAt, UpdatedAt
	// and Declarative is ignored. Where secrets is not nil it replaces every
	// sealed field: Version grows by one and the old fields are destroyed.
	// Where secrets is nil and change alters Provider or Params, Version grows
	// too and the sealed fields are sealed afresh under it. Where nothing
	// changes, nothing is recorded.
	UpdateCredential(ctx context.Context, teamID, ref string, change func(*auth.Credential) error, secrets auth.Fields, ev auth.Event) (auth.Credential, error)
	// JudgeCredential applies judge to a copy of the record of one version,
	// declarative or not, and stores what it makes of Status, Reason, Report,
	// AnsweredAt and ExpiresAt; all else that judge does is ignored. It is how a
	// finding is stored, of a probe or of the clock: ErrNotFound where the
	// version is not the current one, and a revoked credential stays as it is.
	// In one transaction with it are a credential.status event where the status
	// changed, and ev itself where it names an action.
	JudgeCredential(ctx context.Context, credentialID string, version uint64, judge func(*auth.Credential), ev auth.Event) (auth.Credential, error)
	// DeleteCredential removes the record, its links, its sealed fields and
	// its DEK. (The pages of a bbolt file that held them are reused in time
	// and gone for certain after CompactBolt; what stands there is ciphertext.
	// A Snapshot holds none of it.)
	DeleteCredential(ctx context.Context, teamID, ref string, ev auth.Event) error
	// OpenFields opens the named fields (all of them where none is named) of
	// one version: secret fields unsealed, Params as they are. A field that
	// the credential does not have is absent from the result. ErrNotFound
	// (and auth.ErrOutdated, which the road understands) where the version is
	// not the current one. It is on the road of every injected request: no
	// disk, and the plaintext is kept nowhere.
	OpenFields(ctx context.Context, credentialID string, version uint64, names ...string) (auth.Fields, error)

	Key(ctx context.Context, teamID, ref string) (auth.Key, error)
	// CreateKey stores k (hashes only) and links it to the credentials (ids or
	// names), in one transaction with ev and one event for each link. ErrExists
	// where the name or one of the hashes is taken. Declarative must not be set.
	CreateKey(ctx context.Context, k auth.Key, credentials []string, ev auth.Event) (auth.Key, error)
	// UpdateKey applies change as UpdateCredential does.
	UpdateKey(ctx context.Context, teamID, ref string, change func(*auth.Key) error, ev auth.Event) (auth.Key, error)
	// CreateS3Key stores an S3 access key (k.S3 is set) with its secret sealed
	// under a new DEK, and links it, in one transaction as CreateKey does. It
	// fills S3.Version. ErrExists where the name or the access key id is taken.
	CreateS3Key(ctx context.Context, k auth.Key, secret auth.Secret, credentials []string, ev auth.Event) (auth.Key, error)
	// RegenerateS3Key replaces the secret of an S3 access key, whose Version
	// grows by one; the old secret is destroyed in the same transaction.
	RegenerateS3Key(ctx context.Context, teamID, ref string, secret auth.Secret, ev auth.Event) (auth.Key, error)
	// S3Secret opens the secret of one version of an S3 access key.
	// ErrNotFound where the version is not the current one. It is on the road
	// of every request of the S3 protocol: no disk, and it is kept nowhere.
	S3Secret(ctx context.Context, keyID string, version uint64) (auth.Secret, error)
	// DeleteKey removes the key, its links and what is sealed of it.
	DeleteKey(ctx context.Context, teamID, ref string, ev auth.Event) error

	// Link and Unlink are idempotent; changed says whether anything was done
	// (an event is recorded only then). A link that the configuration declares
	// cannot be unlinked (ErrReadOnly); one between declarative rows that it
	// does not declare may be made and removed.
	Link(ctx context.Context, teamID, credentialRef, keyRef string, ev auth.Event) (changed bool, err error)
	Unlink(ctx context.Context, teamID, credentialRef, keyRef string, ev auth.Event) (changed bool, err error)

	// SyncDeclarative makes the declarative rows and links of a team exactly
	// those listed, in one transaction. Ids are stable by name. A credential's
	// Version grows and its fields are sealed afresh only where its provider,
	// params or secrets differ from what is stored. Rows that are no longer
	// listed are deleted with their links. ErrExists, naming it, where a name
	// belongs to a row that is not declarative. Where anything changed, ev is
	// recorded and one event for each row and link; where nothing did, nothing.
	SyncDeclarative(ctx context.Context, teamID string, creds []DeclaredCredential, keys []DeclaredKey, ev auth.Event) error
	// RenewDeclared takes the secrets, params and values of those of the list that
	// are there as declarative rows of the same provider, and nothing else of them:
	// it makes, deletes and links nothing, and widens nothing, so that a list that
	// another weighbridge's has overtaken brings nothing back. It records as
	// SyncDeclarative does.
	RenewDeclared(ctx context.Context, teamID string, creds []DeclaredCredential, keys []DeclaredKey, ev auth.Event) error

	// Record appends an administrative event that changes nothing else.
	Record(ctx context.Context, ev auth.Event) error
	// Events yields the administrative events of a team (of all teams and of
	// none where teamID is empty) at or after since, in the order in which
	// they were committed. yield may call the store.
	Events(ctx context.Context, teamID string, since time.Time, yield func(auth.Event) bool) error

	// AuditKeys are those of the chains of the audit record: of the acts here
	// and, for who keeps it, of the record of use. They are the same for the
	// life of the store, whatever its KEK.
	AuditKeys() *chain.Keys
	// SignHead puts a signed head on record, which covers the events before it,
	// where anything was recorded since the last.
	SignHead(ctx context.Context) error
	// Anchor notes where the record of use stands, by the chain of its events of
	// no team, which its heads are in: so that it cannot be cut short unnoticed.
	Anchor(ctx context.Context, writer string, at chain.State) error
	// Anchored is what was noted last.
	Anchored(ctx context.Context) (Anchors, error)
	// Lines yields the events of all teams as lines of their chains, from those
	// at since on, heads among them, with the number of the line where since is
	// zero. Nothing is checked: a [chain.Verifier] does that. The bytes are
	// yield's.
	Lines(ctx context.Context, since time.Time, yield func(n int, line []byte) bool) error
	// LinesAfter is Lines for who goes on behind an event, of which it was told
	// the place; places only grow, and none is less than the microseconds from
	// 1970 to when it was recorded.
	LinesAfter(ctx context.Context, after uint64, yield func(at uint64, line []byte) bool) error
	// Verify has v read all events, and compares where they end with where the
	// chains stand.
	Verify(ctx context.Context, v *chain.Verifier) error

	// PutSealed seals a named value under a DEK of its own; Sealed opens it
	// (ErrNotFound where there is none).
	PutSealed(ctx context.Context, name string, value []byte) error
	// EnsureSealed puts the value where there is none of that name, and returns
	// the one that there is then: of several who begin at once, the first's.
	EnsureSealed(ctx context.Context, name string, value []byte) ([]byte, error)
	Sealed(ctx context.Context, name string) ([]byte, error)

	// RotateKEK makes to, which uri names, the KEK: everything that is sealed
	// from then on is sealed with it, and every DEK is wrapped anew, while all
	// else goes on. progress, if not nil, is told how many DEKs are done and
	// how many there are, first once the rotation has begun. Where it is cut short, by an error, ctx or the end of
	// the process, the store opens with either KEK, and another call with the
	// same to goes on from there; once it returns nil the old KEK opens nothing
	// any more. ev is recorded when a rotation begins and when it is done.
	// ErrConflict where one to another KEK is on its way, or runs already; going
	// back to the KEK that it came from is allowed.
	RotateKEK(ctx context.Context, to KEK, uri string, ev auth.Event, progress func(done, total int)) error
	// KEKs says which KEK wraps what.
	KEKs(ctx context.Context) (KEKStatus, error)

	// Snapshot copies the whole store as it stands at one moment, while all else
	// goes on. The copy is sealed as the store is, by the KEK that KEKs names,
	// and OpenBolt opens it. ErrInvalid where the store is in memory.
	Snapshot(ctx context.Context) (*Snapshot, error)

	// Contact says since when it is not known whether State is what is stored:
	// zero where it is known, as it always is where nobody else can change what
	// is stored.
	Contact() time.Time

	// Close releases what the store holds. Afterwards every method answers
	// ErrUnavailable.
	Close() error
}

// DeclaredCredential is a credential that the configuration declares.
type DeclaredCredential struct {
	// Credential gives all but ID, TeamID, Version, CreatedAt, UpdatedAt and
	// Declarative, which the store fills.
	Credential auth.Credential
	// Secrets are its secret fields.
	Secrets auth.Fields
	// Keys are the names of API keys that it is linked to, declared or not.
	Keys []string
}

// DeclaredKey is an API key that the configuration declares.
type DeclaredKey struct {
	// Key gives all but ID, TeamID, CreatedAt, UpdatedAt and Declarative.
	Key auth.Key
	// Credentials are the names of credentials that it is linked to, declared
	// or not.
	Credentials []string
}

// Options that every driver takes.
type Options struct {
	// KEK wraps data encryption keys. It is required.
	KEK KEK
	// KEKURI is the URI that KEK was opened by, for KEKs and for the record of
	// a rotation.
	KEKURI string
	// OpenKEK opens the other KEK of a rotation that was cut short, by the URI
	// that it was begun with. Where it is nil, what that KEK wraps stays shut.
	OpenKEK func(ctx context.Context, uri string) (KEK, error)
	// Now defaults to time.Now. CreatedAt, UpdatedAt and the ids never go
	// backwards, whatever Now does.
	Now func() time.Time
	// Check, if set, is asked before a change of the state is committed, with
	// the state as it would be. Where it answers an error the change is refused
	// with ErrInvalid and nothing has changed: so nothing is stored that cannot
	// be decided by. It is asked too, right before OnChange, of a state that
	// another weighbridge committed, which stands whatever the answer: so the
	// state that OnChange is told of is always the one that was asked about last.
	// It must not keep the state's slices, nor call the store.
	Check func(auth.State) error
	// OnChange is called with the new state after every commit that changed
	// it, before the changing call returns, in order of revision, one call at
	// a time. It may read the store and must not change it.
	OnChange func(auth.State)
	// OnContact is told by a shared store that its database is out of reach, with
	// the reason, and, with nil, that it is in reach again. It must be quick.
	OnContact func(error)
	// OnOthers is told that what others changed in a shared store was taken over;
	// OnChange was told before, where that changed the state. It must be quick,
	// and must not call the store.
	OnOthers func()
	// LockTimeout is how long to wait for another process to let go of the
	// file; zero means DefaultLockTimeout.
	LockTimeout time.Duration
}

// DefaultLockTimeout is how long OpenBolt waits for the file's lock.
const DefaultLockTimeout = 2 * time.Second

// KEK is a key encryption key: a file, an environment variable, or a key
// service. It must be safe for concurrent use.
type KEK interface {
	// ID names the key without revealing it. The same key has the same id
	// wherever it comes from.
	ID() string
	// Wrap encrypts a DEK and binds it to aad.
	Wrap(ctx context.Context, dek, aad []byte) ([]byte, error)
	// Unwrap decrypts what Wrap made, given the same aad. The caller wipes the
	// result.
	Unwrap(ctx context.Context, wrapped, aad []byte) ([]byte, error)
}
