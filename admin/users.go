package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

// User is a user as the API shows one.
type User struct {
	ID          string     `json:"id"`
	Email       string     `json:"email"`
	Name        string     `json:"name,omitempty"`
	Status      string     `json:"status" enum:"active,disabled"`
	HasPassword bool       `json:"has_password"`
	OIDC        bool       `json:"oidc" doc:"Whether the user is tied to a subject of the OpenID provider."`
	Teams       []MyTeam   `json:"teams" doc:"The teams, with the user's role in each."`
	CreatedAt   time.Time  `json:"created_at"`
	UpdatedAt   time.Time  `json:"updated_at"`
	DisabledAt  *time.Time `json:"disabled_at,omitempty"`
}

// tagged implements tagged.
func (u User) tagged() any { return u }

// NewUser is what creating a user takes.
type NewUser struct {
	Email    string `json:"email" minLength:"1" maxLength:"320"`
	Name     string `json:"name,omitempty" maxLength:"128"`
	Password string `json:"password,omitempty" maxLength:"1024" doc:"At least 12 characters. Without one the user signs in by OpenID Connect alone."`
	Team     string `json:"team,omitempty" doc:"A team to put the user into, by id or name; the default team where only a role is given."`
	Role     string `json:"role,omitempty" enum:"owner,member,viewer" doc:"The role in that team; member where only a team is given."`
}

// UserPatch is what changing a user takes; what is left out stays.
type UserPatch struct {
	Email *string `json:"email,omitempty" minLength:"1" maxLength:"320"`
	Name  *string `json:"name,omitempty" maxLength:"128"`
}

type userOutput struct{ Body User }

func (o *userOutput) body() tagged { return o.Body }

type usersOutput struct {
	Body struct {
		Users []User `json:"users"`
		Next
	}
}

func (a *API) users() {
	tags := []string{"users"}
	huma.Register(a.doc, huma.Operation{
		OperationID: "create-user", Method: http.MethodPost, Path: "/api/v1/users",
		Summary: "Create a user", Tags: tags, DefaultStatus: http.StatusCreated, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, in *struct{ Body NewUser }) (*userOutput, error) {
		return a.createUser(ctx, in.Body)
	})
	huma.Register(a.doc, huma.Operation{
		OperationID: "list-users", Method: http.MethodGet, Path: "/api/v1/users", Summary: "List the users", Tags: tags,
	}, func(ctx context.Context, in *PageInput) (*usersOutput, error) {
		rows, err := a.o.Store.Users(ctx)
		out := &usersOutput{}
		out.Body.Users, out.Body.Next, err = paged(ctx, a, *in, "users", rows, err, a.showUser, func(u User) []string { return byName(u.Email, u.ID) })
		return out, err
	})
	huma.Register(a.doc, onRef("get-user", http.MethodGet, "/api/v1/users/{ref}", "Show a user", "users"),
		func(ctx context.Context, in *RefInput) (*userOutput, error) {
			return a.user(ctx)(a.o.Store.User(ctx, in.Ref))
		})
	a.thing("/api/v1/users/{ref}", func(ctx context.Context, path func(string) string) (tagged, error) {
		return bodyOf(a.user(ctx)(a.o.Store.User(ctx, path("ref"))))
	})
	changes(a, onRef("update-user", http.MethodPatch, "/api/v1/users/{ref}", "Change a user", "users"),
		func(ctx context.Context, ref string, in UserPatch) (*userOutput, error) {
			return a.user(ctx)(a.o.Store.UpdateUser(ctx, ref, func(u *auth.User) error {
				if in.Email != nil {
					u.Email = *in.Email
				}
				if in.Name != nil {
					u.Name = *in.Name
				}
				return nil
			}, a.event(ctx, auth.ActionUserUpdate)))
		})
	a.endUsers()
}

