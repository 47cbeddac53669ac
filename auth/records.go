package auth

import (
	"net/netip"
	"time"
)

// Team is a tenant: it owns credentials, keys, links and audit.
type Team struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
}

// DefaultTeam is the name of the team that the first start makes.
const DefaultTeam = "default"

// Status is where a credential stands. Only StatusValid is ever used.
type Status string

// The statuses of a credential. The zero value is none of them and unusable.
const (
	StatusPending Status = "pending"
	StatusValid   Status = "valid"
	StatusInvalid Status = "invalid"
	StatusExpired Status = "expired"
	StatusRevoked Status = "revoked"
)

// Credential is an upstream secret's record, without the secret: its fields
// are sealed by the store and opened one by one, only to sign.
type Credential struct {
	ID       string `json:"id"`
	TeamID   string `json:"team_id"`
	Name     string `json:"name"`
	Provider string `json:"provider"`
	// Version grows by one with every change of the fields. Sealed fields are
	// bound to it.
	Version uint64 `json:"version"`
	Status  Status `json:"status"`
	// Reason says in words why Status is what it is.
	Reason string `json:"reason,omitempty"`
	// Patterns are canonical, as the operator gave them (or the provider's
	// defaults), before the provider expands them.
	Patterns []string `json:"patterns"`
	// Params are the fields that are not secret (headerName, region, …).
	Params map[string]string `json:"params,omitempty"`
	// Previews holds, per secret field, what may be shown of it; an empty
	// string for fields of which nothing may be shown.
	Previews  map[string]string `json:"previews,omitempty"`
	CreatedAt time.Time         `json:"created_at"`
	UpdatedAt time.Time         `json:"updated_at"`
	// ExpiresAt is when the secret ends; zero means never or unknown.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// Declarative credentials come from the configuration and are read-only.
	Declarative bool `json:"declarative,omitempty"`
	// Reading is what its provider could tell of its fields when they came in.
	Reading Reading `json:"reading,omitzero"`
	// Report is that of the last validation; nil where there was none yet.
	Report *Report `json:"report,omitempty"`
	// AnsweredAt is when an upstream last took the secret; zero where none has.
	AnsweredAt time.Time `json:"answered_at,omitzero"`
}

// Usable reports whether c may be used at now.
func (c *Credential) Usable(now time.Time) bool {
	return c.Status == StatusValid && (c.ExpiresAt.IsZero() || now.Before(c.ExpiresAt))
}

// Scope is what an API key may do. The zero value counts as ScopeRead.
type Scope string

// The scopes of an API key.
const (
	ScopeRead  Scope = "read"
	ScopeWrite Scope = "write"
)

// UnmatchedPolicy is what happens to a URL that no linked credential matches.
// The zero value leaves it to the next wider setting.
type UnmatchedPolicy string

// The policies for unmatched URLs.
const (
	UnmatchedInherit UnmatchedPolicy = ""
	UnmatchedPass    UnmatchedPolicy = "pass"
	UnmatchedDeny    UnmatchedPolicy = "deny"
)

// XetPolicy says whether the Hub's answers may lead a worker to xet, its
// chunked transfer protocol. It only ever hides what the Hub offers: clients
// then take the classic path, one signed URL for each file. The zero value
// leaves it to the credential.
type XetPolicy string

// The policies for xet.
const (
	XetInherit XetPolicy = ""
	XetPass    XetPolicy = "pass"
	XetHide    XetPolicy = "hide"
)

// Key is an API key's record. The key itself is shown once and never stored.
type Key struct {
	ID     string `json:"id"`
	TeamID string `json:"team_id"`
	Name   string `json:"name"`
	Scope  Scope  `json:"scope"`
	// Preview is the head of the key, enough to recognise it.
	Preview string `json:"preview"`
	// Hash is zero where S3 is set, and only there.
	Hash KeyHash `json:"hash"`
	// URLKeyHash is the hash of the key's URL key; zero where it has none.
	URLKeyHash KeyHash `json:"url_key_hash,omitzero"`
	// Previous is the secret before this one, where it goes on for a while.
	Previous *PreviousSecret `json:"previous,omitempty"`
	// S3 makes it an S3 access key, which is presented by signing and in no
	// other way.
	S3 *S3Access `json:"s3,omitempty"`
	// Routes are canonical URL patterns; empty means no restriction.
	Routes []string `json:"routes,omitempty"`
	// Limits bound what the key may take.
	Limits Limits `json:"limits,omitzero"`
	// Sources are the networks that it may be used from; empty means anywhere.
	Sources []netip.Prefix `json:"sources,omitempty"`
	// Unmatched can only make the listener's policy stricter.
	Unmatched UnmatchedPolicy `json:"unmatched,omitempty"`
	// Xet can only make the credential's policy stricter.
	Xet       XetPolicy `json:"xet,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// ExpiresAt zero means never.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// RevokedAt not zero means revoked, for good.
	RevokedAt   time.Time `json:"revoked_at,omitzero"`
	Declarative bool      `json:"declarative,omitempty"`
}

// PreviousSecret is what an API key was before it was regenerated, until it
// ends.
type PreviousSecret struct {
	Hash       KeyHash   `json:"hash"`
	URLKeyHash KeyHash   `json:"url_key_hash,omitzero"`
	Until      time.Time `json:"until"`
}

// Status says where k stands at now: "active", "expired" or "revoked".
func (k *Key) Status(now time.Time) string {
	switch {
	case !k.RevokedAt.IsZero():
		return "revoked"
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return "expired"
	default:
		return "active"
	}
}

// Link lets a key use a credential.
type Link struct {
	CredentialID string    `json:"credential_id"`
	KeyID        string    `json:"key_id"`
	CreatedAt    time.Time `json:"created_at"`
}

// State is everything that deciding needs, at one revision of the store.
type State struct {
	Revision    uint64
	Teams       []Team
	Credentials []Credential
	Keys        []Key
	Links       []Link
}
