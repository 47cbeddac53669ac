package admin

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/admin/session"
	"github.com/weighbridge/weighbridge/auth"
)

// SignIn is what signing in with a password takes.
type SignIn struct {
	Email    string `json:"email" minLength:"1" maxLength:"320"`
	Password string `json:"password" maxLength:"1024"`
	Device   string `json:"device_token,omitempty" maxLength:"4096" doc:"What an earlier sign-in on this device gave: others' failures do not hold this one up then."`
}

// Grant is what signing in gives. It is shown in this answer alone.
type Grant struct {
	AccessToken string    `json:"access_token" doc:"A JWT for Authorization: Bearer."`
	TokenType   string    `json:"token_type" enum:"Bearer"`
	ExpiresAt   time.Time `json:"expires_at" doc:"When the JWT ends, unless its session ends before."`
	// RefreshToken gets the next Grant, once.
	RefreshToken     string    `json:"refresh_token" doc:"Good once, for POST /api/v1/auth/refresh. Shown twice it ends the session."`
	RefreshExpiresAt time.Time `json:"refresh_expires_at"`
	DeviceToken      string    `json:"device_token,omitempty" doc:"Keep it and send it with the next sign-in. It opens nothing."`
	SessionID        string    `json:"session_id"`
	User             Ref       `json:"user" doc:"Who signed in, by e-mail address."`
}

// Session is a session as its user sees it.
type Session struct {
	ID          string    `json:"id"`
	Current     bool      `json:"current" doc:"Whether it is the one that asks."`
	Address     string    `json:"address,omitempty" doc:"Where the user signed in from."`
	Agent       string    `json:"agent,omitempty" doc:"What the program said it is."`
	CreatedAt   time.Time `json:"created_at"`
	RefreshedAt time.Time `json:"refreshed_at"`
	ExpiresAt   time.Time `json:"expires_at"`
}

// AgentInput is how the caller calls itself. Its name is exported because huma
// passes over what is not, and so over what is in it.
type AgentInput struct {
	Agent string `header:"User-Agent" hidden:"true"`
}

type grantOutput struct{ Body Grant }

type sessionsOutput struct {
	Body struct {
		Sessions []Session `json:"sessions"`
		Next
	}
}

func (a *API) signIn() {
	tags := []string{"auth"}
	refusals := []int{http.StatusUnauthorized, http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusServiceUnavailable}
	huma.Register(a.doc, huma.Operation{
		OperationID: "sign-in", Method: http.MethodPost, Path: "/api/v1/auth/sign-in",
		Summary: "Sign in with e-mail address and password", Tags: tags, Errors: refusals,
	}, func(ctx context.Context, in *struct {
		AgentInput
		Body SignIn
	}) (*grantOutput, error) {
		from := a.from(ctx, in.Agent, in.Body.Device)
		return a.granted(a.o.SignIn.SignIn(ctx, in.Body.Email, auth.NewSecret(in.Body.Password), from))
	})
	huma.Register(a.doc, huma.Operation{
		OperationID: "refresh-session", Method: http.MethodPost, Path: "/api/v1/auth/refresh",
		Summary: "Get the next JWT and refresh token of a session", Tags: tags, Errors: append(refusals, http.StatusConflict),
	}, func(ctx context.Context, in *struct {
		AgentInput
		Body struct {
			RefreshToken string `json:"refresh_token" minLength:"1" maxLength:"256"`
		}
	}) (*grantOutput, error) {
		return a.granted(a.o.SignIn.Refresh(ctx, auth.NewSecret(in.Body.RefreshToken), a.from(ctx, in.Agent, "")))
	})
	huma.Register(a.doc, huma.Operation{
		OperationID: "create-first-user", Method: http.MethodPost, Path: "/api/v1/auth/first-user",
		Summary: "Make the first user, an owner of the default team, by the secret of the first-run link", Tags: tags,
		DefaultStatus: http.StatusCreated, Errors: refusals,
	}, func(ctx context.Context, in *struct {
		AgentInput
		Body struct {
			Secret   string `json:"secret" minLength:"1" maxLength:"256" doc:"What follows # in the link that serve printed."`
			Email    string `json:"email" minLength:"1" maxLength:"320"`
			Name     string `json:"name,omitempty" maxLength:"128"`
			Password string `json:"password" maxLength:"1024"`
		}
	}) (*grantOutput, error) {
		return a.granted(a.o.SignIn.FirstUser(ctx, auth.NewSecret(in.Body.Secret), auth.User{Email: in.Body.Email, Name: in.Body.Name},
			auth.NewSecret(in.Body.Password), a.o.TeamID, a.from(ctx, in.Agent, "")))
	})
	huma.Register(a.doc, huma.Operation{
		OperationID: "change-password", Method: http.MethodPost, Path: "/api/v1/auth/password",
		Summary: "Change one's own password; every session ends, and a new one begins", Tags: tags, Errors: refusals,
	}, func(ctx context.Context, in *struct {
		AgentInput
		Body struct {
			Present string `json:"current_password" maxLength:"1024"`
			Next    string `json:"new_password" maxLength:"1024" doc:"At least 12 characters."`
			Device  string `json:"device_token,omitempty" maxLength:"4096"`
		}
	}) (*grantOutput, error) {
		return a.granted(a.o.SignIn.ChangePassword(ctx, callerOf(ctx).User.ID, auth.NewSecret(in.Body.Present), auth.NewSecret(in.Body.Next), a.from(ctx, in.Agent, in.Body.Device)))
	})
	a.ownSessions(tags)
}

