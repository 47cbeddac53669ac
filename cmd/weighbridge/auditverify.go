package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth/chain"
	"github.com/weighbridge/weighbridge/internal/bridge"
)

const auditVerifyLong = `Reads the whole record, or an exported file, and names the first event that was changed, taken
out, put in or moved, with its file, line and number. It says how many events lie beyond the last
signed head: of those alone the end could have been cut off without notice. Where a weighbridge
runs in the data directory it verifies, and knows where its record ends; otherwise the store is
opened with the key encryption key of the configuration. The exit code is 1 where it does not fit.`

func (a *app) auditVerify() *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use: "verify [FILE]", Short: "Verify the record, or an exported file: name the first event that does not fit",
		Args: cobra.MaximumNArgs(1), Long: auditVerifyLong,
		Example: "  weighbridge audit verify\n  weighbridge audit export > record.jsonl && weighbridge audit verify record.jsonl",
		RunE: func(c *cobra.Command, args []string) error {
			file := ""
			if len(args) == 1 {
				file = args[0]
			}
			r, err := a.verifyOnline(c, file)
			if errors.Is(err, admin.ErrUnreachable) {
				r, err = a.verifyOffline(c, &f, file, err)
			}
			if err != nil {
				return err
			}
			if err := a.print(r, func(w io.Writer) { a.printReport(w, &r) }); err != nil || r.OK {
				return err
			}
			return &exitError{exitFailure, errPrinted}
		},
	}
	f.registerConfig(c)
	return c
}

func (a *app) verifyOnline(c *cobra.Command, file string) (r chain.Verdict, err error) {
	if file == "" {
		return a.client().VerifyEvents(c.Context())
	}
	in, err := os.Open(file)
	if err != nil {
		return r, err
	}
	defer func() { _ = in.Close() }()
	return a.client().VerifyExport(c.Context(), in, admin.VerifyExportQuery{Name: filepath.Base(file)})
}

// verifyOffline opens the store that nobody has open. Where there is none, the
// error is that nobody answers.
func (a *app) verifyOffline(c *cobra.Command, f *serveFlags, file string, unreachable error) (chain.Verdict, error) {
	loaded, err := a.load(c, f)
	if err != nil {
		return chain.Verdict{}, errors.Join(unreachable, err)
	}
	var in io.Reader
	if file != "" {
		open, err := os.Open(file)
		if err != nil {
			return chain.Verdict{}, err
		}
		defer func() { _ = open.Close() }()
		in = open
	}
	return bridge.VerifyRecord(c.Context(), &loaded.Config, a.environ, filepath.Base(file), in)
}

func (a *app) printReport(w io.Writer, r *chain.Verdict) {
	rows := make([][]string, len(r.Chains))
	for i, p := range r.Chains {
		rows[i] = []string{p.Writer, p.TeamID, fmt.Sprintf("%d to %d", p.First, p.Last), fmt.Sprint(p.Signed), a.when(p.SignedAt)}
	}
	if len(rows) > 0 {
		table(w, []string{"WRITER", "TEAM", "EVENTS", "SIGNED TO", "SIGNED"}, rows)
	}
	for _, n := range r.Notes {
		_, _ = fmt.Fprintln(w, "note: "+plain(n))
	}
	if r.Unchained > 0 {
		_, _ = fmt.Fprintf(w, "note: %d events are from before the chain began; nothing is proven of them\n", r.Unchained)
	}
	if r.Beyond > 0 {
		_, _ = fmt.Fprintf(w, "note: %d events lie beyond the last signed head; what came behind them could have been cut off\n", r.Beyond)
	}
	if r.Break != nil {
		_, _ = fmt.Fprintln(w, "BROKEN: "+plain(r.Break.Error()))
		return
	}
	_, _ = fmt.Fprintf(w, "The record is whole: %d events, %d signed heads, verified with the key %s.\n", r.Events, r.Heads, r.PublicKey)
}

const auditExportLong = `Writes the record as lines of JSON that still verify: the acts first, then the use, each between two
signed lines that say where the chains stood. The export is itself on record, and in the export. It is
that of all teams on this machine where no --team is named, and that of one team elsewhere.`

func (a *app) auditExport() *cobra.Command {
	var since, until, format, out string
	var all bool
	c := &cobra.Command{
		Use: "export", Short: "Write the record out so that it still verifies", Args: noArgs, Long: auditExportLong,
		Example: "  weighbridge audit export --since 30d --out record.jsonl\n  weighbridge audit export --since 2026-11-01 --until 2026-12-01 > november.jsonl",
		RunE: func(c *cobra.Command, _ []string) error {
			if format != "jsonl" {
				return usage("--format %q: jsonl is the one there is", format)
			}
			var q admin.ExportEventsQuery
			if all || cmp.Or(a.remote.address, a.env(addressVariable), a.remote.team, a.env(teamVariable)) == "" {
				q.All = true
			}
			for _, f := range []struct {
				name, text string
				to         *time.Time
			}{{"since", since, &q.Since}, {"until", until, &q.Until}} {
				if f.text == "" {
					continue
				}
				t, err := a.moment(f.text)
				if err != nil {
					return usage("--%s %q: give a span such as 7d, a day such as 2026-11-01, or a time (RFC 3339)", f.name, f.text)
				}
				*f.to = t.UTC()
			}
			if out == "" {
				return a.exportEvents(c.Context(), q, a.stdout)
			}
			w, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if errors.Is(err, os.ErrExist) {
				return &exitError{exitConflict, err}
			}
			if err != nil {
				return err
			}
			err = a.exportEvents(c.Context(), q, w)
			if err = errors.Join(err, w.Close()); err != nil {
				_ = os.Remove(out) // half of an export is none
			}
			return err
		},
	}
	c.Flags().StringVar(&format, "format", "jsonl", "the form: jsonl")
	c.Flags().StringVar(&since, "since", "", "from then on: a span back, a day or a time (default: everything)")
	c.Flags().BoolVar(&all, "all-teams", false, "the record of all teams, for who runs weighbridge")
	c.Flags().StringVar(&until, "until", "", "up to then")
	c.Flags().StringVar(&out, "out", "", "write into this new file, of mode 0600, and not to standard output")
	must(c.MarkFlagFilename("out"), c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"jsonl"}, cobra.ShellCompDirectiveNoFileComp)))
	return c
}

// moment is a span back from now, a day (UTC) or a time.
func (a *app) moment(text string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	if strings.Contains(text, "T") {
		return time.Parse(time.RFC3339Nano, text)
	}
	d, err := parseSpan(text)
	if err == nil && d < 0 {
		err = errors.New("a negative span")
	}
	return a.now().Add(-d), err
}

// exportEvents writes the record that q picks to w.
func (a *app) exportEvents(ctx context.Context, q admin.ExportEventsQuery, w io.Writer) error {
	body, err := a.client().ExportEvents(ctx, q)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	_, err = io.Copy(w, body)
	return err
}
