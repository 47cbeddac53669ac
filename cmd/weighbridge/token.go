package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
)

func (a *app) tokenCommand() *cobra.Command {
	c := &cobra.Command{Use: "token", Aliases: []string{"tokens"}, Short: "Access tokens for the administration, of users in a team (--team)", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	tokens := a.tokens()
	c.AddCommand(a.tokenCreate(), a.tokenList(), tokens.show(),
		tokens.act("regenerate", "Make a new secret and end the old one in a single step", "Regenerate access token %q? The old secret ends at once.", (*admin.Client).RegenerateToken, nil),
		named(tokens.remove("", " The next call with it is refused."), "delete ID|NAME", "Delete an access token: the next call with it is refused"))
	return c
}

func (a *app) tokens() resource[admin.Token] {
	return resource[admin.Token]{
		a: a, all: (*admin.Client).ListTokens, get: (*admin.Client).GetToken, delete: (*admin.Client).DeleteToken, member: "tokens", article: "an", noun: "access token", complete: a.completeTokens, text: a.tokenText,
	}
}

func (a *app) tokenCreate() *cobra.Command {
	var in admin.NewToken
	var expires string
	c := &cobra.Command{
		Use: "create --name N --user EMAIL", Short: "Create an access token; it is shown once", Args: noArgs,
		Example: "  weighbridge token create --name ci --user ada@example.com --scope write --route /api/v1/keys --expires 30d",
		RunE: func(c *cobra.Command, _ []string) error {
			end, err := a.expiry(expires)
			if err != nil {
				return err
			}
			in.ExpiresAt = end
			return a.tokens().shown(a.client().CreateToken(c.Context(), in))
		},
	}
	c.Flags().StringVar(&in.Name, "name", "", "name, unique among the access tokens of the team")
	c.Flags().StringVar(&in.User, "user", "", "whose it is to be, by e-mail address or id: a member of the team")
	c.Flags().StringVar(&in.Scope, "scope", "read", "read, or write; never more than the user's role in the team")
	c.Flags().StringVar(&in.Route, "route", "", "the beginning of a path, such as /api/v1/keys, beyond which it opens nothing")
	c.Flags().StringVar(&expires, "expires", "90d", "when it ends: a span such as 90d, or a date, in 1 to 365 days")
	must(c.MarkFlagRequired("name"))
	return c
}

func (a *app) tokenList() *cobra.Command {
	return a.tokens().list("", []string{"NAME", "USER", "STATUS", "SCOPE", "ROUTE", "TOKEN", "EXPIRES", "LAST USED", "ID"}, func(t *admin.Token) []string {
		return []string{t.Name, t.User.Name, t.Status, t.Scope, t.Route, t.Preview, a.when(t.ExpiresAt), a.used(t.LastUsedAt, t.LastUsedFrom), t.ID}
	})
}

func (a *app) tokenText(w io.Writer, t *admin.Token) {
	pairs(w, "name", t.Name, "id", t.ID, "user", t.User.Name, "status", t.Status, "scope", t.Scope, "route", t.Route, "token", t.Preview, "created", a.when(t.CreatedAt), "expires", a.when(t.ExpiresAt), "last used", a.used(t.LastUsedAt, t.LastUsedFrom))
	if t.Token != "" {
		_, _ = fmt.Fprintf(w, "\nThe access token, shown this once:\n\n  %s\n", t.Token)
	}
}

func (a *app) completeTokens(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	return completeFirst(a, c, args, prefix, a.tokens().all, func(t *admin.Token) string { return t.Name })
}
