package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"
)

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// print writes v as JSON with --json, and as text otherwise.
func (a *app) print(v any, text func(w io.Writer)) error {
	if a.json {
		enc := json.NewEncoder(a.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	}
	text(a.stdout)
	return nil
}

// table writes rows under a header, columns aligned. Control characters are
// escaped: names and reasons come from elsewhere.
func table(w io.Writer, header []string, rows [][]string) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(tw, strings.Join(header, "\t"))
	for _, r := range rows {
		for i := range r {
			r[i] = plain(r[i])
		}
		_, _ = fmt.Fprintln(tw, strings.Join(r, "\t"))
	}
	_ = tw.Flush()
}

// pairs writes name: value lines, leaving out empty values.
func pairs(w io.Writer, kv ...string) {
	width := 0
	for i := 0; i < len(kv); i += 2 {
		if kv[i+1] != "" {
			width = max(width, len(kv[i]))
		}
	}
	for i := 0; i < len(kv); i += 2 {
		if kv[i+1] != "" {
			_, _ = fmt.Fprintf(w, "%-*s  %s\n", width+1, kv[i]+":", plain(kv[i+1]))
		}
	}
}

// plain escapes what could move a terminal's cursor.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return '�'
		}
		return r
	}, s)
}

func list(items []string) string { return strings.Join(items, ", ") }

// when says a time for a person: how far away, and the time itself.
func (a *app) when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := t.Sub(a.now())
	if d >= 0 {
		return fmt.Sprintf("%s (in %s)", t.UTC().Format(time.RFC3339), span(d))
	}
	return fmt.Sprintf("%s (%s ago)", t.UTC().Format(time.RFC3339), span(-d))
}

// used is when, and from where, something was used last.
func (a *app) used(at *time.Time, address string) string {
	if at == nil {
		return "never"
	}
	return a.when(*at) + " from " + address
}

// ending is when for an end that may never come.
func (a *app) ending(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return a.when(*t)
}

func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

// size says a number of bytes for a person, in powers of 1024.
func size(n int64) string {
	if n < 0 {
		return "?"
	}
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, u := float64(n)/1024, 0
	for f >= 1024 && u < len(units)-1 {
		f, u = f/1024, u+1
	}
	return fmt.Sprintf("%.1f %ciB", f, units[u])
}
