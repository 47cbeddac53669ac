package sigv4

import "strings"

// isGraphic takes visible ASCII.
func isGraphic(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

func isDigits(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// isRegion takes any name that a region could have: workers do not know ours,
// and send the one that their client makes up.
func isRegion(s string) bool {
	return s != "" && len(s) <= maxRegion && strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}) < 0
}

// isToken takes the name of a header field (RFC 9110, section 5.6.2) in lower
// case.
func isToken(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	}) < 0
}

// field returns the first value of the header field name, and how often it
// occurs.
func field(fields []Field, name string) (value string, times int) {
	for _, f := range fields {
		if len(f.Name) == len(name) && strings.EqualFold(f.Name, name) {
			if times++; times == 1 {
				value = f.Value
			}
		}
	}
	return value, times
}
