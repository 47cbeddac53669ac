// Code generated from the document of the API by TestTheClientIsGenerated; DO NOT EDIT.

package admin

import (
	"context"
	"io"
	"net/http"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
)

// ExportEvents: The record of a team as lines that still verify: acts first, then use.
//
// Takes: the role viewer in the team, or more.
func (c *Client) ExportEvents(ctx context.Context, q ExportEventsQuery) (io.ReadCloser, error) {
	return c.Open(ctx, http.MethodGet, "/api/v1/audit/export"+q.encode(), nil)
}

// FinishOIDC: End a sign-in at the OpenID provider, which sends the browser here.
//
// Takes: no caller.
func (c *Client) FinishOIDC(ctx context.Context, q FinishOIDCQuery) (Grant, error) {
	var out Grant
	return out, c.Call(ctx, http.MethodGet, "/api/v1/auth/oidc/callback"+q.encode(), nil, &out)
}

// FollowEvents: The record as it grows: one JSON event a line.
//
// Takes: the role viewer in the team, or more.
func (c *Client) FollowEvents(ctx context.Context, q FollowEventsQuery) (io.ReadCloser, error) {
	return c.Open(ctx, http.MethodGet, "/api/v1/audit/follow"+q.encode(), nil)
}

// FollowTransfers: Downloads in progress, as they go on: server-sent events, one a second while something changes.
//
// Takes: the role viewer in the team, or more.
func (c *Client) FollowTransfers(ctx context.Context) (io.ReadCloser, error) {
	return c.Open(ctx, http.MethodGet, "/api/v1/transfers/events", nil)
}

// GetBundle: Public roots and our roots, PEM.
//
// Takes: any caller.
func (c *Client) GetBundle(ctx context.Context) (io.ReadCloser, error) {
	return c.Open(ctx, http.MethodGet, "/api/v1/ca/bundle", nil)
}

// GetCaller: Who calls, and what that caller may do.
//
// Takes: any caller.
func (c *Client) GetCaller(ctx context.Context) (Me, error) {
	var out Me
	return out, c.Call(ctx, http.MethodGet, "/api/v1/auth/me", nil, &out)
}

// GetComfyCloud: Show the team's key for Comfy Cloud.
//
// Takes: the role viewer in the team, or more.
func (c *Client) GetComfyCloud(ctx context.Context) (CloudProvider, error) {
	var out CloudProvider
	return out, c.Call(ctx, http.MethodGet, "/api/v1/cloud-providers/comfy-cloud", nil, &out)
}

// GetCredential: Show a credential.
//
// Takes: the role viewer in the team, or more.
func (c *Client) GetCredential(ctx context.Context, ref string) (Credential, error) {
	var out Credential
	return out, c.Call(ctx, http.MethodGet, "/api/v1/credentials/"+Segment(ref), nil, &out)
}

// GetKEK: Which key encryption key wraps what.
//
// Takes: who runs weighbridge: an owner of the default team, or admin.sock.
func (c *Client) GetKEK(ctx context.Context) (KEKStatus, error) {
	var out KEKStatus
	return out, c.Call(ctx, http.MethodGet, "/api/v1/kek", nil, &out)
}

// GetKey: Show an API key.
//
// Takes: the role viewer in the team, or more.
func (c *Client) GetKey(ctx context.Context, ref string) (Key, error) {
	var out Key
	return out, c.Call(ctx, http.MethodGet, "/api/v1/keys/"+Segment(ref), nil, &out)
}

// GetS3Key: Show an S3 access key.
//
// Takes: the role viewer in the team, or more.
func (c *Client) GetS3Key(ctx context.Context, ref string) (S3Key, error) {
	var out S3Key
	return out, c.Call(ctx, http.MethodGet, "/api/v1/s3-keys/"+Segment(ref), nil, &out)
}

// GetSystem: What is running here.
//
// Takes: any caller.
func (c *Client) GetSystem(ctx context.Context) (System, error) {
	var out System
	return out, c.Call(ctx, http.MethodGet, "/api/v1/system", nil, &out)
}

// GetTeam: Show a team.
//
// Takes: any caller.
func (c *Client) GetTeam(ctx context.Context, ref string) (Team, error) {
	var out Team
	return out, c.Call(ctx, http.MethodGet, "/api/v1/teams/"+Segment(ref), nil, &out)
}

// GetToken: Show an access token.
//
// Takes: the role viewer in the team, or more.
func (c *Client) GetToken(ctx context.Context, ref string) (Token, error) {
	var out Token
	return out, c.Call(ctx, http.MethodGet, "/api/v1/tokens/"+Segment(ref), nil, &out)
}

// GetUser: Show a user.
//
// Takes: who runs weighbridge: an owner of the default team, or admin.sock.
func (c *Client) GetUser(ctx context.Context, ref string) (User, error) {
	var out User
	return out, c.Call(ctx, http.MethodGet, "/api/v1/users/"+Segment(ref), nil, &out)
}

