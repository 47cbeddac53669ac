// Code generated from the document of the API by TestTheClientIsGenerated; DO NOT EDIT.

package admin

import (
	"net/url"
	"strings"
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
	v := url.Values{}
	if !q.Since.IsZero() {
		v.Set("since", q.Since.Format(time.RFC3339Nano))
	}
	if !q.Until.IsZero() {
		v.Set("until", q.Until.Format(time.RFC3339Nano))
	}
	if q.All {
		v.Set("all", "true")
	}
	return queryOf(v)
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
	v := url.Values{}
	if q.Code != "" {
		v.Set("code", q.Code)
	}
	if q.State != "" {
		v.Set("state", q.State)
	}
	if q.Iss != "" {
		v.Set("iss", q.Iss)
	}
	if q.Error != "" {
		v.Set("error", q.Error)
	}
	return queryOf(v)
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
	v := url.Values{}
	if !q.Since.IsZero() {
		v.Set("since", q.Since.Format(time.RFC3339Nano))
	}
	if !q.Until.IsZero() {
		v.Set("until", q.Until.Format(time.RFC3339Nano))
	}
	if q.Key != "" {
		v.Set("key", q.Key)
	}
	if q.Credential != "" {
		v.Set("credential", q.Credential)
	}
	if q.User != "" {
		v.Set("user", q.User)
	}
	if q.Actor != "" {
		v.Set("actor", q.Actor)
	}
	if len(q.Action) > 0 {
		v.Set("action", strings.Join(q.Action, ","))
	}
	if len(q.Outcome) > 0 {
		v.Set("outcome", strings.Join(q.Outcome, ","))
	}
	if len(q.Code) > 0 {
		v.Set("code", strings.Join(q.Code, ","))
	}
	if q.Host != "" {
		v.Set("host", q.Host)
	}
	return queryOf(v)
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
	v := url.Values{}
	if q.By != "" {
		v.Set("by", q.By)
	}
	if !q.Since.IsZero() {
		v.Set("since", q.Since.Format(time.RFC3339Nano))
	}
	if q.Key != "" {
		v.Set("key", q.Key)
	}
	if q.Credential != "" {
		v.Set("credential", q.Credential)
	}
	return queryOf(v)
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
	v := url.Values{}
	if q.Overlap != "" {
		v.Set("overlap", q.Overlap)
	}
	return queryOf(v)
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
	v := url.Values{}
	if q.Now {
		v.Set("now", "true")
	}
	return queryOf(v)
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
	v := url.Values{}
	if q.CheckRepo != "" {
		v.Set("check_repo", q.CheckRepo)
	}
	return queryOf(v)
}

// VerifyExportQuery is what VerifyExport may be asked with; what is zero is left out.
type VerifyExportQuery struct {
	// Name: What the file is called in the answer.
	Name string
}

func (q VerifyExportQuery) encode() string {
	v := url.Values{}
	if q.Name != "" {
		v.Set("name", q.Name)
	}
	return queryOf(v)
}
