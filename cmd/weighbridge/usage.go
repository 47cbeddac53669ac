package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
)

const usageLong = `Sums up the requests that were let through, the bytes that workers got of them, those that did not
end well and those that were refused, by credential, by API key, by host, by day or by hour (UTC). It
is counted from the record and kept when retention removes that; hours are kept of today and the day
before.`

func (a *app) usageCommand() *cobra.Command {
	var by, since string
	c := &cobra.Command{
		Use: "usage", Short: "Requests, bytes and errors by credential, key, host, day or hour", Args: noArgs, Long: usageLong,
		Example: "  weighbridge usage --by key --since 30d",
		RunE: func(c *cobra.Command, _ []string) error {
			of := map[string]func(u *admin.Usage) string{
				"credential": func(u *admin.Usage) string { return nameOr(u.CredentialName, u.CredentialID) },
				"key":        func(u *admin.Usage) string { return nameOr(u.KeyName, u.KeyID) },
				"host":       func(u *admin.Usage) string { return nameOr(u.Host, "") },
				"day":        func(u *admin.Usage) string { return u.Day },
				"hour":       func(u *admin.Usage) string { return u.Hour },
			}[by]
			if of == nil {
				return usage("--by %q: one of credential, key, host, day, hour", by)
			}
			d, err := parseSpan(since)
			if err != nil || d < 0 {
				return usage("--since %q: give a span such as 24h or 7d", since)
			}
			sums, err := a.client().ListUsage(c.Context(), admin.ListUsageQuery{By: by, Since: a.now().Add(-d).UTC()})
			if err != nil {
				return err
			}
			return a.print(map[string]any{"usage": sums}, func(w io.Writer) {
				rows := make([][]string, len(sums))
				for i := range sums {
					u := &sums[i]
					rows[i] = []string{of(u), fmt.Sprint(u.Requests), size(u.Bytes), fmt.Sprint(u.Errors), fmt.Sprint(u.Denied)}
				}
				table(w, []string{strings.ToUpper(by), "REQUESTS", "BYTES", "ERRORS", "DENIED"}, rows)
			})
		},
	}
	c.Flags().StringVar(&by, "by", "credential", "credential, key, host, day or hour")
	c.Flags().StringVar(&since, "since", "7d", "how far back, in whole days (UTC), or hours where it is by hour")
	must(c.RegisterFlagCompletionFunc("by", cobra.FixedCompletions([]string{"credential", "key", "host", "day", "hour"}, cobra.ShellCompDirectiveNoFileComp)))
	return c
}

// nameOr is what a thing is called, or its id, or a dash where there is none.
func nameOr(name, id string) string {
	switch {
	case name != "":
		return name
	case id != "":
		return id
	default:
		return "-"
	}
}
