package signer

import (
	"iter"
	"sort"
	"strconv"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// maxFieldBytes bounds a field. Half of the 32 KiB that a request's line and
// header fields may take together is left to the request itself.
const maxFieldBytes = 16 << 10

// Problem is one mistake in the fields of a credential.
type Problem struct {
	Field string
	// Message says what is wrong and what to do. It never quotes the value.
	Message string
}

// FieldsError is what Check returns: every mistake at once.
type FieldsError struct {
	Provider string
	Problems []Problem
}

// Error names the provider and every field at fault.
func (e *FieldsError) Error() string {
	var b strings.Builder
	b.WriteString(e.Provider)
	for i, p := range e.Problems {
		if i == 0 {
			b.WriteString(": ")
		} else {
			b.WriteString("; ")
		}
		b.WriteString(p.Field)
		b.WriteString(": ")
		b.WriteString(p.Message)
	}
	return b.String()
}

// fieldRule says what is wrong with a value, in words that do not quote it,
// or nothing.
type fieldRule func(value string) string

// checkFields compares f with the schema and the rules of its fields.
func checkFields(s auth.Schema, f auth.Fields, rules map[string]fieldRule) error {
	e := &FieldsError{Provider: s.Name}
	known := make([]string, 0, len(s.Fields))
	for _, field := range s.Fields {
		known = append(known, field.Name)
		switch v := f[field.Name].Reveal(); {
		case v == "" && field.Required:
			e.add(field.Name, "is required")
		case v == "":
		case v == auth.Redacted:
			e.add(field.Name, "is the redaction text, not the value")
		case len(v) > maxFieldBytes:
			e.add(field.Name, "is longer than "+strconv.Itoa(maxFieldBytes)+" bytes")
		case len(field.Options) > 0:
			if !contains(field.Options, v) {
				e.add(field.Name, "is one of "+strings.Join(field.Options, ", "))
			}
		default:
			if rule := rules[field.Name]; rule != nil {
				if message := rule(v); message != "" {
					e.add(field.Name, message)
				}
			}
		}
	}
	unknown := make([]string, 0)
	for name := range f {
		if !contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	sort.Strings(unknown)
	for _, name := range unknown {
		message := "is not a field of " + s.Name + " (" + strings.Join(known, ", ") + ")"
		if near := nearest(name, known); near != "" {
			message += "; did you mean " + near + "?"
		}
		e.add(name, message)
	}
	if len(e.Problems) == 0 {
		return nil
	}
	return e
}

// All are the mistakes, by field.
func (e *FieldsError) All() iter.Seq2[string, string] {
	return func(yield func(field, message string) bool) {
		for _, p := range e.Problems {
			if !yield(p.Field, p.Message) {
				return
			}
		}
	}
}

func (e *FieldsError) add(field, message string) {
	e.Problems = append(e.Problems, Problem{Field: field, Message: message})
}

func contains(all []string, s string) bool {
	for _, a := range all {
		if a == s {
			return true
		}
	}
	return false
}

// tokenProblem is the rule for a value that travels behind a scheme: visible
// ASCII without spaces (a superset of token68, RFC 9110, section 11.2).
func tokenProblem(v string) string {
	switch trimmed := strings.TrimSpace(v); {
	case trimmed == "":
		return "is required"
	case trimmed != v:
		return "has white space around it; remove it (a line end, perhaps)"
	case len(v) > 7 && strings.EqualFold(v[:7], "Bearer "):
		return "must be the token alone, without the word Bearer"
	case !visible(v):
		return "may have visible ASCII characters only, and no spaces"
	}
	return ""
}

// visible reports whether s is one or more of VCHAR (RFC 5234, appendix B.1).
func visible(s string) bool {
	if s == "" {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
