// Code generated from the document of the API by TestTheClientIsGenerated; DO NOT EDIT.

package admin

import (
	"time"
)

// ChangePasswordRequest has no name of its own in the document.
type ChangePasswordRequest struct {
	Present string `json:"current_password"`
	Next    string `json:"new_password"`
	Device  string `json:"device_token,omitempty"`
}

// CreateFirstUserRequest has no name of its own in the document.
type CreateFirstUserRequest struct {
	Secret   string `json:"secret"`
	Email    string `json:"email"`
	Name     string `json:"name,omitempty"`
	Password string `json:"password"`
}

// ExportEventsQuery is what ExportEvents may be asked with; what is zero is left out.
type ExportEventsQuery struct {
	// Since: From the first event at or after this time.
	Since time.Time
	// Until: Up to the first event at or after this time.
	Until time.Time
	// All: Of all teams, and of none: for who runs weighbridge.
	All bool
}

func (q ExportEventsQuery) encode() string {
	var a asked
	a.time("since", q.Since)
	a.time("until", q.Until)
	a.flag("all", q.All)
	return a.encode()
}

// FinishOIDCQuery is what FinishOIDC may be asked with; what is zero is left out.
type FinishOIDCQuery struct {
	// Code:
	Code string
	// State:
	State string
	// Iss:
	Iss string
	// Error:
	Error string
}

func (q FinishOIDCQuery) encode() string {
	var a asked
	a.text("code", q.Code)
	a.text("state", q.State)
	a.text("iss", q.Iss)
	a.text("error", q.Error)
	return a.encode()
}

// FollowEventsQuery is what FollowEvents may be asked with; what is zero is left out.
type FollowEventsQuery struct {
	// Since: Only events at or after this time.
	Since time.Time
	// Until: Only events before this time.
	Until time.Time
	// Key: Only events of this API key or S3 access key, by id or name.
	Key string
	// Credential: Only events of this credential, by id or name.
	Credential string
	// User: Only events of this user, by id or e-mail address: what the user did, and what was done about the user.
	User string
	// Actor: Only what this actor did, as events name it: cli, user:ada@example.com, token:ci, key:worker.
	Actor string
	// Action: Only these actions, separated by commas; key.* is every action whose name begins with key.
	Action []string
	// Outcome: Only these outcomes, separated by commas.
	Outcome []string
	// Code: Only refusals and failures with these codes, separated by commas.
	Code []string
	// Host: Only requests to this host, with or without its port.
	Host string
}

func (q FollowEventsQuery) encode() string {
	var a asked
	a.time("since", q.Since)
	a.time("until", q.Until)
	a.text("key", q.Key)
	a.text("credential", q.Credential)
	a.text("user", q.User)
	a.text("actor", q.Actor)
	a.list("action", q.Action)
	a.list("outcome", q.Outcome)
	a.list("code", q.Code)
	a.text("host", q.Host)
	return a.encode()
}

// ListEventsQuery is what ListEvents may be asked with.
type ListEventsQuery = FollowEventsQuery

// ListUsageQuery is what ListUsage may be asked with; what is zero is left out.
type ListUsageQuery struct {
	// By: What to sum up by, also of each day or hour on its own; nothing gives every row there is. What came of a download counts when it ends. Hours are kept of today and the day before.
	By string
	// Since: From the day (UTC) of this time on, or from its hour where by ends in hour.
	Since time.Time
	// Key: Only what came of this API key or S3 access key, by id or name.
	Key string
	// Credential: Only what came of this credential, by id or name.
	Credential string
}

func (q ListUsageQuery) encode() string {
	var a asked
	a.text("by", q.By)
	a.time("since", q.Since)
	a.text("key", q.Key)
	a.text("credential", q.Credential)
	return a.encode()
}

// PutMemberRequest has no name of its own in the document.
type PutMemberRequest struct {
	Role string `json:"role"`
}

// RefreshSessionRequest has no name of its own in the document.
type RefreshSessionRequest struct {
	RefreshToken string `json:"refresh_token"`
}

// RegenerateKeyQuery is what RegenerateKey may be asked with; what is zero is left out.
type RegenerateKeyQuery struct {
	// Overlap: How long the old secret goes on, such as 1h; at most 168h. It ends at once where nothing is given.
	Overlap string
}

func (q RegenerateKeyQuery) encode() string {
	var a asked
	a.text("overlap", q.Overlap)
	return a.encode()
}

// ResetPasswordRequest has no name of its own in the document.
type ResetPasswordRequest struct {
	Password string `json:"password"`
}

// RevokeCredentialQuery is what RevokeCredential may be asked with; what is zero is left out.
type RevokeCredentialQuery struct {
	// Now: Also cut the transfers in progress.
	Now bool
}

func (q RevokeCredentialQuery) encode() string {
	var a asked
	a.flag("now", q.Now)
	return a.encode()
}

// RevokeKeyQuery is what RevokeKey may be asked with.
type RevokeKeyQuery = RevokeCredentialQuery

// RevokeS3KeyQuery is what RevokeS3Key may be asked with.
type RevokeS3KeyQuery = RevokeCredentialQuery

// UpdateTeamRequest has no name of its own in the document.
type UpdateTeamRequest struct {
	Name string `json:"name"`
}

// ValidateCredentialQuery is what ValidateCredential may be asked with; what is zero is left out.
type ValidateCredentialQuery struct {
	// CheckRepo: A repository of the Hub, such as org/model or datasets/org/name, that the credential should reach.
	CheckRepo string
}

func (q ValidateCredentialQuery) encode() string {
	var a asked
	a.text("check_repo", q.CheckRepo)
	return a.encode()
}

// VerifyExportQuery is what VerifyExport may be asked with; what is zero is left out.
type VerifyExportQuery struct {
	// Name: What the file is called in the answer.
	Name string
}

func (q VerifyExportQuery) encode() string {
	var a asked
	a.text("name", q.Name)
	return a.encode()
}
