package portal

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// The ways in which a form says how a new user signs in.
const (
	generated  = "generated"
	typed      = "typed"
	noPassword = "none"
)

type usersData struct{ Users []admin.User }

// newUserData is what was typed for a new user but the password.
type newUserData struct {
	Email, Name, Team, Role, How string
	Teams                        []admin.Team
	Roles                        []auth.Role
	// OIDC is whether there is an OpenID provider.
	OIDC bool
}

// createdUser is shown in the answer that made the user, and nowhere else.
type createdUser struct {
	User     admin.User
	Password string
}

// userData is the page of one user; Email and Name are what was typed.
type userData struct {
	User        admin.User
	Email, Name string
	Self        bool
	// Seen is what the user held as the form was made.
	Seen string
}

// userPages are about users, for who runs weighbridge.
func (p *Portal) userPages() {
	p.page("GET", "/teams/users", func(v *visit) error {
		all, err := v.api.ListUsers(v.ctx())
		if err != nil {
			return err
		}
		return v.render("users.html", usersData{all})
	})
	p.page("GET", "/teams/users/new", func(v *visit) error {
		if err := v.may("create-user"); err != nil {
			return err
		}
		d, err := v.newUser(url.Values{"team": {v.me.Team.ID}, "role": {string(auth.RoleMember)}, "how": {generated}})
		if err != nil {
			return err
		}
		return v.render("new-user.html", d)
	})
	p.page("POST", "/teams/users/new", createUser)
	p.page("GET", "/teams/users/{id}", func(v *visit) error {
		u, err := v.api.GetUser(v.ctx(), v.r.PathValue("id"))
		if err != nil {
			return err
		}
		return v.render("user.html", v.userData(u))
	})
	p.act("/teams/users/{id}", func(v *visit, form url.Values) error {
		u, err := v.api.ETag(&v.state).GetUser(v.ctx(), v.r.PathValue("id"))
		if err != nil {
			return err
		}
		d := v.userData(u)
		form, clashes := v.userHolds(&u).since(form)
		d.Email, d.Name = form.Get("email"), form.Get("name")
		if err = v.clash(clashes); err == nil {
			_, err = v.api.IfMatch(v.state).UpdateUser(v.ctx(), u.ID, admin.UserPatch{Email: &d.Email, Name: &d.Name})
		}
		if err != nil {
			return v.refused(err, "user.html", d)
		}
		return v.redirect(v.at("teams", "users", u.ID), "user-updated")
	})
	p.endUserPages()
}

// endUserPages shut users out, let them in again and delete them.
func (p *Portal) endUserPages() {
	ask := func(operation, action, title string, happens ...string) func(*visit) (confirmation, error) {
		return func(v *visit) (confirmation, error) {
			u, err := v.api.GetUser(v.ctx(), v.r.PathValue("id"))
			c := confirmation{Title: v.say(title, u.Email), Action: v.say(action), Back: v.at("teams", "users", u.ID), Name: u.Email, Needs: operation}
			for _, key := range happens {
				c.Happens = append(c.Happens, v.say(key))
			}
			return c, err
		}
	}
	p.confirm("/teams/users/{id}/disable", ask("disable-user", "users.disable", "users.disable.title", "users.disable.now", "users.disable.keys", "users.disable.again"), func(v *visit, _ url.Values) error {
		u, err := v.api.DisableUser(v.ctx(), v.r.PathValue("id"))
		if err != nil {
			return err
		}
		return v.redirect(v.at("teams", "users", u.ID), "user-disabled")
	})
	p.page("POST", "/teams/users/{id}/enable", func(v *visit) error {
		u, err := v.api.EnableUser(v.ctx(), v.r.PathValue("id"))
		if err != nil {
			return err
		}
		return v.redirect(v.at("teams", "users", u.ID), "user-enabled")
	})
	p.confirm("/teams/users/{id}/delete", ask("delete-user", "users.delete", "users.delete.title", "users.delete.now", "users.delete.keys", "users.delete.record"), func(v *visit, _ url.Values) error {
		if err := v.api.DeleteUser(v.ctx(), v.r.PathValue("id")); err != nil {
			return err
		}
		return v.redirect(v.at("teams", "users"), "user-deleted")
	})
}

func (v *visit) userData(u admin.User) userData {
	return userData{User: u, Email: u.Email, Name: u.Name, Self: u.ID == v.me.User.ID, Seen: v.userHolds(&u).seen()}
}

// userHolds is what a user holds in the form that changes it.
func (v *visit) userHolds(u *admin.User) holding {
	return holding{{"email", v.say("users.email"), u.Email}, {"name", v.say("users.name"), u.Name}}
}

// newUser is the form with what was typed; no password is among it.
func (v *visit) newUser(form url.Values) (newUserData, error) {
	teams, err := v.api.ListTeams(v.ctx())
	return newUserData{
		Email: form.Get("email"), Name: form.Get("name"), Team: form.Get("team"), Role: form.Get("role"), How: form.Get("how"),
		Teams: teams, Roles: roles[:], OIDC: v.p.o.OIDC != nil && v.p.o.OIDC(),
	}, err
}

func createUser(v *visit) error {
	form, err := v.form()
	if err != nil {
		return err
	}
	in := admin.NewUser{Email: form.Get("email"), Name: form.Get("name"), Team: form.Get("team")}
	if in.Team != "" {
		in.Role = form.Get("role")
	}
	api := v.api.Once(form.Get("once"))
	switch form.Get("how") {
	case typed:
		if in.Password = form.Get("password"); in.Password == "" {
			err = v.problem(http.StatusUnprocessableEntity, "password_refused", "new-user.empty", "new-user.empty.next")
		}
	case noPassword:
	default:
		in.Password = newPassword() // another one each time that the form is sent
	}
	var u admin.User
	if err == nil {
		u, err = api.CreateUser(v.ctx(), in)
	}
	switch {
	case err != nil:
		d, failed := v.newUser(form)
		if failed != nil {
			return failed
		}
		if prob, ok := asProblem(err); ok && prob.Code == "idempotency_mismatch" && d.How == generated {
			err = v.problem(http.StatusConflict, "exists", "new-user.twice", "new-user.twice.next")
		}
		return v.refused(err, "new-user.html", d)
	case form.Get("how") == typed || in.Password == "":
		return v.redirect(v.at("teams", "users", u.ID), "user-created")
	}
	return v.renderStatus(http.StatusCreated, "new-user-created.html", createdUser{u, in.Password})
}

// newPassword is a password of 125 random bits, in groups that can be read out.
func newPassword() string {
	t := rand.Text() // base32 (RFC 4648, section 6), 5 bits a character
	return strings.Join([]string{t[:5], t[5:10], t[10:15], t[15:20], t[20:25]}, "-")
}
