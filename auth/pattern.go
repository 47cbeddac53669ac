package auth

// Pattern is a parsed, canonical URL pattern: [scheme://]host[:port]/path.
type Pattern struct{ text string }

// ParsePattern parses and canonicalises a pattern.
func ParsePattern(text string) (Pattern, error) { panic("being written") }

// String gives the canonical text, which parses to the same pattern.
func (p Pattern) String() string { return p.text }

// ParseAuthority parses host[:port] in strict canonical form.
func ParseAuthority(authority string, defaultPort uint16) (host string, port uint16, err error) {
	panic("being written")
}

// ParseTarget parses what a request line and scheme name. path is the escaped
// path, query what follows "?".
func ParseTarget(scheme, authority, pathAndQuery string) (Target, error) { panic("being written") }

// ParseURL parses an absolute URL strictly.
func ParseURL(raw string) (Target, error) { panic("being written") }

// Authority is host, or host:port where the port is not the scheme's default.
func (t Target) Authority() string { panic("being written") }

// String is the URL with its query.
func (t Target) String() string { panic("being written") }

// Redacted is the URL without its query: the only form for logs and records.
func (t Target) Redacted() string { panic("being written") }
