package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
)

func (a *app) linkCommand() *cobra.Command {
	return a.linkVerb("link", "Let an API key use a credential", (*admin.Client).Link, "may now use", "could already use")
}

func (a *app) unlinkCommand() *cobra.Command {
	return a.linkVerb("unlink", "Stop an API key from using a credential", (*admin.Client).Unlink, "may no longer use", "was not linked to")
}

func (a *app) linkVerb(verb, short string, change func(c *admin.Client, ctx context.Context, credential, key string) (admin.LinkResult, error), done, already string) *cobra.Command {
	return &cobra.Command{
		Use: verb + " CREDENTIAL KEY", Short: short, Args: cobra.ExactArgs(2),
		ValidArgsFunction: func(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
			switch len(args) {
			case 0:
				return a.completeCredentials(c, nil, prefix)
			case 1:
				return a.completeKeys(c, nil, prefix)
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			return shown(a, func(w io.Writer, out *admin.LinkResult) {
				words := done
				if !out.Changed {
					words = already
				}
				_, _ = fmt.Fprintf(w, "API key %q %s credential %q.\n", out.Key, words, out.Credential)
			})(change(a.client(), c.Context(), args[0], args[1]))
		},
	}
}
