package signer

import (
	"encoding/base64"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// putBasic puts user and password on out as RFC 7617, section 2, says. The
// encoded pair is a secret in its own right and is masked with the password.
func putBasic(out *auth.Outgoing, user string, password auth.Secret) (auth.Applied, error) {
	v := password.Reveal()
	if !pairable(user) || strings.Contains(user, ":") || !pairable(v) {
		return auth.Applied{}, errUnsendable
	}
	pair := base64.StdEncoding.EncodeToString([]byte(user + ":" + v))
	out.Header.Set(authorization, "Basic "+pair)
	return auth.Applied{Mask: []auth.Secret{password, auth.NewSecret(pair)}}, nil
}

// pairable reports whether s has no control character (RFC 7617, section 2,
// excludes CTL, as RFC 5234 defines it, from user-id and password).
func pairable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}
