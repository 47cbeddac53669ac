package admin

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

// Team is a team as the API shows one.
type Team struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Default   bool      `json:"default" doc:"Whether it is the team whose owners run weighbridge."`
	Members   int       `json:"members" doc:"How many users are in it."`
	CreatedAt time.Time `json:"created_at"`
}

// tagged implements tagged. How many are in it is a reading.
func (t Team) tagged() any { t.Members = 0; return t }

// NewTeam is what creating a team takes.
type NewTeam struct {
	Name  string `json:"name" minLength:"1" maxLength:"128"`
	Owner string `json:"owner,omitempty" doc:"Its first owner, by id or e-mail address; whoever asks where none is given."`
}

type teamOutput struct{ Body Team }

type teamsOutput struct {
	Body struct {
		Teams []Team `json:"teams"`
		Next
	}
}

func (a *API) teams() {
	tags := []string{"teams"}
	huma.Register(a.doc, huma.Operation{
		OperationID: "create-team", Method: http.MethodPost, Path: "/api/v1/teams",
		Summary: "Create a team", Tags: tags, DefaultStatus: http.StatusCreated, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, in *struct{ Body NewTeam }) (*teamOutput, error) {
		c := callerOf(ctx)
		owner := in.Body.Owner
		if owner == "" {
			owner = c.User.ID
		}
		var members []store.Member
		if owner != "" {
			members = []store.Member{{User: owner, Role: auth.RoleOwner}}
		}
		return a.team(ctx)(a.o.Store.CreateTeam(ctx, in.Body.Name, members, a.event(ctx, auth.ActionTeamCreate)))
	})
	huma.Register(a.doc, huma.Operation{
		OperationID: "list-teams", Method: http.MethodGet, Path: "/api/v1/teams",
		Summary: "List the teams that the caller is in; all of them for who runs weighbridge", Tags: tags,
	}, func(ctx context.Context, in *PageInput) (*teamsOutput, error) {
		rows, err := a.visibleTeams(ctx)
		out := &teamsOutput{}
		out.Body.Teams, out.Body.Next, err = paged(ctx, a, *in, "teams", rows, err, a.showTeam, func(t Team) []string { return byName(t.Name, t.ID) })
		return out, err
	})
	huma.Register(a.doc, onRef("get-team", http.MethodGet, "/api/v1/teams/{ref}", "Show a team", "teams"),
		func(ctx context.Context, in *RefInput) (*teamOutput, error) { return a.visibleTeam(ctx, in.Ref) })
	a.thing("/api/v1/teams/{ref}", func(ctx context.Context, path func(string) string) (tagged, error) {
		return bodyOf(a.visibleTeam(ctx, path("ref")))
	})
	changes(a, onRef("update-team", http.MethodPatch, "/api/v1/teams/{ref}", "Rename a team", "teams"),
		func(ctx context.Context, ref string, in struct {
			Name string `json:"name" minLength:"1" maxLength:"128"`
		}) (*teamOutput, error) {
			return a.team(ctx)(a.o.Store.UpdateTeam(ctx, ref, func(t *auth.Team) error { t.Name = in.Name; return nil }, a.event(ctx, auth.ActionTeamUpdate)))
		})
	huma.Register(a.doc, onRef("delete-team", http.MethodDelete, "/api/v1/teams/{ref}", "Delete a team that has no credentials, keys and access tokens", "teams"),
		func(ctx context.Context, in *RefInput) (*struct{}, error) {
			return nil, a.public(a.o.Store.DeleteTeam(ctx, in.Ref, a.event(ctx, auth.ActionTeamDelete)))
		})
}

func (o *teamOutput) body() tagged { return o.Body }

// visibleTeam shows one that the caller may know of.
func (a *API) visibleTeam(ctx context.Context, ref string) (*teamOutput, error) {
	rows, err := a.visibleTeams(ctx)
	if err != nil {
		return nil, a.public(err)
	}
	i := slices.IndexFunc(rows, func(t auth.Team) bool { return t.ID == ref || t.Name == ref })
	if i < 0 {
		return nil, problem(http.StatusNotFound, "not_found", "there is no such team among yours", "GET /api/v1/teams lists your teams.")
	}
	return a.team(ctx)(rows[i], nil)
}

// visibleTeams are those that the caller may know of.
func (a *API) visibleTeams(ctx context.Context) ([]auth.Team, error) {
	c := callerOf(ctx)
	all, err := a.o.Store.Teams(ctx)
	if err != nil || c.Operator {
		return all, err
	}
	mine, err := a.teamsOf(ctx, c)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(t auth.Team) bool {
		return !slices.ContainsFunc(mine, func(m MyTeam) bool { return m.ID == t.ID })
	}), nil
}

// team answers with what the store returned.
func (a *API) team(ctx context.Context) func(auth.Team, error) (*teamOutput, error) {
	return func(t auth.Team, err error) (*teamOutput, error) {
		if err != nil {
			return nil, a.public(err)
		}
		shown, err := a.showTeam(ctx, &t)
		if err != nil {
			return nil, a.public(err)
		}
		return &teamOutput{shown}, nil
	}
}

func (a *API) showTeam(ctx context.Context, t *auth.Team) (Team, error) {
	in, err := a.o.Store.Members(ctx, t.ID)
	return Team{ID: t.ID, Name: t.Name, Default: t.ID == a.o.TeamID, Members: len(in), CreatedAt: t.CreatedAt}, err
}
