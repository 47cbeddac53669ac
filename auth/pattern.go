package auth

import (
	"strconv"
	"strings"
)

// maxPattern bounds the text of a pattern.
const maxPattern = 2048

// Pattern is a parsed, canonical URL pattern: [scheme://]host[:port]/path.
//
// The host is exact, or has labels that are a star and stand for exactly one
// label each. In the path a star is any characters within one segment, "**"
// any number of whole segments, and a final "/*" the whole remainder at any
// depth: a/b/* is a/b/ and below, not a/b. A star that is a whole segment
// needs at least one character, so an empty segment (//) never helps a match.
// The query is not matched. No scheme means https, no port the default port
// of the scheme, no path "/*".
//
// The zero Pattern matches nothing.
type Pattern struct {
	text   string
	scheme string
	// host is canonical, with "*" for the labels that are wildcards.
	host string
	port uint16
	// segments are the path between its slashes; tail says that "/*" follows.
	segments []segment
	tail     bool
	rank     rank
}

// PatternError says what is wrong with a pattern and what to write instead.
// It quotes no userinfo and no query.
type PatternError struct {
	// Pattern is the text at fault, as far as it may be shown.
	Pattern string
	Mistake string
	Fix     string
}

// Error names the pattern, the mistake and the fix.
func (e *PatternError) Error() string {
	return "pattern " + quote(e.Pattern) + " " + e.Mistake + "; " + e.Fix
}

// ParsePattern parses and canonicalises a pattern. The error is
// *PatternError.
func ParsePattern(text string) (Pattern, error) {
	p, mistake, fix := parsePattern(text)
	if mistake != "" {
		return Pattern{}, &PatternError{Pattern: showablePattern(text), Mistake: mistake, Fix: fix}
	}
	return p, nil
}

// showablePattern cuts off what may hold a secret.
func showablePattern(text string) string {
	if i := strings.IndexAny(text, "?#"); i >= 0 {
		text = text[:i] + "…"
	}
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		text = "…" + text[i:]
	}
	return text
}

func parsePattern(text string) (p Pattern, mistake, fix string) {
	switch {
	case text == "":
		return p, "is empty", "write host/path, such as huggingface.co/*"
	case len(text) > maxPattern:
		return p, "is longer than " + strconv.Itoa(maxPattern) + " characters", "end it in /* instead of listing what lies below"
	case strings.TrimSpace(text) != text:
		return p, "has space around it", "remove the space"
	case strings.ContainsAny(text, "?"):
		return p, "has a query", "remove what follows the question mark: the query is not matched"
	case strings.ContainsAny(text, "#"):
		return p, "has a fragment", "remove what follows the #: it never reaches a server"
	}
	rest := text
	p.scheme = schemeHTTPS
	if scheme, after, ok := strings.Cut(text, "://"); ok {
		switch p.scheme = lowerASCII(scheme); p.scheme {
		case schemeHTTPS, schemeHTTP, schemeS3:
		default:
			return p, "has a scheme that is neither https nor http", "write https://… or, to allow a secret on cleartext, http://…"
		}
		rest = after
	}
	authority, path := rest, "/*"
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	if p.scheme == schemeS3 {
		mistake, fix = p.parseBucket(authority)
	} else {
		mistake, fix = p.parseAuthority(authority)
	}
	if mistake != "" {
		return p, mistake, fix
	}
	if mistake, fix = p.parsePath(path); mistake != "" {
		return p, mistake, fix
	}
	p.text = p.print()
	p.rank = p.rankOf()
	return p, "", ""
}

// print gives the canonical text: https is not written, nor a default port.
func (p *Pattern) print() string {
	var b strings.Builder
	if p.scheme != schemeHTTPS {
		b.WriteString(p.scheme + "://")
	}
	if strings.IndexByte(p.host, ':') >= 0 {
		b.WriteString("[" + p.host + "]")
	} else {
		b.WriteString(p.host)
	}
	if p.port != defaultPort(p.scheme) {
		b.WriteString(":" + strconv.Itoa(int(p.port)))
	}
	for i := range p.segments {
		b.WriteByte('/')
		p.segments[i].print(&b)
	}
	if p.tail {
		b.WriteString("/*")
	}
	return b.String()
}

// String gives the canonical text, which parses to the same pattern.
func (p Pattern) String() string { return p.text }

// IsZero reports whether p is the zero Pattern.
func (p Pattern) IsZero() bool { return p.text == "" }

// Equal reports whether p and o are the same pattern.
func (p Pattern) Equal(o Pattern) bool { return p.text == o.text }

// Scheme is "https" or "http", or "s3" for a pattern that names a bucket in
// place of a host: by itself it matches nothing, and the provider s3 expands it
// to every URL of the bucket.
func (p Pattern) Scheme() string { return p.scheme }

// Host is the canonical host: a name, with "*" for labels that are wildcards,
// or an IP address without brackets. Where the scheme is s3 it is the bucket.
func (p Pattern) Host() string { return p.host }

// Port is the port that p is bound to; never zero, except in the zero Pattern.
func (p Pattern) Port() uint16 { return p.port }

// Path is the canonical path, beginning with "/".
func (p Pattern) Path() string {
	text := p.text
	if p.scheme != schemeHTTPS {
		text = strings.TrimPrefix(text, p.scheme+"://")
	}
	if i := strings.IndexByte(text, '/'); i >= 0 {
		return text[i:]
	}
	return ""
}

// WildcardHost reports whether a label of the host is a wildcard.
func (p Pattern) WildcardHost() bool { return strings.IndexByte(p.host, '*') >= 0 }

// WholeHost reports whether every path of the host matches.
func (p Pattern) WholeHost() bool { return p.tail && len(p.segments) == 0 }

// Matches reports whether t matches p, in every way a server may read its
// path.
func (p Pattern) Matches(t Target) bool {
	return !p.IsZero() && p.Matcher()(&t)
}

// Matcher is Matches prepared once, for a pattern that is asked again and
// again. It may be called by any number of goroutines.
func (p Pattern) Matcher() func(t *Target) bool {
	if p.IsZero() {
		return func(*Target) bool { return false }
	}
	table := newTable([]*rule{{pattern: p}})
	return func(t *Target) bool {
		if t.check() != "" {
			return false
		}
		v := see(t)
		return table.covers(&v)
	}
}

// MatchesHost reports whether some URL https://host:port/… (or http, as p
// says) could match p.
func (p Pattern) MatchesHost(host string, port uint16) bool {
	return p.port == port && hostMatches(p.host, host)
}

// MarshalText writes the canonical text.
func (p Pattern) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// UnmarshalText parses a pattern.
func (p *Pattern) UnmarshalText(b []byte) error {
	q, err := ParsePattern(string(b))
	if err != nil {
		return err
	}
	*p = q
	return nil
}
