package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

func (a *app) auditCommand() *cobra.Command {
	var since, key, credential string
	var follow bool
	var limit int
	c := &cobra.Command{
		Use: "audit", Short: "The record of administrative acts and of use", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := parseSpan(since)
			if err != nil || d < 0 {
				return usage("--since %q: give a span such as 1h or 7d", since)
			}
			from := a.now().Add(-d).UTC()
			if follow {
				return a.followEvents(c, admin.FollowEventsQuery{Since: from, Key: key, Credential: credential})
			}
			events, _, err := a.client().ListEventsPage(c.Context(), admin.ListEventsQuery{Since: from, Key: key, Credential: credential}, admin.Page{Limit: limit})
			if err != nil {
				return err
			}
			return a.print(map[string][]auth.Event{"events": events}, func(w io.Writer) {
				rows := make([][]string, len(events))
				for i := range events {
					rows[i] = eventRow(&events[i])
				}
				table(w, []string{"TIME", "WHO", "ACTION", "KEY", "CREDENTIAL", "WHAT", "RESULT"}, rows)
			})
		},
	}
	c.Flags().StringVar(&since, "since", "1h", "how far back")
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with new events until interrupted")
	c.Flags().StringVar(&key, "key", "", "only events of this API key, by id or name")
	c.Flags().StringVar(&credential, "credential", "", "only events of this credential, by id or name")
	c.Flags().IntVar(&limit, "limit", 1000, "at most so many, the newest")
	must(c.RegisterFlagCompletionFunc("key", a.completeKeyFlag), c.RegisterFlagCompletionFunc("credential", a.completeCredentialFlag))
	c.AddCommand(a.auditVerify(), a.auditExport())
	return c
}

func (a *app) followEvents(c *cobra.Command, q admin.FollowEventsQuery) error {
	ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt)
	defer stop()
	body, err := a.client().FollowEvents(ctx, q)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	return admin.EachLine(ctx, body, func(raw json.RawMessage) bool {
		if a.json {
			_, err := fmt.Fprintf(a.stdout, "%s\n", raw)
			return err == nil
		}
		var e auth.Event
		if json.Unmarshal(raw, &e) != nil {
			return true
		}
		r := eventRow(&e)
		_, err := fmt.Fprintf(a.stdout, "%s  %-8s %-17s %-12s %-16s %s  %s\n", r[0], plain(r[1]), r[2], plain(r[3]), plain(r[4]), plain(r[5]), plain(r[6]))
		return err == nil
	})
}

func eventRow(e *auth.Event) []string {
	var who, what string
	if !strings.HasPrefix(e.Actor, "key:") { // the column KEY says that
		who = e.Actor
	}
	switch {
	case e.Method != "":
		what = e.Method + " " + e.Place()
	case e.TokenName != "" && who != "token:"+e.TokenName:
		what = e.TokenName
	case who != "user:"+e.UserName:
		what = e.UserName
	}
	result := e.Reason
	switch e.Action {
	case auth.ActionFinished:
		result = fmt.Sprintf("%d, %s in %s", e.Status, size(e.Bytes), e.Duration.Round(time.Millisecond))
		if e.Reason != "" {
			result += ", " + e.Reason
		}
	case auth.ActionSummary:
		result = fmt.Sprintf("%d requests, %s", e.Count, size(e.Bytes))
	case auth.ActionDenied, auth.ActionAPIDenied:
		result = string(e.Code) + ": " + e.Reason
		if e.Count > 1 {
			result += fmt.Sprintf(" (%d times)", e.Count)
		}
	}
	return []string{e.Time.Local().Format("2006-01-02 15:04:05.000"), who, e.Action, e.KeyName, e.CredentialName, what, result}
}
