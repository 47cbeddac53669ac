package auth

import "strings"

// ServiceAccount is one of a Kubernetes cluster, by name; as a selector its Name
// may be * for all of a namespace.
type ServiceAccount struct{ Namespace, Name string }

// Valid reports whether both names are such as Kubernetes takes.
func (a ServiceAccount) Valid() bool { return isLabel(a.Namespace) && isSubdomain(a.Name) }

// String is NAMESPACE/NAME.
func (a ServiceAccount) String() string { return a.Namespace + "/" + a.Name }

// ParseServiceAccounts reads a selector, NAMESPACE/NAME or NAMESPACE/*. ok is false
// where it names no namespace: all accounts of a cluster are never meant.
func ParseServiceAccounts(s string) (sel ServiceAccount, ok bool) {
	namespace, name, ok := strings.Cut(s, "/")
	if !ok || !isLabel(namespace) || name != "*" && !isSubdomain(name) {
		return ServiceAccount{}, false
	}
	return ServiceAccount{namespace, name}, true
}

// Selects reports whether a selector means the account.
func (a ServiceAccount) Selects(other ServiceAccount) bool {
	return a.Namespace != "" && a.Namespace == other.Namespace && (a.Name == "*" || a.Name == other.Name)
}

// isLabel reports whether s is a DNS label (RFC 1123, section 2.1), as the name
// of a namespace is.
func isLabel(s string) bool { return len(s) <= 63 && !strings.Contains(s, ".") && isSubdomain(s) }

// isSubdomain reports whether s is a DNS subdomain, as the name of a ServiceAccount
// is.
func isSubdomain(s string) bool {
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