// ListCredentials: List the credentials.
//
// Takes: the role viewer in the team, or more.
func (c *Client) ListCredentials(ctx context.Context) ([]Credential, error) {
	return List[Credential](ctx, c, "/api/v1/credentials", "credentials")
}

// ListEvents: The record of administrative acts and of use.
//
// Takes: the role viewer in the team, or more.
func (c *Client) ListEvents(ctx context.Context, q ListEventsQuery) ([]auth.Event, error) {
	return List[auth.Event](ctx, c, "/api/v1/audit"+q.encode(), "events")
}

// ListEventsPage is one page of ListEvents, and where the next one begins, empty on the last one.
func (c *Client) ListEventsPage(ctx context.Context, q ListEventsQuery, page Page) ([]auth.Event, string, error) {
	return listPage[auth.Event](ctx, c, "/api/v1/audit"+q.encode(), "events", page)
}

// ListKeys: List the API keys.
//
// Takes: the role viewer in the team, or more.
func (c *Client) ListKeys(ctx context.Context) ([]Key, error) {
	return List[Key](ctx, c, "/api/v1/keys", "keys")
}

// ListMembers: List the members of the team.
//
// Takes: the role viewer in the team, or more.
func (c *Client) ListMembers(ctx context.Context) ([]Member, error) {
	return List[Member](ctx, c, "/api/v1/members", "members")
}

// ListProviders: The providers and their fields.
//
// Takes: any caller.
func (c *Client) ListProviders(ctx context.Context) (Providers, error) {
	var out Providers
	return out, c.Call(ctx, http.MethodGet, "/api/v1/providers", nil, &out)
}

// ListRoots: The interception roots.
//
// Takes: any caller.
func (c *Client) ListRoots(ctx context.Context) (Roots, error) {
	var out Roots
	return out, c.Call(ctx, http.MethodGet, "/api/v1/ca", nil, &out)
}

// ListS3Keys: List the S3 access keys.
//
// Takes: the role viewer in the team, or more.
func (c *Client) ListS3Keys(ctx context.Context) ([]S3Key, error) {
	return List[S3Key](ctx, c, "/api/v1/s3-keys", "s3_keys")
}

// ListSessions: List one's own sessions.
//
// Takes: a user in person.
func (c *Client) ListSessions(ctx context.Context) ([]Session, error) {
	return List[Session](ctx, c, "/api/v1/auth/sessions", "sessions")
}

// ListTeams: List the teams that the caller is in; all of them for who runs weighbridge.
//
// Takes: any caller.
func (c *Client) ListTeams(ctx context.Context) ([]Team, error) {
	return List[Team](ctx, c, "/api/v1/teams", "teams")
}

// ListTokens: List one's own access tokens in the team; all of them for its owners.
//
// Takes: the role viewer in the team, or more.
func (c *Client) ListTokens(ctx context.Context) ([]Token, error) {
	return List[Token](ctx, c, "/api/v1/tokens", "tokens")
}

// ListTransfers: Downloads in progress.
//
// Takes: the role viewer in the team, or more.
func (c *Client) ListTransfers(ctx context.Context) (Transfers, error) {
	var out Transfers
	return out, c.Call(ctx, http.MethodGet, "/api/v1/transfers", nil, &out)
}

// ListUsage: Requests, bytes and errors by credential, key, host, day and hour.
//
// Takes: the role viewer in the team, or more.
func (c *Client) ListUsage(ctx context.Context, q ListUsageQuery) ([]Usage, error) {
	return List[Usage](ctx, c, "/api/v1/usage"+q.encode(), "usage")
}

// ListUsagePage is one page of ListUsage, and where the next one begins, empty on the last one.
func (c *Client) ListUsagePage(ctx context.Context, q ListUsageQuery, page Page) ([]Usage, string, error) {
	return listPage[Usage](ctx, c, "/api/v1/usage"+q.encode(), "usage", page)
}

// ListUsers: List the users.
//
// Takes: who runs weighbridge: an owner of the default team, or admin.sock.
func (c *Client) ListUsers(ctx context.Context) ([]User, error) {
	return List[User](ctx, c, "/api/v1/users", "users")
}

// StartOIDC: Begin a sign-in at the OpenID provider: the browser is sent there.
//
// Takes: no caller.
func (c *Client) StartOIDC(ctx context.Context) error {
	return c.Call(ctx, http.MethodGet, "/api/v1/auth/oidc/start", nil, nil)
}

// VerifyEvents: Verify the chains of the record.
//
// Takes: who runs weighbridge: an owner of the default team, or admin.sock.
func (c *Client) VerifyEvents(ctx context.Context) (chain.Verdict, error) {
	var out chain.Verdict
	return out, c.Call(ctx, http.MethodGet, "/api/v1/audit/verify", nil, &out)
}
