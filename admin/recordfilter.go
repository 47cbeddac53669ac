package admin

import (
	"context"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// RecordFilter picks events of the record; what is left out picks all.
type RecordFilter struct {
	Since      time.Time `query:"since" doc:"Only events at or after this time."`
	Until      time.Time `query:"until" doc:"Only events before this time."`
	Key        string    `query:"key" doc:"Only events of this API key or S3 access key, by id or name."`
	Credential string    `query:"credential" doc:"Only events of this credential, by id or name."`
	User       string    `query:"user" doc:"Only events of this user, by id or e-mail address: what the user did, and what was done about the user."`
	Actor      string    `query:"actor" doc:"Only what this actor did, as events name it: cli, user:ada@example.com, token:ci, key:worker."`
	Action     []string  `query:"action" doc:"Only these actions, separated by commas; key.* is every action whose name begins with key."`
	Outcome    []string  `query:"outcome" enum:"ok,allowed,denied,failed" doc:"Only these outcomes, separated by commas."`
	Code       []string  `query:"code" doc:"Only refusals and failures with these codes, separated by commas."`
	Host       string    `query:"host" doc:"Only requests to this host, with or without its port."`

	// The ids are of what is called so now, so that events from before it was
	// renamed are found too.
	keyID, credentialID, userID string
}

// resolve finds what Key, Credential and User name now, where they name
// something: the record also knows what was deleted since.
func (a *API) resolve(ctx context.Context, in *RecordFilter) {
	if k, err := a.o.Store.Key(ctx, team(ctx), in.Key); err == nil {
		in.keyID = k.ID
	}
	if c, err := a.o.Store.Credential(ctx, team(ctx), in.Credential); err == nil {
		in.credentialID = c.ID
	}
	if in.User != "" {
		if u, err := a.o.Store.User(ctx, in.User); err == nil {
			in.userID = u.ID
		}
	}
}

func (in *RecordFilter) wants(e *auth.Event) bool {
	outcome := e.Outcome
	if outcome == "" {
		outcome = auth.OutcomeOf(e)
	}
	return (in.Until.IsZero() || e.Time.Before(in.Until)) &&
		names(in.Key, in.keyID, e.KeyID, e.KeyName) &&
		names(in.Credential, in.credentialID, e.CredentialID, e.CredentialName) &&
		names(in.User, in.userID, e.UserID, e.UserName) &&
		(in.Actor == "" || in.Actor == e.Actor) &&
		(len(in.Action) == 0 || slices.ContainsFunc(in.Action, func(want string) bool { return isAction(want, e.Action) })) &&
		(len(in.Outcome) == 0 || slices.Contains(in.Outcome, outcome)) &&
		(len(in.Code) == 0 || slices.Contains(in.Code, string(e.Code))) &&
		(in.Host == "" || isHost(in.Host, e.Host))
}

// names reports whether ref, or the id that it stands for now, names the thing
// of an event; every thing, where nothing was asked for.
func names(ref, now, id, name string) bool {
	return ref == "" || ref == id || ref == name || now != "" && now == id
}

// isAction reports whether want, an action or a family of them such as key.*,
// is the action.
func isAction(want, action string) bool {
	family, all := strings.CutSuffix(want, "*")
	return want == action || all && strings.HasSuffix(family, ".") && strings.HasPrefix(action, family)
}

// isHost reports whether want names an event's host[:port].
func isHost(want, host string) bool {
	name, _, err := net.SplitHostPort(host)
	return strings.EqualFold(want, host) || err == nil && strings.EqualFold(want, name)
}
