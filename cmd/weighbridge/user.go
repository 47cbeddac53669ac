package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
)

func (a *app) userCommand() *cobra.Command {
	c := &cobra.Command{Use: "user", Aliases: []string{"users"}, Short: "Users: who may sign in to the administration", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	users := a.users()
	c.AddCommand(a.userCreate(), a.userList(), named(users.show(), "show ID|EMAIL", "Show a user"), a.userUpdate(),
		named(users.act("disable", "Shut a user out: no sign-in, session or access token of theirs counts", "Shut out user %q? Every session and access token of theirs ends to count at once.", (*admin.Client).DisableUser, nil), "disable ID|EMAIL", ""),
		named(users.act("enable", "Let a user in again", "Let user %q in again?", (*admin.Client).EnableUser, nil), "enable ID|EMAIL", ""),
		a.userPassword(), named(users.remove("all memberships, access tokens and sessions", ""), "delete ID|EMAIL", "Delete a user with all memberships, access tokens and sessions"))
	return c
}

// named changes how a command calls what it takes.
func named(c *cobra.Command, use, short string) *cobra.Command {
	if c.Use = use; short != "" {
		c.Short = short
	}
	return c
}

func (a *app) users() resource[admin.User] {
	return resource[admin.User]{
		a: a, all: (*admin.Client).ListUsers, get: (*admin.Client).GetUser, delete: (*admin.Client).DeleteUser, member: "users", article: "a", noun: "user", complete: a.completeUsers, text: a.userText,
	}
}

// password reads one from where source says; it is never taken literally.
func (a *app) password(what, source string) (string, error) {
	v, literal, err := a.value(what, source)
	if err == nil && literal {
		return "", usage("--password: use --password @FILE, --password env:VAR or --password -, because a literal one would show in `ps`")
	}
	return v, err
}

const passwordUsage = "where the password comes from: - (asked without echo, or standard input), @FILE or env:VAR"

func (a *app) userCreate() *cobra.Command {
	var in admin.NewUser
	var source string
	c := &cobra.Command{
		Use: "create EMAIL", Short: "Create a user; the password is asked for", Args: cobra.ExactArgs(1),
		Example: "  weighbridge user create ada@example.com --role owner\n  weighbridge user create bob@example.com --into research --role member --password @bob.txt\n  weighbridge user create eve@example.com --password none",
		RunE: func(c *cobra.Command, args []string) error {
			in.Email = args[0]
			if source != "none" {
				var err error
				if in.Password, err = a.password("password of "+args[0], source); err != nil {
					return err
				}
			}
			return a.users().shown(a.client().CreateUser(c.Context(), in))
		},
	}
	c.Flags().StringVar(&in.Name, "name", "", "what people call the user")
	c.Flags().StringVar(&in.Team, "into", "", "team to put the user into, by name or id (the default one where only --role is given)")
	c.Flags().StringVar(&in.Role, "role", "", "owner, member or viewer in that team")
	c.Flags().StringVar(&source, "password", "-", passwordUsage+"; none for a user who comes by OpenID Connect")
	return c
}

func (a *app) userList() *cobra.Command {
	return a.users().list("There are no users yet: weighbridge user create EMAIL --role owner", []string{"E-MAIL", "NAME", "STATUS", "TEAMS", "ID"}, func(u *admin.User) []string {
		return []string{u.Email, u.Name, u.Status, teamsOf(u), u.ID}
	})
}

func (a *app) userUpdate() *cobra.Command {
	var email, name string
	c := a.users().one(&cobra.Command{Use: "update ID|EMAIL", Short: "Change a user's e-mail address or name"}, nil)
	c.RunE = func(c *cobra.Command, args []string) error {
		var in admin.UserPatch
		if c.Flags().Changed("email") {
			in.Email = &email
		}
		if c.Flags().Changed("name") {
			in.Name = &name
		}
		if in == (admin.UserPatch{}) {
			return usage("nothing to change: give --email or --name")
		}
		return a.users().shown(a.client().UpdateUser(c.Context(), args[0], in))
	}
	c.Flags().StringVar(&email, "email", "", "new e-mail address")
	c.Flags().StringVar(&name, "name", "", "what people call the user")
	return c
}

func (a *app) userPassword() *cobra.Command {
	var source string
	c := &cobra.Command{Use: "reset-password ID|EMAIL", Short: "Set a user's password; every session of theirs ends (on the machine itself)"}
	a.users().one(c, func(ctx context.Context, ref string) error {
		password, err := a.password("new password of "+ref, source)
		if err != nil {
			return err
		}
		return a.users().shown(a.client().ResetPassword(ctx, ref, admin.ResetPasswordRequest{Password: password}))
	})
	c.Flags().StringVar(&source, "password", "-", passwordUsage)
	return c
}

func (a *app) userText(w io.Writer, u *admin.User) {
	signIn := "OpenID Connect, once the provider vouches for the address"
	switch {
	case u.HasPassword && u.OIDC:
		signIn = "password, OpenID Connect"
	case u.HasPassword:
		signIn = "password"
	case u.OIDC:
		signIn = "OpenID Connect"
	}
	pairs(w, "e-mail", u.Email, "name", u.Name, "id", u.ID, "status", u.Status, "signs in by", signIn, "teams", teamsOf(u), "created", a.when(u.CreatedAt))
}

func teamsOf(u *admin.User) string {
	var out []string
	for _, t := range u.Teams {
		out = append(out, t.Name+" ("+t.Role+")")
	}
	return list(out)
}

func (a *app) completeUsers(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}
