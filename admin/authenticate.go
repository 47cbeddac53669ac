package admin

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

// teamHeader names the team that a request is about, by id.
const teamHeader = "X-Team-ID"

// Sessions says whose session a JWT stands for.
type Sessions interface {
	// Authenticate returns the session and its user, where it lives now, and
	// an *auth.Error otherwise.
	Authenticate(ctx context.Context, jwt string) (auth.User, auth.Session, error)
}

// localKey marks the context of what came over admin.sock.
type localKey struct{}

// admit stands before every operation: who calls, about which team, and may
// they. What it refuses is on record.
func (a *API) admit(hc huma.Context, next func(huma.Context)) {
	caller, err := a.admitted(hc)
	if err != nil {
		a.deny(hc, caller, err)
		return
	}
	if caller.Kind == KindToken && a.o.Seen != nil {
		a.o.Seen(caller.Token.ID, caller.Address, a.o.Now())
	}
	again := func() bool {
		now, err := a.admitted(hc)
		return err == nil && (now.Operator || !caller.Operator) // who runs weighbridge sees more
	}
	next(huma.WithValue(huma.WithValue(hc, callerKey{}, caller), againKey{}, again))
}

// admitted returns who calls, and why that caller may not.
func (a *API) admitted(hc huma.Context) (*Caller, error) {
	n := authorizations[hc.Operation().OperationID]
	caller, err := a.caller(hc, n)
	if err != nil {
		return caller, err
	}
	u := hc.URL()
	// As it was sent: another spelling of a route is not the route.
	if p := authorize(n, hc.Method(), u.EscapedPath(), caller); p != nil {
		return caller, p
	}
	return caller, nil
}

// caller finds out who calls and about which team. It returns what is known of
// the caller also with an error.
func (a *API) caller(hc huma.Context, n need) (*Caller, error) {
	c := &Caller{Address: peer(hc.RemoteAddr())}
	if n == needNobody {
		return c, nil
	}
	ctx := hc.Context()
	if local, _ := ctx.Value(localKey{}).(bool); local {
		c.Kind, c.Operator, c.Address = KindLocal, true, localAddress
		ref := hc.Header(teamHeader)
		if ref == "" {
			ref = a.o.TeamID
		}
		t, err := a.o.Store.Team(ctx, ref)
		c.Team = t
		return c, a.public(err)
	}
	if p := ofWorker(hc.Header); p != nil {
		return c, p
	}
	if a.o.Known != nil {
		if err := a.o.Known(); err != nil {
			return c, a.public(err)
		}
	}
	if err := a.identify(ctx, hc.Header("Authorization"), c); err != nil {
		return c, err
	}
	if role, err := a.role(ctx, a.o.TeamID, c.User.ID); err != nil {
		return c, a.public(err)
	} else if c.Kind == KindUser || c.Token.TeamID == a.o.TeamID {
		c.Operator = role.AtLeast(auth.RoleOwner)
	}
	return c, a.enter(ctx, c, n, hc.Header(teamHeader))
}

// identify finds whose the Authorization is.
func (a *API) identify(ctx context.Context, field string, c *Caller) error {
	secret := bearerOf(field)
	if secret == "" {
		return unauthenticated()
	}
	now := a.o.Now()
	if h, ok := auth.HashAccessToken(secret); ok {
		t, err := a.o.Store.TokenByHash(ctx, h)
		if errors.Is(err, store.ErrNotFound) {
			return badToken("the access token is not known; it may have been deleted")
		}
		if err != nil {
			return a.public(err)
		}
		u, err := a.o.Store.User(ctx, t.UserID)
		if err != nil {
			return a.public(err)
		}
		c.Token, c.User = t, u
		switch {
		case t.Expired(now):
			return badToken("the access token " + quoted(t.Name) + " has expired")
		case u.Disabled():
			return badToken("the user of the access token is disabled")
		}
		c.Kind = KindToken
		return nil
	}
	u, s, err := a.o.Sessions.Authenticate(ctx, secret)
	if err != nil {
		return a.public(err)
	}
	c.Kind, c.User, c.SessionID = KindUser, u, s.ID
	return nil
}

