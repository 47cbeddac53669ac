// Code generated from the document of the API by TestTheClientIsGenerated; DO NOT EDIT.

package admin

import (
	"context"
	"io"
	"net/http"

	"github.com/weighbridge/weighbridge/auth/chain"
)

// Backup: A backup of the store, still sealed, as it stands now, and of the record of use.
//
// Takes: who runs weighbridge: an owner of the default team, or admin.sock.
func (c *Client) Backup(ctx context.Context, in BackupOptions) (io.ReadCloser, error) {
	return c.Open(ctx, http.MethodPost, "/api/v1/backup", in)
}

// ChangePassword: Change one's own password; every session ends, and a new one begins.
//
// Takes: a user in person.
func (c *Client) ChangePassword(ctx context.Context, in ChangePasswordRequest) (Grant, error) {
	var out Grant
	return out, c.Call(ctx, http.MethodPost, "/api/v1/auth/password", in, &out)
}

// CreateCredential: Create a credential.
//
// Takes: the role member in the team, or more.
func (c *Client) CreateCredential(ctx context.Context, in NewCredential) (Credential, error) {
	var out Credential
	return out, c.Call(ctx, http.MethodPost, "/api/v1/credentials", in, &out)
}

// CreateFirstUser: Make the first user, an owner of the default team, by the secret of the first-run link.
//
// Takes: no caller.
func (c *Client) CreateFirstUser(ctx context.Context, in CreateFirstUserRequest) (Grant, error) {
	var out Grant
	return out, c.Call(ctx, http.MethodPost, "/api/v1/auth/first-user", in, &out)
}

// CreateKey: Create an API key; the answer shows it once.
//
// Takes: the role member in the team, or more.
func (c *Client) CreateKey(ctx context.Context, in NewKey) (Key, error) {
	var out Key
	return out, c.Call(ctx, http.MethodPost, "/api/v1/keys", in, &out)
}

// CreateS3Key: Create an S3 access key; the answer shows its secret once.
//
// Takes: the role member in the team, or more.
func (c *Client) CreateS3Key(ctx context.Context, in NewS3Key) (S3Key, error) {
	var out S3Key
	return out, c.Call(ctx, http.MethodPost, "/api/v1/s3-keys", in, &out)
}

// CreateTeam: Create a team.
//
// Takes: who runs weighbridge: an owner of the default team, or admin.sock.
func (c *Client) CreateTeam(ctx context.Context, in NewTeam) (Team, error) {
	var out Team
	return out, c.Call(ctx, http.MethodPost, "/api/v1/teams", in, &out)
}

// CreateToken: Create an access token for this API; the answer shows it once.
//
// Takes: the role viewer in the team, or more; no access token.
func (c *Client) CreateToken(ctx context.Context, in NewToken) (Token, error) {
	var out Token
	return out, c.Call(ctx, http.MethodPost, "/api/v1/tokens", in, &out)
}

// CreateUser: Create a user.
//
// Takes: who runs weighbridge: an owner of the default team, or admin.sock.
func (c *Client) CreateUser(ctx context.Context, in NewUser) (User, error) {
	var out User
	return out, c.Call(ctx, http.MethodPost, "/api/v1/users", in, &out)
}

// DeleteComfyCloud: Delete the team's key for Comfy Cloud.
//
// Takes: the role member in the team, or more.
func (c *Client) DeleteComfyCloud(ctx context.Context) error {
	return c.Call(ctx, http.MethodDelete, "/api/v1/cloud-providers/comfy-cloud", nil, nil)
}

// DeleteCredential: Delete a credential and destroy its sealed fields.
//
// Takes: the role member in the team, or more.
func (c *Client) DeleteCredential(ctx context.Context, ref string) error {
	return c.Call(ctx, http.MethodDelete, "/api/v1/credentials/"+Segment(ref), nil, nil)
}

// DeleteKey: Delete an API key and its links.
//
// Takes: the role member in the team, or more.
func (c *Client) DeleteKey(ctx context.Context, ref string) error {
	return c.Call(ctx, http.MethodDelete, "/api/v1/keys/"+Segment(ref), nil, nil)
}