// ownSessions are the operations on the caller's sessions.
func (a *API) ownSessions(tags []string) {
	huma.Register(a.doc, huma.Operation{
		OperationID: "sign-out", Method: http.MethodPost, Path: "/api/v1/auth/sign-out",
		Summary: "End the session that asks", Tags: tags, DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, _ *struct{}) (*struct{}, error) {
		return nil, a.public(a.o.SignIn.End(ctx, callerOf(ctx).SessionID, a.event(ctx, auth.ActionSessionEnd)))
	})
	huma.Register(a.doc, huma.Operation{
		OperationID: "list-sessions", Method: http.MethodGet, Path: "/api/v1/auth/sessions",
		Summary: "List one's own sessions", Tags: tags,
	}, func(ctx context.Context, in *PageInput) (*sessionsOutput, error) {
		c := callerOf(ctx)
		rows, err := a.o.Store.Sessions(ctx, c.User.ID)
		rows = slices.DeleteFunc(rows, func(s auth.Session) bool { return !s.Live(&c.User, a.o.Now()) })
		out := &sessionsOutput{}
		out.Body.Sessions, out.Body.Next, err = paged(ctx, a, *in, "sessions", rows, err, func(_ context.Context, s *auth.Session) (Session, error) {
			return Session{ID: s.ID, Current: s.ID == c.SessionID, Address: s.Address, Agent: s.Agent,
				CreatedAt: s.CreatedAt, RefreshedAt: s.RefreshedAt, ExpiresAt: s.ExpiresAt}, nil
		}, func(s Session) []string { return []string{sortable(s.CreatedAt.UnixMicro(), true), s.ID} })
		return out, err
	})
	huma.Register(a.doc, onRef("end-session", http.MethodDelete, "/api/v1/auth/sessions/{ref}", "End one of one's own sessions", "auth"),
		func(ctx context.Context, in *RefInput) (*struct{}, error) {
			s, err := a.o.Store.Session(ctx, in.Ref)
			if err != nil || s.UserID != callerOf(ctx).User.ID {
				return nil, problem(http.StatusNotFound, "not_found", "there is no such session among yours", "GET /api/v1/auth/sessions lists them.")
			}
			return nil, a.public(a.o.SignIn.End(ctx, s.ID, a.event(ctx, auth.ActionSessionEnd)))
		})
}

// from is where a caller that has to show who it is comes from.
func (a *API) from(ctx context.Context, agent, device string) session.From {
	addr, _ := netip.ParseAddr(callerOf(ctx).Address) // invalid on the socket
	return session.From{Address: addr, Agent: agent, Device: auth.NewSecret(device)}
}

// granted answers with a grant, or says why there is none.
func (a *API) granted(g session.Grant, err error) (*grantOutput, error) {
	if err != nil {
		return nil, a.notGranted(err)
	}
	return &grantOutput{Grant{
		AccessToken: g.Access.Reveal(), TokenType: "Bearer", ExpiresAt: g.AccessExpires, RefreshToken: g.Refresh.Reveal(), RefreshExpiresAt: g.Session.ExpiresAt,
		DeviceToken: g.Device.Reveal(), SessionID: g.Session.ID, User: Ref{g.User.ID, g.User.Email},
	}}, nil
}

// notGranted is public, with the header that the status asks for: Retry-After
// (RFC 9110, section 10.2.3) or WWW-Authenticate (section 11.6.1).
func (a *API) notGranted(err error) error {
	face := a.public(err)
	header := http.Header{}
	if w, ok := errors.AsType[*session.Wait](err); ok {
		header.Set("Retry-After", strconv.Itoa(int(w.For/time.Second)))
	}
	if p, ok := errors.AsType[*Problem](face); ok && p.Status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", challenge)
	}
	return huma.ErrorWithHeaders(face, header)
}
