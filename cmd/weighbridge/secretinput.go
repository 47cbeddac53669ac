package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// maxSecretFile bounds what is read as one secret: far above any token, a
// service account's JSON included.
const maxSecretFile = 256 << 10

// value reads what source names: @FILE, env:VAR or - (standard input, asked
// without echo on a terminal). literal says that it was none of these.
func (a *app) value(what, source string) (v string, literal bool, err error) {
	switch {
	case source == "-":
		v, err = a.standardInput(what)
	case strings.HasPrefix(source, "@"):
		v, err = readSecretFile(what, source[1:])
	case strings.HasPrefix(source, "env:"):
		name := source[len("env:"):]
		var ok bool
		if v, ok = a.lookup(name); !ok || v == "" {
			err = usage("%s: the environment variable %s is not set", what, name)
		}
	default:
		return source, true, nil
	}
	return v, false, err
}

// keyValue is value for --key, which is never taken literally.
func keyValue(v string, literal bool, err error) (string, error) {
	if err == nil && literal {
		err = usage("--key: use --key @FILE, --key env:VAR or --key -, because a literal key would show in `ps`")
	}
	return v, err
}

func readSecretFile(what, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", usage("%s: %w", what, err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return "", usage("%s: %w", what, err)
	}
	return checkValue(what, path, b)
}

func (a *app) standardInput(what string) (string, error) {
	if f, ok := a.stdin.(*os.File); ok && isTerminal(f) {
		_, _ = fmt.Fprintf(a.stderr, "%s (not shown): ", what)
		b, err := term.ReadPassword(int(f.Fd()))
		_, _ = fmt.Fprintln(a.stderr)
		if err != nil {
			return "", usage("%s: %w", what, err)
		}
		return checkValue(what, "standard input", b)
	}
	b, err := io.ReadAll(io.LimitReader(a.stdin, maxSecretFile+1))
	if err != nil {
		return "", usage("%s: %w", what, err)
	}
	return checkValue(what, "standard input", b)
}

// checkValue takes one trailing newline off, which editors add.
func checkValue(what, from string, b []byte) (string, error) {
	if len(b) > maxSecretFile {
		return "", usage("%s: %s holds more than %d bytes", what, from, maxSecretFile)
	}
	s := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if s == "" {
		return "", usage("%s: %s is empty", what, from)
	}
	return s, nil
}

// expiry reads a span such as 90d or 12h, or a date, as a time from now on.
func (a *app) expiry(s string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t, nil
	}
	d, err := parseSpan(s)
	if err != nil || d <= 0 {
		return time.Time{}, usage("--expires %q: give a span such as 90d or 12h, or a date such as 2027-06-30", s)
	}
	return a.now().Add(d).UTC(), nil
}

// end reads --expires of something new: nil where it is not given.
func (a *app) end(s string) (*time.Time, error) {
	if s == "" {
		return nil, nil
	}
	t, err := a.expiry(s)
	return &t, err
}

// newEnd reads --expires of something that exists: never lifts what was
// there, which the API takes as the zero time.
func (a *app) newEnd(s string) (*time.Time, error) {
	if s == "never" {
		return &time.Time{}, nil
	}
	t, err := a.expiry(s)
	return &t, err
}

// parseSpan is time.ParseDuration with d for days of 24 hours as the first
// unit.
func parseSpan(s string) (time.Duration, error) {
	days, rest, found := strings.Cut(s, "d")
	if !found {
		return time.ParseDuration(s)
	}
	var n int
	if _, err := fmt.Sscanf(days+"\n", "%d\n", &n); err != nil || n < 0 || n > 100*365 {
		return 0, fmt.Errorf("%q is not a span", s)
	}
	d := time.Duration(n) * 24 * time.Hour
	if rest == "" {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	return d + more, err
}
