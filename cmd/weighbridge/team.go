package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
)

func (a *app) teamCommand() *cobra.Command {
	c := &cobra.Command{Use: "team", Aliases: []string{"teams"}, Short: "Teams: each has its own credentials, keys and record", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	teams := a.teams()
	c.AddCommand(a.teamCreate(), a.teamList(), named(teams.show(), "show ID|NAME", "Show a team"), a.teamRename(),
		named(teams.remove("", ""), "delete ID|NAME", "Delete a team that has no credentials, keys and access tokens"))
	return c
}

func (a *app) teams() resource[admin.Team] {
	return resource[admin.Team]{a: a, all: (*admin.Client).ListTeams, get: (*admin.Client).GetTeam, delete: (*admin.Client).DeleteTeam, member: "teams", article: "a", noun: "team", complete: a.completeTeams, text: func(w io.Writer, t *admin.Team) {
		pairs(w, "name", t.Name, "id", t.ID, "members", fmt.Sprint(t.Members), "created", a.when(t.CreatedAt))
	}}
}

func (a *app) teamCreate() *cobra.Command {
	var in admin.NewTeam
	c := &cobra.Command{
		Use: "create NAME", Short: "Create a team", Args: cobra.ExactArgs(1),
		Example: "  weighbridge team create research --owner ada@example.com",
		RunE: func(c *cobra.Command, args []string) error {
			in.Name = args[0]
			return a.teams().shown(a.client().CreateTeam(c.Context(), in))
		},
	}
	c.Flags().StringVar(&in.Owner, "owner", "", "its first owner, by e-mail address or id")
	return c
}

func (a *app) teamList() *cobra.Command {
	return a.teams().list("", []string{"NAME", "MEMBERS", "CREATED", "ID"}, func(t *admin.Team) []string {
		return []string{t.Name, fmt.Sprint(t.Members), t.CreatedAt.UTC().Format(time.RFC3339), t.ID}
	})
}

func (a *app) teamRename() *cobra.Command {
	return &cobra.Command{
		Use: "rename ID|NAME NEW-NAME", Short: "Rename a team", Args: cobra.ExactArgs(2), ValidArgsFunction: a.completeTeams,
		RunE: func(c *cobra.Command, args []string) error {
			return a.teams().shown(a.client().UpdateTeam(c.Context(), args[0], admin.UpdateTeamRequest{Name: args[1]}))
		},
	}
}

func (a *app) completeTeams(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	return completeFirst(a, c, args, prefix, a.teams().all, func(t *admin.Team) string { return t.Name })
}

func (a *app) memberCommand() *cobra.Command {
	c := &cobra.Command{Use: "member", Aliases: []string{"members"}, Short: "Members of a team (--team), and their roles", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	members := a.members()
	c.AddCommand(a.memberPut(),
		members.list("", []string{"E-MAIL", "NAME", "ROLE", "SINCE", "USER ID"}, func(m *admin.Member) []string {
			role := m.Role
			if m.Disabled {
				role += " (disabled)"
			}
			return []string{m.User.Name, m.Name, role, m.Since.UTC().Format(time.RFC3339), m.User.ID}
		}),
		named(members.remove("", " The access tokens that the user has in the team end."), "remove ID|EMAIL", "Take a user out of the team; the access tokens that the user has in it end"))
	return c
}

func (a *app) members() resource[admin.Member] {
	return resource[admin.Member]{a: a, all: (*admin.Client).ListMembers, delete: (*admin.Client).RemoveMember, member: "members", article: "a", noun: "member", complete: a.completeUsers, text: func(w io.Writer, m *admin.Member) {
		pairs(w, "e-mail", m.User.Name, "name", m.Name, "user id", m.User.ID, "role", m.Role, "since", a.when(m.Since))
	}}
}

func (a *app) memberPut() *cobra.Command {
	var role string
	c := &cobra.Command{
		Use: "put ID|EMAIL --role R", Short: "Put a user into the team, or give a member another role", Args: cobra.ExactArgs(1),
		Example: "  weighbridge member put bob@example.com --role viewer --team research",
		RunE: func(c *cobra.Command, args []string) error {
			return a.members().shown(a.client().PutMember(c.Context(), args[0], admin.PutMemberRequest{Role: role}))
		},
	}
	c.Flags().StringVar(&role, "role", "", "owner, member or viewer")
	must(c.MarkFlagRequired("role"))
	return c
}
