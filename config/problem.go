package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake, or one warning, with its place.
type Problem struct {
	// File is the configuration file as it was named, "$NAME" for a variable
	// of the environment, or "command line"; empty for what nobody wrote.
	File string `json:"file,omitempty"`
	// Line and Column count from 1; both are 0 outside a file.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// Field is the path of the field, such as credentials[0].fields.token.
	Field string `json:"field,omitempty"`
	// Message says what is wrong and quotes the value, unless it may be secret.
	Message string `json:"message"`
	// Hint says what to write instead.
	Hint string `json:"hint,omitempty"`
}

// Error is the whole problem in one line: file:line:column: field: message; hint.
func (p Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
		}
		b.WriteString(": ")
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// Problems are all mistakes of a configuration, in the order of their places.
// It is never empty where it is an error.
type Problems []Problem

// Error gives one line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the single problems.
func (p Problems) Unwrap() []error {
	out := make([]error, len(p))
	for i := range p {
		out[i] = p[i]
	}
	return out
}

func (p Problems) sort() {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			strings.Compare(a.File, b.File), strings.Compare(a.Field, b.Field))
	})
}

// rank puts the file before the environment before the command line.
func rank(p Problem) int {
	switch {
	case p.Line > 0:
		return 0
	case strings.HasPrefix(p.File, "$"):
		return 1
	default:
		return 2
	}
}

// place is where a value was written.
type place struct {
	file         string
	line, column int
}

// suggest returns the candidate that s is probably a slip of, or "".
func suggest(s string, candidates []string) string {
	best, found := len(s)/3+2, ""
	for _, c := range candidates {
		if c != s && sortedWords(c) == sortedWords(s) { // listen_admin
			return c
		}
		if d := distance(strings.ToLower(s), strings.ToLower(c), best); d < best && d < len(c) {
			best, found = d, c
		}
	}
	return found
}

// sortedWords is s with the words between underscores in order.
func sortedWords(s string) string {
	words := strings.Split(strings.ToLower(s), "_")
	slices.Sort(words)
	return strings.Join(words, "_")
}

// didYouMean is suggest as a hint; without a suggestion it lists a few
// candidates.
func didYouMean(s string, candidates []string, kind string) string {
	if c := suggest(s, candidates); c != "" {
		return fmt.Sprintf("did you mean %q?", c)
	}
	if len(candidates) == 0 || kind == "" {
		return ""
	}
	return kind + " are " + strings.Join(candidates, ", ")
}

// distance is the optimal string alignment distance (edits and swaps of
// neighbours) of two words, or limit where it is not below it.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit || len(a) > 128 {
		return limit
	}
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return min(prev[len(b)], limit)
}
