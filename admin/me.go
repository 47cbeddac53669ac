package admin

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
)

// Me is who calls and what that caller may do.
type Me struct {
	Kind string `json:"kind" enum:"local,user,token" doc:"How the caller showed who it is: over admin.sock, by a session, by an access token."`
	User *Ref   `json:"user,omitempty" doc:"Who signed in, or whose token it is, by e-mail address."`
	// Token is set for an access token.
	Token *MyToken `json:"token,omitempty"`
	Team  *Ref     `json:"team,omitempty" doc:"The team that the request is about."`
	Role  string   `json:"role,omitempty" enum:"owner,member,viewer" doc:"The role in that team."`
	Teams []MyTeam `json:"teams" doc:"Every team that the caller may name in X-Team-ID."`
	// Operator is whether it may do what is about the whole.
	Operator   bool     `json:"operator" doc:"Whether it runs weighbridge: keys of the store, roots, backups, teams and users."`
	Operations []string `json:"operations" doc:"The ids of the operations that it may call now, about that team."`
}

// MyToken is the access token that was shown.
type MyToken struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Scope     string    `json:"scope" enum:"read,write"`
	Route     string    `json:"route,omitempty"`
	ExpiresAt time.Time `json:"expires_at"`
}

// MyTeam is a team with the caller's role in it.
type MyTeam struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Role string `json:"role" enum:"owner,member,viewer"`
}

func (a *API) me() {
	huma.Register(a.doc, huma.Operation{
		OperationID: "get-caller", Method: http.MethodGet, Path: "/api/v1/auth/me",
		Summary: "Who calls, and what that caller may do", Tags: []string{"auth"}, Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, _ *struct{}) (*struct{ Body Me }, error) {
		c := callerOf(ctx)
		out := Me{Kind: string(c.Kind), Role: string(c.Role), Teams: []MyTeam{}, Operator: c.Operator, Operations: a.operations(c)}
		if c.Kind == KindLocal {
			out.Role = string(auth.RoleOwner)
		}
		if c.User.ID != "" {
			out.User = &Ref{c.User.ID, c.User.Email}
		}
		if c.Kind == KindToken {
			out.Token = &MyToken{ID: c.Token.ID, Name: c.Token.Name, Scope: string(c.Token.Scope), Route: c.Token.Route, ExpiresAt: c.Token.ExpiresAt}
		}
		if c.Team.ID != "" {
			out.Team = &Ref{c.Team.ID, c.Team.Name}
		}
		teams, err := a.teamsOf(ctx, c)
		if err != nil {
			return nil, a.public(err)
		}
		out.Teams = teams
		return &struct{ Body Me }{out}, nil
	})
}

// teamsOf are the teams that c may name, by name.
func (a *API) teamsOf(ctx context.Context, c *Caller) ([]MyTeam, error) {
	out := []MyTeam{}
	add := func(t auth.Team, role auth.Role) { out = append(out, MyTeam{t.ID, t.Name, string(role)}) }
	switch c.Kind {
	case KindLocal:
		st, err := a.o.Store.State(ctx)
		if err != nil {
			return nil, err
		}
		for _, t := range st.Teams {
			add(t, auth.RoleOwner)
		}
	case KindToken:
		add(c.Team, c.Role)
	default:
		in, err := a.o.Store.MembershipsOf(ctx, c.User.ID)
		if err != nil {
			return nil, err
		}
		for _, m := range in {
			t, err := a.o.Store.Team(ctx, m.TeamID)
			if err != nil {
				return nil, err
			}
			add(t, m.Role)
		}
	}
	slices.SortFunc(out, func(a, b MyTeam) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// byMethod are the operations of a path.
func byMethod(item *huma.PathItem) map[string]*huma.Operation {
	all := map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put,
		http.MethodPatch: item.Patch, http.MethodDelete: item.Delete,
	}
	maps.DeleteFunc(all, func(_ string, op *huma.Operation) bool { return op == nil })
	return all
}

// operations are the ids of what c may call, of all that is served.
func (a *API) operations(c *Caller) []string {
	out := []string{}
	for path, item := range a.doc.OpenAPI().Paths {
		for method, op := range byMethod(item) {
			n := authorizations[op.OperationID]
			if n.ofTeam() && c.Team.ID == "" {
				continue
			}
			if authorize(n, method, path, c) == nil {
				out = append(out, op.OperationID)
			}
		}
	}
	slices.Sort(out)
	return out
}
