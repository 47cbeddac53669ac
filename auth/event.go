package auth

import (
	"context"
	"time"
)

// The actions that go on record.
const (
	ActionCredentialCreate = "credential.create"
	ActionCredentialUpdate = "credential.update"
	ActionCredentialDelete = "credential.delete"
	ActionCredentialStatus = "credential.status"
	// ActionCredentialValidate is a validation that somebody asked for.
	ActionCredentialValidate = "credential.validate"
	ActionCredentialRotate   = "credential.rotate"
	ActionCredentialRevoke   = "credential.revoke"
	ActionKeyCreate          = "key.create"
	ActionKeyUpdate          = "key.update"
	ActionKeyRevoke          = "key.revoke"
	ActionKeyRegenerate      = "key.regenerate"
	ActionKeyDelete          = "key.delete"
	ActionLinkCreate         = "link.create"
	ActionLinkDelete         = "link.delete"
	ActionCARotate           = "ca.rotate"
	ActionConfigReload       = "config.reload"
	// ActionKEKRotate begins a rotation of the key encryption key, and
	// ActionKEKRotated ends it.
	ActionKEKRotate  = "kek.rotate"
	ActionKEKRotated = "kek.rotated"
	// ActionBackup is recorded before the copy is made, and so is in it.
	ActionBackup   = "backup"
	ActionUsed     = "used"
	ActionDenied   = "denied"
	ActionFinished = "finished"
	// ActionSummary stands for the bare companion requests of one minute.
	ActionSummary = "summary"
	// What is done about who may call the admin API.
	ActionTeamCreate   = "team.create"
	ActionTeamUpdate   = "team.update"
	ActionTeamDelete   = "team.delete"
	ActionUserCreate   = "user.create"
	ActionUserUpdate   = "user.update"
	ActionUserDisable  = "user.disable"
	ActionUserEnable   = "user.enable"
	ActionUserPassword = "user.password"
	ActionUserDelete   = "user.delete"
	ActionMemberPut    = "member.put"
	ActionMemberRemove = "member.remove"
	ActionTokenCreate  = "token.create"
	// ActionTokenRegenerate gave an access token another secret.
	ActionTokenRegenerate = "token.regenerate"
	ActionTokenDelete     = "token.delete"
	// ActionSessionCreate is a sign-in, ActionSessionDenied one that was
	// refused, ActionSessionEnd the end of a session before its time.
	ActionSessionCreate  = "session.create"
	ActionSessionRefresh = "session.refresh"
	ActionSessionDenied  = "session.denied"
	ActionSessionEnd     = "session.end"
	// ActionAuditExport hands out the record.
	ActionAuditExport = "audit.export"
	// ActionURLProbe is a request to an upstream that somebody asked for, to see
	// what a key would get. It is recorded before it is sent.
	ActionURLProbe = "url.probe"
	// ActionAuditMissing tells that a start found less of the record of use than
	// there had been.
	ActionAuditMissing = "audit.missing"
	// ActionAPIDenied is a request to the admin API that was refused.
	ActionAPIDenied = "api.denied"
	// ActionFollowerLost tells that a follower of the record did not get all of
	// it: Count events, or those of files that retention removed.
	ActionFollowerLost = "audit.follower_lost"
	// ActionAuditHead says where the chains of a writer stand, signed.
	ActionAuditHead = "audit.head"
)