// DeleteS3Key: Delete an S3 access key and its links.
//
// Takes: the role member in the team, or more.
func (c *Client) DeleteS3Key(ctx context.Context, ref string) error {
	return c.Call(ctx, http.MethodDelete, "/api/v1/s3-keys/"+Segment(ref), nil, nil)
}

// DeleteTeam: Delete a team that has no credentials, keys and access tokens.
//
// Takes: who runs weighbridge: an owner of the default team, or admin.sock.
func (c *Client) DeleteTeam(ctx context.Context, ref string) error {
	return c.Call(ctx, http.MethodDelete, "/api/v1/teams/"+Segment(ref), nil, nil)
}

// DeleteToken: Delete an access token: the next call with it is refused.
//
// Takes: the role viewer in the team, or more.
func (c *Client) DeleteToken(ctx context.Context, ref string) error {
	return c.Call(ctx, http.MethodDelete, "/api/v1/tokens/"+Segment(ref), nil, nil)
}

// DeleteUser: Delete a user with all memberships, access tokens and sessions.
//
// Takes: who runs weighbridge: an owner of the default team, or admin.sock.
func (c *Client) DeleteUser(ctx context.Context, ref string) error {
	return c.Call(ctx, http.MethodDelete, "/api/v1/users/"+Segment(ref), nil, nil)
}

// DisableUser: Shut a user out: no sign-in, no session and no access token of theirs counts.
//
// Takes: who runs weighbridge: an owner of the default team, or admin.sock.
func (c *Client) DisableUser(ctx context.Context, ref string) (User, error) {
	var out User
	return out, c.Call(ctx, http.MethodPost, "/api/v1/users/"+Segment(ref)+"/disable", nil, &out)
}

// EnableUser: Let a user in again.
//
// Takes: who runs weighbridge: an owner of the default team, or admin.sock.
func (c *Client) EnableUser(ctx context.Context, ref string) (User, error) {
	var out User
	return out, c.Call(ctx, http.MethodPost, "/api/v1/users/"+Segment(ref)+"/enable", nil, &out)
}

// EndSession: End one of one's own sessions.
//
// Takes: a user in person.
func (c *Client) EndSession(ctx context.Context, ref string) error {
	return c.Call(ctx, http.MethodDelete, "/api/v1/auth/sessions/"+Segment(ref), nil, nil)
}

// Explain: Which credential a URL would get, and why.
//
// Takes: the role viewer in the team, or more.
func (c *Client) Explain(ctx context.Context, in ExplainRequest) (Explained, error) {
	var out Explained
	return out, c.Call(ctx, http.MethodPost, "/api/v1/explain", in, &out)
}

// Link: Let an API key use a credential.
//
// Takes: the role member in the team, or more.
func (c *Client) Link(ctx context.Context, credential string, key string) (LinkResult, error) {
	var out LinkResult
	return out, c.Call(ctx, http.MethodPut, "/api/v1/links/"+Segment(credential)+"/"+Segment(key), nil, &out)
}

// PreviewCredential: Tell what fields and patterns say, without keeping them or asking anybody.
//
// Takes: the role member in the team, or more.
func (c *Client) PreviewCredential(ctx context.Context, in CredentialDraft) (CredentialPreview, error) {
	var out CredentialPreview
	return out, c.Call(ctx, http.MethodPost, "/api/v1/credentials/preview", in, &out)
}

// Probe: What a URL gets right now: its first byte is asked for, as with an API key.
//
// Takes: the role member in the team, or more.
func (c *Client) Probe(ctx context.Context, in ProbeRequest) (Probed, error) {
	var out Probed
	return out, c.Call(ctx, http.MethodPost, "/api/v1/explain/probe", in, &out)
}

// PutMember: Put a user into the team, or give a member another role.
//
// Takes: the role owner in the team.
func (c *Client) PutMember(ctx context.Context, ref string, in PutMemberRequest) (Member, error) {
	var out Member
	return out, c.Call(ctx, http.MethodPut, "/api/v1/members/"+Segment(ref), in, &out)
}

