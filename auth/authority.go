package auth

import (
	"net/netip"
	"strconv"
	"strings"
)

const (
	// maxHost is the longest host name: 255 octets on the wire of DNS are 253
	// characters of text (RFC 1035, section 2.3.4).
	maxHost = 253
	// maxLabel is the longest label (RFC 1035, section 2.3.4).
	maxLabel = 63
	// maxQuoted bounds what a reason quotes of an offending value.
	maxQuoted = 96
)

// ParseAuthority parses host[:port] as it may stand on the wire. There is one
// accepted spelling of every authority, except that letters may be of either
// case: host is lower-case without trailing dot, an IPv4 address is a strict
// dotted quad, an IPv6 address is in brackets in the form of RFC 5952 and
// without zone, and is returned without the brackets. Names outside ASCII
// must come as A-labels (RFC 5890, section 2.3.2.1). Underscores are taken,
// because private registries use them.
//
// Without a port it is defaultPort; where that is 0 the port is required, as
// CONNECT does (RFC 9110, section 9.3.6). The error is *Error with
// CodeBadTarget. It quotes nothing where userinfo is present.
func ParseAuthority(authority string, defaultPort uint16) (host string, port uint16, err error) {
	if reason := foreignInAuthority(authority); reason != "" {
		return "", 0, badTarget(reason)
	}
	name, portText, hasPort, reason := splitAuthority(authority)
	if reason == "" {
		host, reason = parseHost(name)
	}
	if reason == "" {
		port, reason = parsePort(portText, hasPort, defaultPort)
	}
	if reason != "" {
		return "", 0, badTarget("the authority " + quote(authority) + " " + reason)
	}
	return host, port, nil
}

// foreignInAuthority finds the bytes that have no place in host[:port], and
// says so in words that are safe to show: an authority with userinfo may hold
// a password and is not quoted.
func foreignInAuthority(s string) string {
	if s == "" {
		return "the authority is empty; a host is needed"
	}
	if strings.IndexByte(s, '@') >= 0 {
		return "the authority holds userinfo (something before @); credentials do not belong in a URL"
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		what := ""
		switch {
		case c == '\\':
			what = "a backslash"
		case c == '%':
			what = "a percent escape"
		case c == ' ':
			what = "a space"
		case c < ' ' || c == 0x7f:
			what = "a control character"
		case c >= 0x80:
			what = "a character outside ASCII; write the name in its A-label form (xn--…)"
		case c == '/' || c == '?' || c == '#':
			what = "the delimiter " + strconv.QuoteRune(rune(c))
		}
		if what != "" {
			return "the authority " + quote(s) + " holds " + what
		}
	}
	return ""
}

// splitAuthority cuts s into the host (an IPv6 address still in its brackets)
// and the text of the port.
func splitAuthority(s string) (host, port string, hasPort bool, reason string) {
	if s[0] == '[' {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", "", false, "has an opening bracket without a closing one"
		}
		host, rest := s[:end+1], s[end+1:]
		if rest == "" {
			return host, "", false, ""
		}
		if rest[0] != ':' {
			return "", "", false, "has text behind the brackets of an IPv6 address"
		}
		return host, rest[1:], true, ""
	}
	if strings.IndexByte(s, '[') >= 0 {
		return "", "", false, "has text before the brackets of an IPv6 address"
	}
	if strings.IndexByte(s, ']') >= 0 {
		return "", "", false, "has a closing bracket without an opening one"
	}
	host, port, hasPort = strings.Cut(s, ":")
	if strings.IndexByte(port, ':') >= 0 {
		return "", "", false, "has more than one colon; an IPv6 address stands in brackets"
	}
	return host, port, hasPort, ""
}

// parsePort reads a port in canonical form: 1 to 65535, no sign, no leading
// zero.
func parsePort(text string, hasPort bool, defaultPort uint16) (port uint16, reason string) {
	if !hasPort {
		if defaultPort == 0 {
			return 0, "has no port, and one is needed here"
		}
		return defaultPort, ""
	}
	if text == "" {
		return 0, "has a colon without a port"
	}
	if len(text) > 5 {
		return 0, "has a port that is not between 1 and 65535 in plain digits"
	}
	n := 0
	for i := 0; i < len(text); i++ {
		if text[i] < '0' || text[i] > '9' {
			return 0, "has a port that is not a number"
		}
		n = n*10 + int(text[i]-'0')
	}
	switch {
	case n > 65535 || n == 0:
		return 0, "has a port that is not between 1 and 65535"
	case text[0] == '0':
		return 0, "has a port with a leading zero"
	}
	return uint16(n), ""
}

