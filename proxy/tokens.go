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

// jwtHead begins every JWT: {" in base64url.
const jwtHead = "eyJ"

// isJWT reports whether s has the form of a signed JWT (RFC 7519, section 3).
func isJWT(s string) bool {
	return strings.HasPrefix(s, jwtHead) && strings.Count(s, ".") == 2 && jwtLength(s) == len(s)
}

// jwtLength counts the bytes at the head of s that a JWT is made of.
func jwtLength(s string) int {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' && c != '.' {
			return i
		}
	}
	return len(s)
}

// holdsToken reports whether s holds a token that was made for us anywhere.
func (p *Proxy) holdsToken(s string) bool {
	if p.o.Tokens == nil {
		return false
	}
	for {
		i := strings.Index(s, jwtHead)
		if i < 0 {
			return false
		}
		n := jwtLength(s[i:])
		if t := s[i : i+n]; isJWT(t) && p.o.Tokens.Ours(t) {
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