// RefreshSession: Get the next JWT and refresh token of a session.
//
// Takes: no caller.
func (c *Client) RefreshSession(ctx context.Context, in RefreshSessionRequest) (Grant, error) {
	var out Grant
	return out, c.Call(ctx, http.MethodPost, "/api/v1/auth/refresh", in, &out)
}

// RegenerateKey: Make a new secret for an API key and end the old one in a single step.
//
// Takes: the role member in the team, or more.
func (c *Client) RegenerateKey(ctx context.Context, ref string, q RegenerateKeyQuery) (Key, error) {
	var out Key
	return out, c.Call(ctx, http.MethodPost, "/api/v1/keys/"+Segment(ref)+"/regenerate"+q.encode(), nil, &out)
}

// RegenerateS3Key: Make a new secret for an S3 access key and end the old one in a single step.
//
// Takes: the role member in the team, or more.
func (c *Client) RegenerateS3Key(ctx context.Context, ref string) (S3Key, error) {
	var out S3Key
	return out, c.Call(ctx, http.MethodPost, "/api/v1/s3-keys/"+Segment(ref)+"/regenerate", nil, &out)
}

// RegenerateToken: Make a new secret for one's own access token and end the old one in a single step.
//
// Takes: the role viewer in the team, or more; no access token.
func (c *Client) RegenerateToken(ctx context.Context, ref string) (Token, error) {
	var out Token
	return out, c.Call(ctx, http.MethodPost, "/api/v1/tokens/"+Segment(ref)+"/regenerate", nil, &out)
}

// RemoveMember: Take a user out of the team; the access tokens that the user has in it end.
//
// Takes: the role owner in the team.
func (c *Client) RemoveMember(ctx context.Context, ref string) error {
	return c.Call(ctx, http.MethodDelete, "/api/v1/members/"+Segment(ref), nil, nil)
}

// ResetPassword: Set a user's password; every session of theirs ends.
//
// Takes: admin.sock.
func (c *Client) ResetPassword(ctx context.Context, ref string, in ResetPasswordRequest) (User, error) {
	var out User
	return out, c.Call(ctx, http.MethodPost, "/api/v1/users/"+Segment(ref)+"/password", in, &out)
}

// RevokeCredential: Revoke a credential, for good, and destroy its sealed fields.
//
// Takes: the role member in the team, or more.
func (c *Client) RevokeCredential(ctx context.Context, ref string, q RevokeCredentialQuery) (Credential, error) {
	var out Credential
	return out, c.Call(ctx, http.MethodPost, "/api/v1/credentials/"+Segment(ref)+"/revoke"+q.encode(), nil, &out)
}

// RevokeKey: Revoke an API key, for good.
//
// Takes: the role member in the team, or more.
func (c *Client) RevokeKey(ctx context.Context, ref string, q RevokeKeyQuery) (Key, error) {
	var out Key
	return out, c.Call(ctx, http.MethodPost, "/api/v1/keys/"+Segment(ref)+"/revoke"+q.encode(), nil, &out)
}

// RevokeS3Key: Revoke an S3 access key, for good.
//
// Takes: the role member in the team, or more.
func (c *Client) RevokeS3Key(ctx context.Context, ref string, q RevokeS3KeyQuery) (S3Key, error) {
	var out S3Key
	return out, c.Call(ctx, http.MethodPost, "/api/v1/s3-keys/"+Segment(ref)+"/revoke"+q.encode(), nil, &out)
}

// RotateCredential: Replace a credential's fields: validated first, swapped in one step, the old ones destroyed.
//
// Takes: the role member in the team, or more.
func (c *Client) RotateCredential(ctx context.Context, ref string, in Rotation) (Credential, error) {
	var out Credential
	return out, c.Call(ctx, http.MethodPost, "/api/v1/credentials/"+Segment(ref)+"/rotate", in, &out)
}

// RotateKEK: Begin to wrap every data key by another key encryption key.
//
// Takes: who runs weighbridge: an owner of the default team, or admin.sock.
func (c *Client) RotateKEK(ctx context.Context, in KEKRotate) (KEKStatus, error) {
	var out KEKStatus
	return out, c.Call(ctx, http.MethodPost, "/api/v1/kek/rotate", in, &out)
}

