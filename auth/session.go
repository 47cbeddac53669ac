package auth

import (
	"strings"
	"time"
)

// Session is a user's stay in the admin API, from signing in to signing out. A
// short-lived JWT stands for it on every call, and a refresh secret, of which
// the store has hashes alone, gets the next one.
type Session struct {
	ID     string `json:"id"`
	UserID string `json:"user_id"`
	// Family is the hash of what all refresh secrets of the session share, and
	// Hash that of the one which counts now. Whoever shows another of the
	// family shows one that was used: it was copied, and the session ends (RFC
	// 9700, section 4.14.2).
	Family KeyHash `json:"family"`
	Hash   KeyHash `json:"hash"`
	// Previous is the one before Hash, and RefreshedAt when that was: two
	// windows of one browser may ask at once, and neither is a thief.
	Previous    KeyHash   `json:"previous,omitzero"`
	RefreshedAt time.Time `json:"refreshed_at,omitzero"`
	CreatedAt   time.Time `json:"created_at"`
	// ExpiresAt is when it cannot be renewed any more.
	ExpiresAt time.Time `json:"expires_at"`
	// RevokedAt not zero means that it was ended, for good.
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	// Address is where the user signed in from, and Agent what the program
	// said it is: for the user to recognise the session by, and for nothing
	// else.
	Address string `json:"address,omitempty"`
	Agent   string `json:"agent,omitempty"`
}

// Live reports whether s counts at now for its user. It does not for another.
func (s *Session) Live(u *User, now time.Time) bool {
	return s.UserID != "" && s.UserID == u.ID && !u.Disabled() && s.RevokedAt.IsZero() &&
		now.Before(s.ExpiresAt) && !s.CreatedAt.Before(u.SessionsAfter)
}

// NewRefreshSecret makes the first refresh secret of a session.
func NewRefreshSecret() Secret { return NewSecret(RefreshPrefix + randomBody() + randomBody()) }

// NextRefreshSecret makes another of the same family. It returns the zero
// Secret where s is not a refresh secret.
func NextRefreshSecret(s Secret) Secret {
	body, ok := refreshBody(s.Reveal())
	if !ok {
		return Secret{}
	}
	return NewSecret(RefreshPrefix + body[:keyBodyLen] + randomBody())
}

// HashRefreshSecret hashes a presented refresh secret: what its family shares,
// and the whole of it. ok is false where s cannot be one.
func HashRefreshSecret(s string) (family, whole KeyHash, ok bool) {
	body, ok := refreshBody(s)
	if !ok {
		return KeyHash{}, KeyHash{}, false
	}
	family, ok = hashBody(body[:keyBodyLen])
	if ok {
		whole, ok = hashBody(body)
	}
	return family, whole, ok
}

func refreshBody(s string) (string, bool) {
	body, found := strings.CutPrefix(s, RefreshPrefix)
	return body, found && len(body) == 2*keyBodyLen
}
