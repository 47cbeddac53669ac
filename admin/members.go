package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

// Member is a user in the team that the request is about.
type Member struct {
	User  Ref       `json:"user" doc:"By e-mail address."`
	Name  string    `json:"name,omitempty"`
	Role  string    `json:"role" enum:"owner,member,viewer"`
	Since time.Time `json:"since"`
	// Disabled users are members that may do nothing.
	Disabled bool `json:"disabled,omitempty"`
}

// tagged implements tagged.
func (m Member) tagged() any { return m }

type memberOutput struct{ Body Member }

type membersOutput struct {
	Body struct {
		Members []Member `json:"members"`
		Next
	}
}

func (a *API) members() {
	huma.Register(a.doc, huma.Operation{
		OperationID: "list-members", Method: http.MethodGet, Path: "/api/v1/members",
		Summary: "List the members of the team", Tags: []string{"members"},
	}, func(ctx context.Context, in *PageInput) (*membersOutput, error) {
		rows, err := a.o.Store.Members(ctx, team(ctx))
		out := &membersOutput{}
		out.Body.Members, out.Body.Next, err = paged(ctx, a, *in, "members", rows, err, a.showMember, func(m Member) []string { return byName(m.User.Name, m.User.ID) })
		return out, err
	})
	a.thing("/api/v1/members/{ref}", func(ctx context.Context, path func(string) string) (tagged, error) {
		var shown Member
		u, err := a.o.Store.User(ctx, path("ref"))
		if err == nil {
			var m auth.Membership
			if m, err = a.o.Store.Membership(ctx, team(ctx), u.ID); err == nil {
				shown, err = a.showMember(ctx, &m)
			}
		}
		return shown, a.public(err)
	})
	huma.Register(a.doc, onRef("put-member", http.MethodPut, "/api/v1/members/{ref}", "Put a user into the team, or give a member another role", "members"),
		func(ctx context.Context, in *struct {
			RefInput
			Body struct {
				Role string `json:"role" enum:"owner,member,viewer"`
			}
		}) (*memberOutput, error) {
			m, err := a.o.Store.PutMember(ctx, team(ctx), in.Ref, auth.Role(in.Body.Role), a.event(ctx, auth.ActionMemberPut))
			if errors.Is(err, store.ErrNotFound) {
				return nil, problem(http.StatusNotFound, "not_found", err.Error(), "Whoever runs weighbridge makes users, on the page Users or by `weighbridge user create EMAIL`. Then put the user into the team.")
			}
			if err != nil {
				return nil, a.public(err)
			}
			shown, err := a.showMember(ctx, &m)
			if err != nil {
				return nil, a.public(err)
			}
			return &memberOutput{shown}, nil
		})
	huma.Register(a.doc, onRef("remove-member", http.MethodDelete, "/api/v1/members/{ref}", "Take a user out of the team; the access tokens that the user has in it end", "members"),
		func(ctx context.Context, in *RefInput) (*struct{}, error) {
			return nil, a.public(a.o.Store.RemoveMember(ctx, team(ctx), in.Ref, a.event(ctx, auth.ActionMemberRemove)))
		})
}

func (a *API) showMember(ctx context.Context, m *auth.Membership) (Member, error) {
	u, err := a.o.Store.User(ctx, m.UserID)
	return Member{User: Ref{u.ID, u.Email}, Name: u.Name, Role: string(m.Role), Since: m.CreatedAt, Disabled: u.Disabled()}, err
}