// RotateRoot: Make a new signing root; old and new are published together.
//
// Takes: who runs weighbridge: an owner of the default team, or admin.sock.
func (c *Client) RotateRoot(ctx context.Context) (Roots, error) {
	var out Roots
	return out, c.Call(ctx, http.MethodPost, "/api/v1/ca/rotate", nil, &out)
}

// SetComfyCloud: Set the team's key for Comfy Cloud.
//
// Takes: the role member in the team, or more.
func (c *Client) SetComfyCloud(ctx context.Context, in NewCloudProvider) (CloudProvider, error) {
	var out CloudProvider
	return out, c.Call(ctx, http.MethodPut, "/api/v1/cloud-providers/comfy-cloud", in, &out)
}

// SignIn: Sign in with e-mail address and password.
//
// Takes: no caller.
func (c *Client) SignIn(ctx context.Context, in SignIn) (Grant, error) {
	var out Grant
	return out, c.Call(ctx, http.MethodPost, "/api/v1/auth/sign-in", in, &out)
}

// SignOut: End the session that asks.
//
// Takes: a user in person.
func (c *Client) SignOut(ctx context.Context) error {
	return c.Call(ctx, http.MethodPost, "/api/v1/auth/sign-out", nil, nil)
}

// Unlink: Stop an API key from using a credential.
//
// Takes: the role member in the team, or more.
func (c *Client) Unlink(ctx context.Context, credential string, key string) (LinkResult, error) {
	var out LinkResult
	return out, c.Call(ctx, http.MethodDelete, "/api/v1/links/"+Segment(credential)+"/"+Segment(key), nil, &out)
}

// UpdateCredential: Change a credential.
//
// Takes: the role member in the team, or more.
func (c *Client) UpdateCredential(ctx context.Context, ref string, in CredentialPatch) (Credential, error) {
	var out Credential
	return out, c.Call(ctx, http.MethodPatch, "/api/v1/credentials/"+Segment(ref), in, &out)
}

// UpdateKey: Change an API key.
//
// Takes: the role member in the team, or more.
func (c *Client) UpdateKey(ctx context.Context, ref string, in KeyPatch) (Key, error) {
	var out Key
	return out, c.Call(ctx, http.MethodPatch, "/api/v1/keys/"+Segment(ref), in, &out)
}

// UpdateS3Key: Change an S3 access key.
//
// Takes: the role member in the team, or more.
func (c *Client) UpdateS3Key(ctx context.Context, ref string, in S3KeyPatch) (S3Key, error) {
	var out S3Key
	return out, c.Call(ctx, http.MethodPatch, "/api/v1/s3-keys/"+Segment(ref), in, &out)
}

// UpdateTeam: Rename a team.
//
// Takes: who runs weighbridge: an owner of the default team, or admin.sock.
func (c *Client) UpdateTeam(ctx context.Context, ref string, in UpdateTeamRequest) (Team, error) {
	var out Team
	return out, c.Call(ctx, http.MethodPatch, "/api/v1/teams/"+Segment(ref), in, &out)
}

// UpdateUser: Change a user.
//
// Takes: who runs weighbridge: an owner of the default team, or admin.sock; no access token.
func (c *Client) UpdateUser(ctx context.Context, ref string, in UserPatch) (User, error) {
	var out User
	return out, c.Call(ctx, http.MethodPatch, "/api/v1/users/"+Segment(ref), in, &out)
}

// ValidateCredential: Ask the upstream whether a credential works.
//
// Takes: the role member in the team, or more.
func (c *Client) ValidateCredential(ctx context.Context, ref string, q ValidateCredentialQuery) (Validation, error) {
	var out Validation
	return out, c.Call(ctx, http.MethodPost, "/api/v1/credentials/"+Segment(ref)+"/validate"+q.encode(), nil, &out)
}

// VerifyExport: Verify an exported record: the body, one JSON event a line.
//
// Takes: the role viewer in the team, or more.
func (c *Client) VerifyExport(ctx context.Context, in io.Reader, q VerifyExportQuery) (chain.Verdict, error) {
	var out chain.Verdict
	return out, c.Call(ctx, http.MethodPost, "/api/v1/audit/verify"+q.encode(), in, &out)
}
