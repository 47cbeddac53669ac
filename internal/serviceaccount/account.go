package serviceaccount

import (
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// Account is what a token that counts says of who shows it.
type Account struct {
	auth.ServiceAccount
	// Pod is the pod that the token was made for, where it says so.
	Pod string
	// Until is when the token ends.
	Until time.Time
}

// subjectPrefix begins the subject of every token of a ServiceAccount
// (k8s.io/apiserver/pkg/authentication/serviceaccount, MakeUsername).
const subjectPrefix = "system:serviceaccount:"

// parseSubject reads system:serviceaccount:NAMESPACE:NAME.
func parseSubject(s string) (a auth.ServiceAccount, ok bool) {
	rest, ok := strings.CutPrefix(s, subjectPrefix)
	if !ok {
		return a, false
	}
	a.Namespace, a.Name, ok = strings.Cut(rest, ":")
	return a, ok && a.Valid()
}
