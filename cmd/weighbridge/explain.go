package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

func (a *app) explainCommand() *cobra.Command {
	var in admin.ExplainRequest
	c := &cobra.Command{
		Use: "explain URL --key KEY", Short: "Which credential a URL would get, and why", Args: cobra.ExactArgs(1),
		Long: "Says which credential would be put on a request to URL by the API key, every runner-up\n" +
			"with the reason it lost, and what redirects would get. Exit code 7 where the request\n" +
			"would be refused.",
		RunE: func(c *cobra.Command, args []string) error {
			in.URL = args[0]
			out, err := a.client().Explain(c.Context(), in)
			if err != nil {
				return err
			}
			if err := a.print(out, func(w io.Writer) { explainText(w, &out) }); err != nil {
				return err
			}
			if out.Outcome == auth.Deny.String() {
				return &exitError{exitDenied, fmt.Errorf("refused: %s", out.Code)}
			}
			return nil
		},
	}
	c.Flags().StringVar(&in.Key, "key", "", "API key, by id or name")
	c.Flags().StringVar(&in.Method, "method", http.MethodGet, "request method")
	c.Flags().StringVar(&in.Mode, "mode", "forward", "forward or reverse: whose policy for unmatched URLs applies")
	must(c.MarkFlagRequired("key"), c.RegisterFlagCompletionFunc("key", a.completeKeyFlag))
	return c
}

func explainText(w io.Writer, e *admin.Explained) {
	_, _ = fmt.Fprintf(w, "%s %s\n", plain(e.Method), plain(e.URL))
	_, _ = fmt.Fprintf(w, "  %s: %s\n", e.Outcome, plain(e.Reason))
	if e.Next != "" {
		_, _ = fmt.Fprintf(w, "  next: %s\n", plain(e.Next))
	}
	if e.Connect != "" {
		_, _ = fmt.Fprintf(w, "  CONNECT: %s\n", plain(e.Connect))
	}
	if e.Chosen != nil {
		_, _ = fmt.Fprintln(w, "\nChosen")
		table(w, candidateHeader[:5], [][]string{candidateRow(e.Chosen)[:5]})
	}
	if len(e.Runners) > 0 {
		_, _ = fmt.Fprintln(w, "\nRunners-up")
		var rows [][]string
		for i := range e.Runners {
			rows = append(rows, candidateRow(&e.Runners[i]))
		}
		table(w, candidateHeader, rows)
	}
	if len(e.Hops) > 0 {
		_, _ = fmt.Fprintln(w, "\nRedirects from there")
		hosts, fates := map[string][]string{}, []string{}
		for _, h := range e.Hops {
			host, fate, _ := strings.Cut(h, ": ")
			if hosts[fate] == nil {
				fates = append(fates, fate)
			}
			hosts[fate] = append(hosts[fate], host)
		}
		for _, fate := range fates {
			_, _ = fmt.Fprintf(w, "  %s:\n    %s\n", plain(fate), plain(list(hosts[fate])))
		}
	}
}

var candidateHeader = []string{"CREDENTIAL", "PROVIDER", "STATUS", "PATTERN", "RULE", "WHY NOT"}

func candidateRow(c *auth.Candidate) []string {
	lost := c.Lost
	if c.Shadowed {
		lost += " (shadowed: never chosen while the winner is linked and usable)"
	}
	return []string{c.CredentialName, c.Provider, string(c.Status), c.Pattern, c.Rule, lost}
}
