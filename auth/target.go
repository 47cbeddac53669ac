package auth

import (
	"strconv"
	"strings"
)

// Target is where a request goes, in the one form that is matched, signed and
// sent. Every field is exactly as it will travel: nothing is decoded and
// encoded again on the way.
type Target struct {
	// Scheme is "https" or "http".
	Scheme string
	// Host is a lower-case A-label name without trailing dot, a dotted-quad
	// IPv4 address, or an IPv6 address without brackets or zone.
	Host string
	// Port is never zero.
	Port uint16
	// Path is the escaped path, beginning with "/", byte for byte.
	Path string
	// RawQuery is what follows "?", byte for byte; HasQuery tells an empty
	// query from none.
	RawQuery string
	HasQuery bool
}

// The schemes of a Target.
const (
	schemeHTTPS = "https"
	schemeHTTP  = "http"
	// schemeS3 is a scheme of patterns alone: s3://bucket/key.
	schemeS3 = "s3"
)

// defaultPort is the port that a scheme implies (RFC 9110, section 4.2).
func defaultPort(scheme string) uint16 {
	if scheme == schemeHTTP {
		return 80
	}
	return 443
}

// ParseTarget makes a target of what a request line and its connection name.
// scheme is "https" or "http"; pathAndQuery is the escaped path and what
// follows "?", where an empty path means "/" (RFC 9110, section 4.2.3). No
// byte of path or query is changed. The error is *Error with CodeBadTarget
// and quotes no query.
func ParseTarget(scheme, authority, pathAndQuery string) (Target, error) {
	if scheme != schemeHTTPS && scheme != schemeHTTP {
		return Target{}, badTarget("the scheme " + quote(scheme) + " is neither https nor http")
	}
	host, port, err := ParseAuthority(authority, defaultPort(scheme))
	if err != nil {
		return Target{}, err
	}
	t := Target{Scheme: scheme, Host: host, Port: port}
	t.Path, t.RawQuery, t.HasQuery = strings.Cut(pathAndQuery, "?")
	if t.Path == "" {
		t.Path = "/"
	}
	if reason := checkPath(t.Path); reason != "" {
		return Target{}, badTarget(reason)
	}
	if reason := checkQuery(t.RawQuery); reason != "" {
		return Target{}, badTarget(reason)
	}
	return t, nil
}

// ParseTypedURL is ParseURL for what people type, where https is implied.
func ParseTypedURL(raw string) (Target, error) {
	if !strings.Contains(raw, "://") {
		raw = "https://" + raw
	}
	return ParseURL(raw)
}

// ParseURL parses an absolute URL as strictly as ParseTarget. The scheme may
// be of either case. A fragment is refused: it has no place on the wire.
func ParseURL(raw string) (Target, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return Target{}, badTarget("the URL is not absolute; it begins with https:// or http://")
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	return ParseTarget(lowerASCII(scheme), rest[:end], rest[end:])
}

// Authority is host, or host:port where the port is not the scheme's default.
func (t Target) Authority() string {
	if t.Port == defaultPort(t.Scheme) && strings.IndexByte(t.Host, ':') < 0 {
		return t.Host
	}
	return string(t.appendAuthority(make([]byte, 0, 64)))
}

func (t *Target) appendAuthority(b []byte) []byte {
	if strings.IndexByte(t.Host, ':') >= 0 {
		b = append(append(append(b, '['), t.Host...), ']')
	} else {
		b = append(b, t.Host...)
	}
	if t.Port == defaultPort(t.Scheme) {
		return b
	}
	return strconv.AppendUint(append(b, ':'), uint64(t.Port), 10)
}

// String is the URL with its query, byte for byte as it will be requested. A
// query can hold a signature: use Redacted for anything that people or files
// see.
func (t Target) String() string {
	if !t.HasQuery {
		return t.Redacted()
	}
	return t.Redacted() + "?" + t.RawQuery
}

// Redacted is the URL without its query: the only form for logs and records.
func (t Target) Redacted() string {
	b := append(append(make([]byte, 0, 256), t.Scheme...), "://"...)
	return string(append(t.appendAuthority(b), t.Path...))
}

// Recorded is what an [Event] has of t: no query, and no scheme where it is
// https.
func (t *Target) Recorded() (scheme, host, path string) {
	if t.Scheme != "https" {
		scheme = t.Scheme
	}
	return scheme, t.Authority(), t.Path
}

// Signed reports whether the query carries a complete foreign signature (S3
// presigned, SAS, CloudFront, Cloud Storage): such a URL authorizes itself,
// and no byte of it may change.
func (t Target) Signed() bool { return signatureOf(t.RawQuery).complete }

// SignedRange reports whether the signature in the query covers the request's
// Range as well (the Hub's transfer hosts): nothing but that very range can be
// asked for, and so not the rest of an answer that broke off.
func (t Target) SignedRange() bool { return signatureOf(t.RawQuery).ranged }

// maxNamed bounds a URL in a reason.
const maxNamed = 512

// name is Redacted for a reason: cut where it is long.
func (t *Target) name() string {
	u := t.Redacted()
	if len(u) > maxNamed {
		return u[:maxNamed] + "…"
	}
	return u
}

// check tells whether t could have come from ParseTarget. Targets are plain
// structs, so deciding does not trust that they did.
func (t *Target) check() (reason string) {
	switch {
	case t.Scheme != schemeHTTPS && t.Scheme != schemeHTTP, t.Host == "", t.Port == 0:
		return "the request names no complete target"
	case t.RawQuery != "" && !t.HasQuery:
		return "the target has a query that is not marked as one"
	}
	if reason := checkHost(t.Host); reason != "" {
		return "the host " + quote(t.Host) + " " + reason
	}
	return checkPath(t.Path)
}
