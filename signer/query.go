package signer

import (
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// withoutParameters removes from query every parameter whose name drop says
// yes to, and leaves every other byte as it is. drop is given the name
// percent-decoded once and in lower case, which is how the most lenient server
// would read it. Only "&" separates parameters.
func withoutParameters(query string, drop func(name string) bool) (rest string, removed bool) {
	if query == "" {
		return query, false
	}
	kept := make([]string, 0, strings.Count(query, "&")+1)
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		name, _ = unescapeOnce(name)
		if drop(strings.ToLower(name)) {
			removed = true
			continue
		}
		kept = append(kept, part)
	}
	if !removed {
		return query, false
	}
	return strings.Join(kept, "&"), true
}

// withoutParameter removes every parameter called name, however its name is
// spelled.
func withoutParameter(query, name string) (rest string, removed bool) {
	name = strings.ToLower(name)
	return withoutParameters(query, func(n string) bool { return n == name })
}

// putQuery puts more, which is encoded already, behind the parameters of out
// that drop leaves.
func putQuery(out *auth.Outgoing, more string, drop func(name string) bool) {
	rest, _ := withoutParameters(out.Target.RawQuery, drop)
	rest = strings.TrimRight(rest, "&")
	if rest != "" {
		rest += "&"
	}
	out.Target.RawQuery, out.Target.HasQuery = rest+more, true
}

// queryText reports whether s may stand in a query as it is (RFC 3986, section
// 3.4): no control character, space, "#" or byte outside ASCII.
func queryText(s string) bool { return visible(s) && strings.IndexByte(s, '#') < 0 }

// escapeQuery percent-encodes every byte that is not unreserved (RFC 3986,
// section 2.3), with upper-case digits: the strictest spelling, which every
// server reads alike.
func escapeQuery(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if unreserved(s[i]) {
			b.WriteByte(s[i])
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[s[i]>>4])
		b.WriteByte(digits[s[i]&15])
	}
	return b.String()
}

// unreserved is RFC 3986, section 2.3.
func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}
