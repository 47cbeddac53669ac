package signer

import (
	"errors"

	"github.com/weighbridge/weighbridge/auth"
)

const authorization = "Authorization"

// errUnsendable means that a stored value cannot stand in a header field. The
// checks on entry refuse such values; a stored one that fails here was not
// entered through them.
var errUnsendable = errors.New("a field of the credential holds a character that no header field may carry")

// putBearer puts token on out as RFC 6750, section 2.1, says.
func putBearer(out *auth.Outgoing, token auth.Secret) (auth.Applied, error) {
	v := token.Reveal()
	if !visible(v) {
		return auth.Applied{}, errUnsendable
	}
	out.Header.Set(authorization, "Bearer "+v)
	return auth.Applied{Mask: []auth.Secret{token}}, nil
}