// bearerOf is what a field Authorization shows as a Bearer token (RFC 6750,
// section 2.1), "" where it shows none.
func bearerOf(field string) string {
	scheme, secret, _ := strings.Cut(field, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(secret)
}

// enter finds the team that the request is about. A team that the caller is
// not in is not found, like one that is not there.
func (a *API) enter(ctx context.Context, c *Caller, n need, header string) error {
	id := header
	switch {
	case c.Kind == KindToken:
		id = c.Token.TeamID // whatever was sent
	case id == "" && n.ofTeam():
		return problem(http.StatusBadRequest, "team_required", "the field "+teamHeader+" is missing, and you may be in several teams",
			"Send "+teamHeader+" with the id of the team; GET /api/v1/auth/me lists yours.")
	case id == "":
		return nil
	}
	t, err := a.o.Store.Team(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return a.public(err)
	}
	role, err := a.role(ctx, t.ID, c.User.ID)
	switch {
	case err != nil:
		return a.public(err)
	case role == "" && c.Kind == KindToken:
		return badToken("the user of the access token is no longer in its team")
	case role == "":
		return problem(http.StatusNotFound, "not_found", "there is no such team among yours", "GET /api/v1/auth/me lists your teams.")
	}
	c.Team, c.Role = t, role
	return nil
}

// role is the user's in a team, "" where it has none.
func (a *API) role(ctx context.Context, teamID, userID string) (auth.Role, error) {
	m, err := a.o.Store.Membership(ctx, teamID, userID)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return m.Role, err
}

func unauthenticated() *Problem {
	return problem(http.StatusUnauthorized, "unauthenticated", "the request does not say who calls",
		"Send Authorization: Bearer with an access token (wbt_…) or the JWT of a session; on the machine itself the CLI needs neither.")
}

func badToken(detail string) *Problem {
	return problem(http.StatusUnauthorized, "token_invalid", detail, "Make another one: `weighbridge token create`, or the page Access tokens.")
}

// ofWorker refuses a request that carries what belongs to a worker.
func ofWorker(header func(string) string) *Problem {
	for _, secret := range presented(header) {
		if p := ofDataPlane(secret); p != nil {
			return p
		}
	}
	return nil
}

// presented is all that a request may carry a worker's key in: what the data
// plane would take it from.
func presented(header func(string) string) []string {
	field := header("Authorization")
	scheme, value, _ := strings.Cut(field, " ")
	value = strings.TrimSpace(value)
	out := []string{value, header("X-Weighbridge-Key")}
	switch {
	case strings.EqualFold(scheme, "Basic"): // RFC 7617, section 2
		pair, _ := base64.StdEncoding.DecodeString(value)
		user, password, _ := strings.Cut(string(pair), ":")
		out = append(out, user, password)
	case strings.HasPrefix(scheme, "AWS4-"): // a request signed for the S3 protocol
		_, id, _ := strings.Cut(value, "Credential=")
		id, _, _ = strings.Cut(id, "/")
		out = append(out, id)
	}
	return out
}

// ofDataPlane refuses what belongs to a worker.
func ofDataPlane(secret string) *Problem {
	_, key := auth.HashAPIKey(secret)
	_, urlKey := auth.HashURLKey(secret)
	switch {
	case key, urlKey:
		return problem(http.StatusUnauthorized, "wrong_credential",
			"this is an API key of a worker, which opens the proxy and nothing of the API",
			"Send an access token (wbt_…) here. API keys (wbk_…) are for the proxy listener.")
	case auth.IsS3AccessKeyID(secret):
		return problem(http.StatusUnauthorized, "wrong_credential",
			"this is an S3 access key, which signs requests of the S3 protocol and opens nothing of the API",
			"Send an access token (wbt_…) here. S3 access keys are for the proxy listener.")
	default:
		return nil
	}
}

// peer is an address without its port.
func peer(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host
}
