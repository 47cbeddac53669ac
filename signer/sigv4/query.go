package sigv4

import (
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/signer/s3err"
)

// MaxQuery bounds a query, in bytes as received. A presigned URL with a
// session token, or a listing with a continuation token and a prefix of 1,024
// encoded bytes, takes less than half of it.
const MaxQuery = 16 << 10

// Param is a parameter of a query, decoded.
type Param struct{ Name, Value string }

// Query is a query in the order in which it was received, decoded once. The
// zero Query is empty.
type Query []Param

// ParseQuery takes a query as it was received, without the "?". It is cut at
// each "&", then at the first "="; "+" is a space, empty pairs vanish, and a
// parameter without "=" has the empty value (SigV4, CanonicalQueryString).
//
// The error is an *auth.Error (bad_target), and an *s3err.Error beneath it,
// for a query that is longer than MaxQuery, or has a raw control byte, space or
// "#", a bad escape, a control character in a name, or a raw ";" anywhere but
// in the value of X-Amz-SignedHeaders, where some clients leave it: programs
// differ in whether a ";" separates parameters, and some drop such pairs.
func ParseQuery(raw string) (Query, error) {
	if len(raw) > MaxQuery {
		return nil, refuse(s3err.InvalidArgument, "the query is longer than 16 KiB")
	}
	if raw == "" {
		return nil, nil
	}
	q := make(Query, 0, strings.Count(raw, "&")+1)
	for rest, more := raw, true; more; {
		var pair string
		pair, rest, more = strings.Cut(rest, "&")
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, reason := decodeQuery(rawName, true, false)
		if reason != "" {
			return nil, refuse(s3err.InvalidArgument, reason)
		}
		value, reason := decodeQuery(rawValue, false, strings.EqualFold(name, paramSignedHeaders))
		if reason != "" {
			return nil, refuse(s3err.InvalidArgument, reason)
		}
		q = append(q, Param{name, value})
	}
	return q, nil
}

// Canonical is the query as it is signed and sent: names and values encoded,
// sorted by encoded name and then by encoded value, each with its "=" (SigV4,
// CanonicalQueryString: "the sorting occurs after encoding").
func (q Query) Canonical() string {
	if len(q) == 0 {
		return ""
	}
	var few [8]Param // most queries fit in here
	pairs := few[:0]
	size := 0
	for _, p := range q {
		name, value := encode(p.Name, false), encode(p.Value, false)
		pairs = append(pairs, Param{name, value})
		size += len(name) + len(value) + 2
	}
	slices.SortFunc(pairs, func(a, b Param) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.Value, b.Value)
	})
	var b strings.Builder
	b.Grow(size)
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.Name)
		b.WriteByte('=')
		b.WriteString(p.Value)
	}
	return b.String()
}

// Get returns the first value of the parameter name, compared exactly as S3
// compares those of its operations, and how often the parameter occurs.
func (q Query) Get(name string) (value string, times int) {
	for _, p := range q {
		if p.Name == name {
			if times++; times == 1 {
				value = p.Value
			}
		}
	}
	return value, times
}

// Without is q less the parameters that drop names. q is not changed.
func (q Query) Without(drop func(name string) bool) Query {
	if !slices.ContainsFunc(q, func(p Param) bool { return drop(p.Name) }) {
		return q
	}
	out := make(Query, 0, len(q))
	for _, p := range q {
		if !drop(p.Name) {
			out = append(out, p)
		}
	}
	return out
}

// decodeQuery decodes a name or a value.
func decodeQuery(s string, isName, semicolons bool) (decoded, reason string) {
	coded := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			coded++
		case c == '%':
			b, ok := escapeAt(s, i)
			if !ok {
				return "", "the query has " + badEscape
			}
			if isName && isControl(b) {
				return "", "the name of a query parameter holds a control character"
			}
			coded++
			i += 2
		case c == ';' && !semicolons:
			return "", "the query holds a semicolon; send it as %3B, or separate parameters by &"
		default:
			if reason := neverRaw(c, "query", "a value"); reason != "" {
				return "", reason
			}
		}
	}
	if coded == 0 {
		return s, ""
	}
	return decode(s, true), ""
}

// getFold is Get with the name compared without case, as those of signatures
// are.
func (q Query) getFold(name string) (value string, times int) {
	for _, p := range q {
		if len(p.Name) == len(name) && strings.EqualFold(p.Name, name) {
			if times++; times == 1 {
				value = p.Value
			}
		}
	}
	return value, times
}