// Event is one line of the audit record. It names credentials and keys by id
// and by the name they had at the time, never by value, and URLs without
// their query.
type Event struct {
	ID        string    `json:"id"`
	Time      time.Time `json:"time"`
	Action    string    `json:"action"`
	TeamID    string    `json:"team_id,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
	// Actor is who acted: "key:<name>", "cli", "config", "system".
	Actor string `json:"actor,omitempty"`
	// Address is the peer's address, without port.
	Address        string `json:"address,omitempty"`
	KeyID          string `json:"key_id,omitempty"`
	KeyName        string `json:"key_name,omitempty"`
	CredentialID   string `json:"credential_id,omitempty"`
	CredentialName string `json:"credential_name,omitempty"`
	// UserID and UserName are the user that it is about, by e-mail address, and
	// TokenID and TokenName the access token.
	UserID    string `json:"user_id,omitempty"`
	UserName  string `json:"user_name,omitempty"`
	TokenID   string `json:"token_id,omitempty"`
	TokenName string `json:"token_name,omitempty"`
	// Version is the credential's version that was used.
	Version uint64 `json:"version,omitempty"`
	// Rule is the pattern that decided.
	Rule string `json:"rule,omitempty"`
	// Mode is "forward", "reverse", or "s3" for the S3 front.
	Mode   string `json:"mode,omitempty"`
	Method string `json:"method,omitempty"`
	// Scheme is that of the URL that was asked for where it is not https.
	Scheme string `json:"scheme,omitempty"`
	// Host is host[:port]; Path is the escaped path. There is no query.
	Host string `json:"host,omitempty"`
	Path string `json:"path,omitempty"`
	// Outcome is what came of it in one word: see OutcomeOf.
	Outcome string `json:"outcome,omitempty"`
	Code    Code   `json:"code,omitempty"`
	Reason  string `json:"reason,omitempty"`
	// Status, Bytes and Duration belong to ActionFinished.
	Status   int           `json:"status,omitempty"`
	Bytes    int64         `json:"bytes,omitempty"`
	Duration time.Duration `json:"duration_ns,omitempty"`
	// Count belongs to ActionSummary, and to ActionDenied where it is one event
	// for many: how many requests it stands for.
	Count int64 `json:"count,omitempty"`
	// Writer, Seq and MAC tie the event to the one before it of the same team
	// and writer; the record fills them. See the package auth/chain.
	Writer string `json:"writer,omitempty"`
	Seq    uint64 `json:"seq,omitempty"`
	MAC    string `json:"mac,omitempty"`
}

// The outcomes of events.
const (
	// OutcomeOK: it was done.
	OutcomeOK = "ok"
	// OutcomeAllowed: the request was let through; what became of it is told by
	// its ActionFinished.
	OutcomeAllowed = "allowed"
	OutcomeDenied  = "denied"
	// OutcomeFailed: it was let through and did not end well: Code and Reason
	// say why, or Status what the upstream said.
	OutcomeFailed = "failed"
)

// OutcomeOf is the outcome that follows from what e says. An act is on record
// because it was done.
func OutcomeOf(e *Event) string {
	switch {
	case e.Action == ActionUsed:
		return OutcomeAllowed
	case e.Action == ActionDenied || e.Action == ActionSessionDenied || e.Action == ActionAPIDenied:
		return OutcomeDenied
	case e.Action == ActionFinished && (e.Status >= 400 || e.Code != "" || e.Status == 0):
		return OutcomeFailed
	default:
		return OutcomeOK
	}
}

// Place is what a request was for, as people read it: host and path, behind the
// scheme where that is not https.
func (e Event) Place() string {
	if e.Scheme == "" {
		return e.Host + e.Path
	}
	return e.Scheme + "://" + e.Host + e.Path
}

// Ticket stands for a recorded event on its way to durable storage.
type Ticket interface {
	// Wait returns nil once the event is durable, and an error once it is
	// known that it will not be, or when ctx ends first.
	Wait(ctx context.Context) error
}

// Settled is a Ticket of which the answer was known at once: what it refuses
// can be refused before anything is sent.
type Settled interface {
	Ticket
	// Settled is what Wait returns.
	Settled() error
}

// Hastened is a Ticket whose event may be made durable by whoever is about to
// wait for it, where that is sooner done than handed to another goroutine.
type Hastened interface {
	Ticket
	// Hasten does so where nothing can make it wait for long, and nothing
	// otherwise: what came of it says Wait.
	Hasten()
}
