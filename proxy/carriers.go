package proxy

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// The names of the header fields by which weighbridge and its workers talk to
// each other. None of them ever crosses to or from an upstream.
const (
	headerPrefix    = "X-Weighbridge-"
	headerKey       = "X-Weighbridge-Key"
	headerError     = "X-Weighbridge-Error"
	headerDecision  = "X-Weighbridge-Decision"
	headerExplain   = "X-Weighbridge-Explain"
	headerRequestID = "X-Request-Id"
)

// presented is what a request shows of who asks.
type presented struct {
	// key is the hash of the API key; zero where none was shown.
	key auth.KeyHash
	// url is the hash of the URL key in the path; zero where there is none.
	url auth.KeyHash
	// shown says that something was shown in a place where only a key of ours
	// belongs, or that has the form of one.
	shown bool
	// misplaced says that a secret of the admin API was shown, which opens
	// nothing here.
	misplaced bool
	// authorization says that the Authorization field carried our key: it is
	// ours and does not travel.
	authorization bool
	// token is a JWT in a place where only a key of ours belongs, and bearer one
	// in the Authorization field of a reverse request, which may be the worker's
	// own: see Tokens.
	token, bearer string
	// doubtful is the hash of an hf_ token in the Authorization field of a
	// reverse request. Only a lookup tells whether it is a key of ours or the
	// worker's own token.
	doubtful auth.KeyHash
}

func errTwoKeys() *auth.Error {
	return auth.NewError(auth.CodeBadRequest, "the request carries two different API keys", nil)
}

// add takes one more key into account.
func (p *presented) add(h auth.KeyHash) *auth.Error {
	p.shown = true
	if !p.key.IsZero() && p.key != h {
		return errTwoKeys()
	}
	p.key = h
	return nil
}

// addToken takes one more JWT into account.
func (p *presented) addToken(token string) *auth.Error {
	if p.token != "" && p.token != token {
		return errTwoKeys()
	}
	p.token = token
	return nil
}

// forwardCarriers reads the key of a CONNECT or absolute-form request: every
// Proxy-Authorization field.
func forwardCarriers(h *fields) (p presented, err *auth.Error) {
	for i := range *h {
		f := &(*h)[i]
		if !f.is("Proxy-Authorization") {
			continue
		}
		p.shown = true
		for _, token := range credentialTokens(f.value) {
			p.misplaced = p.misplaced || auth.IsAdminSecret(token)
			if auth.IsJWT(token) {
				if err = p.addToken(token); err != nil {
					return p, err
				}
			}
			if hash, ok := auth.HashAPIKey(token); ok {
				if err = p.add(hash); err != nil {
					return p, err
				}
			}
		}
	}
	return p, nil
}

// reverseCarriers reads the key of a reverse request: X-Weighbridge-Key and
// Authorization (also as URL userinfo, which clients send as Basic).
func reverseCarriers(h *fields) (p presented, err *auth.Error) {
	for i := range *h {
		f := &(*h)[i]
		switch {
		case f.is(headerKey):
			p.shown = true
			p.misplaced = p.misplaced || auth.IsAdminSecret(f.value)
			if auth.IsJWT(f.value) {
				if err = p.addToken(f.value); err != nil {
					return p, err
				}
			}
			if hash, ok := auth.HashAPIKey(f.value); ok {
				if err = p.add(hash); err != nil {
					return p, err
				}
			}
		case f.is("Authorization"):
			for _, token := range credentialTokens(f.value) {
				p.misplaced = p.misplaced || auth.IsAdminSecret(token)
				if p.bearer == "" && auth.IsJWT(token) {
					p.bearer = token
				}
				hash, ok := auth.HashAPIKey(token)
				switch {
				case !ok:
				case strings.HasPrefix(token, auth.KeyPrefix):
					p.authorization = true
					if err = p.add(hash); err != nil {
						return p, err
					}
				case p.doubtful.IsZero() || p.doubtful == hash:
					p.doubtful = hash
				default:
					return p, errTwoKeys()
				}
			}
		}
	}
	return p, nil
}

// settle decides whose the doubtful token is: ours if it is known, and also
// if nothing else could name the caller, so that a mistyped key is told as
// such.
func (p *presented) settle(s *auth.Snapshot, now time.Time, otherwise bool) *auth.Error {
	if p.doubtful.IsZero() {
		return nil
	}
	_, err := s.Identify(p.doubtful, now)
	known := err == nil || auth.AsError(err).Code != auth.CodeKeyInvalid
	if !known && (otherwise || p.shown) {
		return nil
	}
	p.authorization = true
	return p.add(p.doubtful)
}

// credentialTokens returns what in the value of an Authorization or
// Proxy-Authorization field could be a key: the token of Bearer (RFC 6750) or
// the user and the password of Basic (RFC 7617). Every other scheme has none.
func credentialTokens(v string) []string {
	scheme, rest, _ := strings.Cut(v, " ")
	rest = trimOWS(rest)
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return []string{rest}
	case strings.EqualFold(scheme, "Basic"):
		// Some clients leave the padding out.
		b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(rest, "="))
		if err != nil {
			return nil
		}
		user, password, _ := strings.Cut(string(b), ":")
		return []string{user, password}
	}
	return nil
}

// holdsKey reports whether s holds one of our keys anywhere, or a secret of the
// admin API: a token with one of our own prefixes, or an hf_ token that is known as a key.
func holdsKey(s string, snap *auth.Snapshot, now time.Time) bool {
	for i := 0; i+len(auth.KeyAliasPrefix) < len(s); i++ {
		j := strings.IndexByte(s[i:], '_')
		if j < 0 {
			return false
		}
		i += j
		for _, prefix := range auth.SecretPrefixes() {
			start := i + 1 - len(prefix)
			if start < 0 || s[start:i+1] != prefix {
				continue
			}
			token := s[start : i+1+alphanumeric(s[i+1:])]
			if auth.IsAdminSecret(token) {
				return true
			}
			switch hash, ok := auth.HashAPIKey(token); {
			case ok && prefix == auth.KeyPrefix:
				return true
			case ok:
				if _, err := snap.Identify(hash, now); err == nil || auth.AsError(err).Code != auth.CodeKeyInvalid {
					return true
				}
			case prefix == auth.URLKeyPrefix:
				if _, ok := auth.HashURLKey(token); ok {
					return true
				}
			}
		}
	}
	return false
}

// alphanumeric counts the letters and digits at the head of s.
func alphanumeric(s string) int {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return i
		}
	}
	return len(s)
}