// endUsers are the operations that shut users out, let them in again, and set
// their passwords.
func (a *API) endUsers() {
	set := func(id, verb, summary, action string, at func() time.Time) {
		huma.Register(a.doc, onRef(id, http.MethodPost, "/api/v1/users/{ref}/"+verb, summary, "users"),
			func(ctx context.Context, in *RefInput) (*userOutput, error) {
				return a.user(ctx)(a.o.Store.UpdateUser(ctx, in.Ref, func(u *auth.User) error {
					if u.Disabled() == at().IsZero() {
						u.DisabledAt = at()
					}
					return nil
				}, a.event(ctx, action)))
			})
	}
	set("disable-user", "disable", "Shut a user out: no sign-in, no session and no access token of theirs counts", auth.ActionUserDisable, a.o.Now)
	set("enable-user", "enable", "Let a user in again", auth.ActionUserEnable, func() time.Time { return time.Time{} })
	changes(a, onRef("reset-password", http.MethodPost, "/api/v1/users/{ref}/password", "Set a user's password; every session of theirs ends", "users"),
		func(ctx context.Context, ref string, in struct {
			Password string `json:"password" maxLength:"1024" doc:"At least 12 characters."`
		}) (*userOutput, error) {
			u, err := a.o.SignIn.SetPassword(ctx, ref, auth.NewSecret(in.Password), a.event(ctx, auth.ActionUserPassword))
			return a.user(ctx)(u, err)
		})
	huma.Register(a.doc, onRef("delete-user", http.MethodDelete, "/api/v1/users/{ref}", "Delete a user with all memberships, access tokens and sessions", "users"),
		func(ctx context.Context, in *RefInput) (*struct{}, error) {
			return nil, a.public(a.o.Store.DeleteUser(ctx, in.Ref, a.event(ctx, auth.ActionUserDelete)))
		})
}

func (a *API) createUser(ctx context.Context, in NewUser) (*userOutput, error) {
	u := auth.User{Email: in.Email, Name: in.Name}
	if in.Password != "" {
		if c := callerOf(ctx); c.Kind == KindToken {
			p := forbidden("no access token sets a password", "Create the user without one, or sign in.")
			a.recordDenial(ctx, http.MethodPost, "/api/v1/users", c, p)
			return nil, p
		}
		email, err := auth.CanonicalEmail(in.Email)
		if err != nil {
			return nil, invalid("body.email", err.Error(), "")
		}
		if u.Password, err = a.o.SignIn.Hash(ctx, email, auth.NewSecret(in.Password)); err != nil {
			return nil, a.public(err)
		}
	}
	var places []store.Place
	if in.Team != "" || in.Role != "" {
		p := store.Place{Team: in.Team, Role: auth.Role(in.Role)}
		if p.Team == "" {
			p.Team = a.o.TeamID
		}
		if p.Role == "" {
			p.Role = auth.RoleMember
		}
		places = append(places, p)
	}
	return a.user(ctx)(a.o.Store.CreateUser(ctx, u, places, a.event(ctx, auth.ActionUserCreate)))
}

// user answers with what the store returned.
func (a *API) user(ctx context.Context) func(auth.User, error) (*userOutput, error) {
	return func(u auth.User, err error) (*userOutput, error) {
		if err != nil {
			return nil, a.public(err)
		}
		shown, err := a.showUser(ctx, &u)
		if err != nil {
			return nil, a.public(err)
		}
		return &userOutput{shown}, nil
	}
}

func (a *API) showUser(ctx context.Context, u *auth.User) (User, error) {
	out := User{ID: u.ID, Email: u.Email, Name: u.Name, Status: "active", HasPassword: !u.Password.IsZero(), OIDC: u.Subject != "",
		CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt}
	if u.Disabled() {
		out.Status, out.DisabledAt = "disabled", &u.DisabledAt
	}
	var err error
	out.Teams, err = a.teamsOf(ctx, &Caller{Kind: KindUser, User: *u})
	return out, err
}
