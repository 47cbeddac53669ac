package serviceaccount

import (
	"strings"
	"time"
)

// Account is what a token that counts says of who shows it.
type Account struct {
	// Namespace and Name are the ServiceAccount's; Pod is the pod that the token
	// was made for, where it says so.
	Namespace, Name, Pod string
	// Until is when the token ends.
	Until time.Time
}

// subjectPrefix begins the subject of every token of a ServiceAccount
// (k8s.io/apiserver/pkg/authentication/serviceaccount, MakeUsername).
const subjectPrefix = "system:serviceaccount:"

// parseSubject reads system:serviceaccount:NAMESPACE:NAME.
func parseSubject(s string) (namespace, name string, ok bool) {
	rest, ok := strings.CutPrefix(s, subjectPrefix)
	if !ok {
		return "", "", false
	}
	namespace, name, ok = strings.Cut(rest, ":")
	return namespace, name, ok && isLabel(namespace) && isName(name)
}

// Selector is which accounts are meant: NAMESPACE/NAME, or NAMESPACE/* for all
// of a namespace.
type Selector struct{ Namespace, Name string }

// ParseSelector reads a selector. ok is false where it names no namespace: all
// accounts of a cluster are never meant.
func ParseSelector(s string) (sel Selector, ok bool) {
	namespace, name, ok := strings.Cut(s, "/")
	if !ok || !isLabel(namespace) || name != "*" && !isName(name) {
		return Selector{}, false
	}
	return Selector{namespace, name}, true
}

// Matches reports whether the account is meant.
func (s Selector) Matches(a *Account) bool {
	return s.Namespace != "" && s.Namespace == a.Namespace && (s.Name == "*" || s.Name == a.Name)
}

// isLabel reports whether s is a DNS label (RFC 1123, section 2.1), as the name
// of a namespace is.
func isLabel(s string) bool { return len(s) <= 63 && !strings.Contains(s, ".") && isName(s) }

// isName reports whether s is a DNS subdomain, as the name of a ServiceAccount
// is.
func isName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return s[0] != '-' && s[0] != '.' && s[len(s)-1] != '-' && s[len(s)-1] != '.'
}