// parseHost brings a name, IPv4 address or bracketed IPv6 address of ASCII
// characters into the form of Target.Host.
func parseHost(s string) (host, reason string) {
	if strings.HasPrefix(s, "[") {
		return parseIPv6(s[1 : len(s)-1])
	}
	host = lowerASCII(s)
	if reason := checkName(host); reason != "" {
		return "", reason
	}
	if endsInNumber(host) {
		if a, err := netip.ParseAddr(host); err != nil || !a.Is4() {
			return "", "ends in a number and is no IPv4 address of four decimal parts"
		}
	}
	return host, ""
}

// checkHost checks that host is in the form of Target.Host.
func checkHost(host string) (reason string) {
	var canonical string
	if strings.IndexByte(host, ':') >= 0 {
		canonical, reason = parseIPv6(host)
	} else {
		canonical, reason = parseHost(host)
	}
	if reason == "" && canonical != host {
		reason = "is not lower-case"
	}
	return reason
}

// checkName checks the labels of a lower-case host name (RFC 1123, section
// 2.1, and underscores).
func checkName(host string) (reason string) {
	switch {
	case host == "":
		return "has no host"
	case len(host) > maxHost:
		return "is longer than 253 characters"
	case host[len(host)-1] == '.':
		return "ends in a dot"
	}
	for rest, more := host, true; more; {
		var label string
		label, rest, more = strings.Cut(rest, ".")
		if reason := checkLabel(label); reason != "" {
			return reason
		}
	}
	return ""
}

func checkLabel(label string) (reason string) {
	switch {
	case label == "":
		return "has an empty label (two dots in a row, or a leading dot)"
	case len(label) > maxLabel:
		return "has a label of more than 63 characters"
	case label[0] == '-' || label[len(label)-1] == '-':
		return "has a label that begins or ends with a hyphen"
	}
	for i := 0; i < len(label); i++ {
		c := label[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return "holds the character " + strconv.QuoteRune(rune(c)) + ", which no host name has"
		}
	}
	return ""
}

// endsInNumber tells names that some resolvers read as an IPv4 address of
// unusual form: 127.1, 0x7f.1, 2130706433 (WHATWG URL, "ends in a number").
func endsInNumber(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

// parseIPv6 reads what stands in the brackets. An IPv4-mapped address is
// refused: it names the same address as the dotted quad and would be a second
// spelling of it.
func parseIPv6(s string) (host, reason string) {
	if s == "" {
		return "", "has empty brackets"
	}
	s = lowerASCII(s)
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil || !a.Is6():
		return "", "has no IPv6 address in its brackets"
	case a.Zone() != "":
		return "", "has an IPv6 address with a zone"
	case a.Is4In6():
		return "", "has an IPv4 address in IPv6 form; write " + a.Unmap().String()
	case a.String() != s:
		return "", "has an IPv6 address in unusual form; write [" + a.String() + "]"
	}
	return s, ""
}

// IsIP reports whether a host in the form of Target.Host is an IP address.
func IsIP(host string) bool {
	return strings.IndexByte(host, ':') >= 0 || (host != "" && endsInNumber(host))
}

// lowerASCII lower-cases A to Z and nothing else; s itself where it is lower
// already.
func lowerASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= 'A' && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if b[i] >= 'A' && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// quote shows an offending value: escaped, cut where it is long, and without
// what could be a key of ours.
func quote(s string) string {
	s = withoutKeys(s)
	if len(s) > maxQuoted {
		return strconv.QuoteToASCII(s[:maxQuoted]) + "…"
	}
	return strconv.QuoteToASCII(s)
}

// Argument is a name as a shell takes it in one piece.
func Argument(name string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.'
	}
	if name != "" && name[0] != '-' && !strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
		return name
	}
	return "'" + strings.ReplaceAll(withoutKeys(name), "'", `'\''`) + "'"
}

func badTarget(reason string) *Error { return NewError(CodeBadTarget, reason, nil) }
