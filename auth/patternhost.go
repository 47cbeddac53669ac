package auth

import (
	"strings"

	"golang.org/x/net/publicsuffix"
)

// parseAuthority reads the host[:port] of a pattern.
func (p *Pattern) parseAuthority(s string) (mistake, fix string) {
	if strings.IndexByte(s, '@') >= 0 {
		return "has userinfo", "remove what stands before the @: secrets belong into the credential"
	}
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			var host string
			name, port, hasPort := cutPort(s)
			if host, mistake, fix = asciiHost(name); mistake != "" {
				return mistake, fix
			}
			s = host
			if hasPort {
				s += ":" + port
			}
			break
		}
	}
	if strings.ContainsAny(s, "\\% \t") {
		return "has a character in its host that no host has", "write the host plainly, without escapes, spaces or backslashes"
	}
	if reason := foreignInAuthority(s); reason != "" {
		return "is not understood: " + reason, "write host/path, such as huggingface.co/*"
	}
	name, portText, hasPort, reason := splitAuthority(s)
	if reason != "" {
		return reason, "write host[:port]/path, with an IPv6 address in brackets"
	}
	if strings.IndexByte(name, '*') >= 0 {
		mistake, fix = p.parseWildcardHost(lowerASCII(name))
	} else {
		mistake, fix = p.parseExactHost(name)
	}
	if mistake != "" {
		return mistake, fix
	}
	if hasPort && strings.IndexByte(portText, '*') >= 0 {
		return "has a wildcard for its port", "write one pattern for each port; none means the default port"
	}
	if p.port, reason = parsePort(portText, hasPort, defaultPort(p.scheme)); reason != "" {
		return reason, "write the port in plain digits, or none for the default port"
	}
	return "", ""
}

// parseBucket reads the bucket of an s3 pattern. What names buckets may have is
// that of s3host.ValidBucket.
func (p *Pattern) parseBucket(s string) (mistake, fix string) {
	const write = "write s3://bucket/prefix/*"
	switch {
	case strings.IndexByte(s, '*') >= 0:
		return "has a wildcard for its bucket", "write one pattern for each bucket"
	case len(s) < 3 || len(s) > 63:
		return "has no bucket name of 3 to 63 characters", write
	case strings.Contains(s, ".."):
		return "has two dots in a row in its bucket", write
	}
	for _, c := range []byte(s) {
		if strings.IndexByte(alphanumerics+"-._", c) < 0 {
			return "has a character in its bucket that no bucket has", write
		}
	}
	if strings.IndexByte(alphanumerics, s[0]) < 0 || strings.IndexByte(alphanumerics, s[len(s)-1]) < 0 {
		return "has a bucket that does not begin and end in a letter or digit", write
	}
	p.host, p.port = s, defaultPort(schemeS3)
	return "", ""
}

// cutPort cuts off a port without looking at it closely.
func cutPort(s string) (name, port string, hasPort bool) {
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

func (p *Pattern) parseExactHost(name string) (mistake, fix string) {
	host, reason := parseHost(name)
	switch {
	case reason == "":
		p.host = host
		return "", ""
	case name == "":
		return reason, "write host/path, such as huggingface.co/*"
	case strings.HasSuffix(name, "."):
		return reason, "remove the dot at the end of the host"
	default:
		return reason, "write the host in its plain canonical form"
	}
}

// parseWildcardHost checks a host with stars. To the right of the last star
// there must be at least a registrable domain, so that no pattern reaches
// across owners.
func (p *Pattern) parseWildcardHost(name string) (mistake, fix string) {
	if name[0] == '[' {
		return "has a wildcard in an IP address", "write one pattern for each address"
	}
	if len(name) > maxHost {
		return "is longer than 253 characters in its host", "write the host in its plain canonical form"
	}
	last, labels := 0, strings.Split(name, ".")
	for i, label := range labels {
		switch {
		case label == "*":
			last = i
		case strings.Contains(label, "**"):
			return "has ** in its host", "write one * for each label that may vary, such as *.*.example.com"
		case strings.Contains(label, "*"):
			return "has a * inside a label of its host", "let the * stand for the whole label, such as *.example.com"
		default:
			if reason := checkLabel(label); reason != "" {
				return reason, "write the host in its plain canonical form"
			}
		}
	}
	right := strings.Join(labels[last+1:], ".")
	if right == "" || endsInNumber(right) {
		return "has a host without a name to the right of its *", "write a domain behind it, such as *.example.com"
	}
	// The star is looked at together with what is right of it: below
	// kawasaki.jp every label is a public suffix of its own.
	if suffix, _ := ICANNSuffix("star." + right); len(suffix) >= len(right) {
		return "has a * directly above the public suffix " + quote(right) + ", below which anybody can register names",
			"write a registrable domain to the right of the *, such as *.example." + right
	}
	p.host = name
	return "", ""
}

// ICANNSuffix is the public suffix of name by the ICANN section of the list
// alone (https://publicsuffix.org/list/, "ICANN DOMAINS"); listed is false
// where the list's default rule "*" applied, so that the suffix is name's last
// label. What the private section claims (blob.core.windows.net) are names that
// somebody registered. The package offers both sections together, so a suffix
// of the private one is looked at again one label further right.
func ICANNSuffix(name string) (suffix string, listed bool) {
	for {
		suffix, listed = publicsuffix.PublicSuffix(name)
		_, parent, dotted := strings.Cut(suffix, ".")
		if listed || !dotted {
			return suffix, listed
		}
		name = parent
	}
}

// hostMatches compares a pattern's host with a target's, label by label.
func hostMatches(pattern, host string) bool {
	if strings.IndexByte(pattern, '*') < 0 {
		return pattern == host
	}
	for {
		pl, prest, pmore := strings.Cut(pattern, ".")
		hl, hrest, hmore := strings.Cut(host, ".")
		if pl != "*" && pl != hl || pmore != hmore {
			return false
		}
		if !pmore {
			return true
		}
		pattern, host = prest, hrest
	}
}
