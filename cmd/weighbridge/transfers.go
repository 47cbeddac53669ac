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
)

func (a *app) transfersCommand() *cobra.Command {
	var follow bool
	c := &cobra.Command{
		Use: "transfers", Short: "Downloads in progress", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !follow {
				out, err := a.client().ListTransfers(c.Context())
				if err != nil {
					return err
				}
				return a.print(out, func(w io.Writer) { a.transfersText(w, out, nil, 0) })
			}
			return a.followTransfers(c)
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "redraw every second until interrupted")
	return c
}

// followTransfers redraws on a terminal, and prints a line of JSON or a table
// each second elsewhere.
func (a *app) followTransfers(c *cobra.Command) error {
	ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt)
	defer stop()
	f, ok := a.stdout.(*os.File)
	redraw := ok && isTerminal(f) && !a.json
	const interval = time.Second
	tick := time.NewTicker(interval)
	defer tick.Stop()
	before := map[string]int64{}
	var asked time.Time
	for {
		out, err := a.client().ListTransfers(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		now := time.Now()
		switch {
		case a.json:
			if err := json.NewEncoder(a.stdout).Encode(out); err != nil {
				return err
			}
		default:
			if redraw {
				_, _ = io.WriteString(a.stdout, "\x1b[H\x1b[2J")
			}
			a.transfersText(a.stdout, out, before, now.Sub(asked))
		}
		asked = now
		clear(before)
		for _, t := range out.Transfers {
			before[t.ID] = t.Bytes
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// transfersText shows the rate since the last asking where there was one, and
// the mean since the start otherwise.
func (a *app) transfersText(w io.Writer, ts admin.Transfers, before map[string]int64, since time.Duration) {
	if len(ts.Transfers) == 0 {
		_, _ = fmt.Fprintln(w, "No downloads in progress.")
		return
	}
	var rows [][]string
	for _, t := range ts.Transfers {
		bytes, over := t.Bytes, a.now().Sub(t.Started)
		if b, ok := before[t.ID]; ok {
			bytes, over = t.Bytes-b, since
		}
		rate := ""
		if over > 0 {
			rate = size(int64(float64(bytes)/over.Seconds())) + "/s"
		}
		rows = append(rows, []string{t.Key, t.Worker, bar(t.Bytes, t.Total), size(t.Bytes), rate, t.Credential, t.URL})
	}
	table(w, []string{"KEY", "WORKER", "PROGRESS", "BYTES", "RATE", "CREDENTIAL", "URL"}, rows)
}

func bar(done, total int64) string {
	const width = 20
	if total <= 0 {
		return "[" + strings.Repeat("?", width) + "]"
	}
	n := int(min(done, total) * width / total)
	return fmt.Sprintf("[%s%s] %3d%%", strings.Repeat("=", n), strings.Repeat(" ", width-n), min(done, total)*100/total)
}
