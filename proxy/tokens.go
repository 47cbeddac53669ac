package proxy

import (
	"context"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// Tokens are what a caller may show in place of an API key: JWTs that another
// authority makes for us, such as the ServiceAccount tokens of a cluster.
type Tokens interface {
	// Ours reports whether s was made for us, whether it counts or not. Such a
	// token never travels on. It must be quick: it is asked for whatever looks
	// like a JWT.
	Ours(s string) bool
	// Verify says who shows s. The error is an *auth.Error: CodeKeyInvalid where
	// it does not count.
	Verify(ctx context.Context, s string) (Holder, error)
}

// Holder says which API key the holder of a token stands for at a moment, by id.
// It is asked for each request. The error is an *auth.Error.
type Holder func(now time.Time) (keyID string, err error)

// holdsToken reports whether s holds a token that was made for us anywhere.
func (p *Proxy) holdsToken(s string) bool {
	if p.o.Tokens == nil {
		return false
	}
	for {
		i := strings.Index(s, auth.JWTHead)
		if i < 0 {
			return false
		}
		n := auth.JWTLength(s[i:])
		if t := s[i : i+n]; auth.IsJWT(t) && p.o.Tokens.Ours(t) {
			return true
		}
		s = s[i+n:]
	}
}

// holds reports whether s holds what names a caller to us: a key, a secret of
// the admin API, a token.
func (x *exchange) holds(s string) bool {
	return holdsKey(s, x.snap, x.at) || x.p.holdsToken(s)
}

// verify takes a token as evidence.
func (x *exchange) verify(token string) *auth.Error {
	holder, err := x.p.o.Tokens.Verify(context.Background(), token)
	if err != nil {
		if e := auth.AsError(err); e.Code != auth.CodeKeyInvalid {
			return e
		}
		return x.wrongKey(auth.AsError(err))
	}
	x.who = evidence{holder: holder}
	return nil
}
