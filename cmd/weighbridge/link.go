package main

import (
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
)

func (a *app) linkCommand() *cobra.Command {
	return a.linkVerb("link", "Let an API key use a credential", http.MethodPut, "may now use", "could already use")
}

func (a *app) unlinkCommand() *cobra.Command {
	return a.linkVerb("unlink", "Stop an API key from using a credential", http.MethodDelete, "may no longer use", "was not linked to")
}

func (a *app) linkVerb(verb, short, method, done, already string) *cobra.Command {
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
			var out admin.LinkResult
			path := "/api/v1/links/" + admin.Segment(args[0]) + "/" + admin.Segment(args[1])
			if err := a.client().Call(c.Context(), method, path, nil, &out); err != nil {
				return err
			}
			return a.print(out, func(w io.Writer) {
				words := done
				if !out.Changed {
					words = already
				}
				_, _ = fmt.Fprintf(w, "API key %q %s credential %q.\n", out.Key, words, out.Credential)
			})
		},
	}
}
