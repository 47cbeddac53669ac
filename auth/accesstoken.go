package auth

import (
	"errors"
	"strings"
	"time"
)

// The prefixes of what opens the admin API. None of it opens the data plane.
const (
	// TokenPrefix starts an access token.
	TokenPrefix = "wbt_"
	// RefreshPrefix starts what renews a session.
	RefreshPrefix = "wbr_"
	// SetupPrefix starts the one-time secret by which the first user is made.
	SetupPrefix = "wbs_"
)

// ourPrefixes are those of everything that is shown once and opens something.
var ourPrefixes = [...]string{KeyPrefix, URLKeyPrefix, TokenPrefix, RefreshPrefix, SetupPrefix, KeyAliasPrefix}

// SecretPrefixes are those of everything of ours that opens something when it
// is shown, the alias of an API key last.
func SecretPrefixes() [6]string { return ourPrefixes }

// AccessToken is a token for the admin API: it acts for its user in one team.
// The token itself is shown once and never stored, and when it was last used is
// not known to the store, because a read of the API is to cost no disk.
type AccessToken struct {
	ID     string `json:"id"`
	TeamID string `json:"team_id"`
	// UserID is whose it is. What it may do is the lesser of Scope and that
	// user's role in the team at the time.
	UserID string `json:"user_id"`
	// Name is unique in its team.
	Name string `json:"name"`
	// Preview is what may be shown of it: Secret.Preview.
	Preview string  `json:"preview"`
	Hash    KeyHash `json:"hash"`
	// Scope read lets it read alone, whatever Route allows.
	Scope Scope `json:"scope"`
	// Route, where it is set, is the path that the token is bound to, and all
	// below it; see CheckTokenRoute.
	Route     string    `json:"route,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	// ExpiresAt is never zero.
	ExpiresAt time.Time `json:"expires_at"`
}

// The bounds of how long an access token lives.
const (
	MinTokenLife = 24 * time.Hour
	MaxTokenLife = 365 * 24 * time.Hour
)

// Expired reports whether t has ended at now. A token that says no end has.
func (t *AccessToken) Expired(now time.Time) bool { return !now.Before(t.ExpiresAt) }

// Covers reports whether t may be used for path, which is that of a request,
// cleaned.
func (t *AccessToken) Covers(path string) bool {
	rest, found := strings.CutPrefix(path, t.Route)
	return found && (t.Route == "" || rest == "" || rest[0] == '/')
}

// tokenRouteRoot is where everything that a token can be bound to is.
const tokenRouteRoot = "/api/v1/"

var errTokenRoute = errors.New("a route is the beginning of a path of the API, such as /api/v1/keys: whole segments, no query, no slash at the end")

// CheckTokenRoute says whether s may be the Route of a token. Its segments are
// letters, digits and -._: so that there is one way to write each.
func CheckTokenRoute(s string) error {
	rest, found := strings.CutPrefix(s, tokenRouteRoot)
	if s == "" {
		return nil
	}
	if !found || len(s) > 512 {
		return errTokenRoute
	}
	for _, segment := range strings.Split(rest, "/") {
		if strings.Trim(segment, ".") == "" || strings.Trim(segment, alphanumerics+"-._") != "" {
			return errTokenRoute
		}
	}
	return nil
}

// NewAccessToken makes an access token from crypto/rand.
func NewAccessToken() Secret { return NewSecret(TokenPrefix + randomBody()) }

// HashAccessToken hashes a presented access token. ok is false where s cannot
// be one: such a value is not looked up.
func HashAccessToken(s string) (h KeyHash, ok bool) { return hashPrefixed(s, TokenPrefix) }

// NewSetupSecret makes a one-time secret from crypto/rand.
func NewSetupSecret() Secret { return NewSecret(SetupPrefix + randomBody()) }

// HashSetupSecret hashes a presented one-time secret.
func HashSetupSecret(s string) (h KeyHash, ok bool) { return hashPrefixed(s, SetupPrefix) }

func hashPrefixed(s, prefix string) (KeyHash, bool) {
	body, found := strings.CutPrefix(s, prefix)
	if !found {
		return KeyHash{}, false
	}
	return hashBody(body)
}

// IsAdminSecret reports whether s has the form of something that opens the
// admin API and nothing else: an access token, or what renews a session.
func IsAdminSecret(s string) bool {
	for _, prefix := range [...]string{TokenPrefix, RefreshPrefix, SetupPrefix} {
		if _, ok := hashPrefixed(s, prefix); ok {
			return true
		}
	}
	return false
}

// WrongWorld is the answer to an access token on the data plane.
func WrongWorld() *Error {
	return &Error{
		Code:   CodeKeyInvalid,
		Reason: "what was presented is a secret of the admin API (an access token or a session), which opens nothing here",
		Next:   "Give the worker an API key (wbk_…); access tokens (wbt_…) are for the admin API alone. Whoever could see this one should not have it: delete it and make another.",
	}
}
