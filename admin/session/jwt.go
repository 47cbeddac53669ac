package session

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/weighbridge/weighbridge/auth"
)

const (
	// AccessLife is how long a JWT counts, unless its session ends before.
	AccessLife = 15 * time.Minute
	// RefreshLife is how long a session can be renewed, counted from when the
	// user signed in: after that a password is due.
	RefreshLife = 30 * 24 * time.Hour
	// DeviceLife is how long a device is known.
	DeviceLife = 180 * 24 * time.Hour

	issuer = "weighbridge"
	// The audiences keep one kind of JWT from being taken for the other.
	audienceAPI    = "weighbridge admin API"
	audienceDevice = "weighbridge device"

	// maxJWT bounds what is looked at: ours have some 500 bytes.
	maxJWT = 4 << 10
	// leeway is by how much the clock may have been set back since.
	leeway = time.Minute
)

// claims of a JWT (RFC 7519, section 4.1, and sid of OpenID Connect Front-Channel Logout 1.0).
type claims struct {
	jwt.Claims
	SessionID string `json:"sid,omitempty"`
}

// signed makes a JWT for subject.
func (k *keys) signed(audience, subject, sessionID string, now time.Time, life time.Duration) (auth.Secret, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: k.sign}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return auth.Secret{}, err
	}
	text, err := jwt.Signed(signer).Claims(claims{
		Claims: jwt.Claims{
			Issuer: issuer, Audience: jwt.Audience{audience}, Subject: subject, ID: auth.NewID(now),
			IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(life)),
		},
		SessionID: sessionID,
	}).Serialize()
	return auth.NewSecret(text), err
}

var errJWT = errors.New("it is not a JWT of this weighbridge for this use")

// verified reads a JWT of ours. Only EdDSA under our own key is taken, whatever
// its header says, and every claim has to be there.
func (k *keys) verified(text, audience string, now time.Time) (claims, error) {
	var c claims
	if len(text) > maxJWT || !canonical(text) {
		return c, errJWT
	}
	tok, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return c, errJWT
	}
	if err := tok.Claims(k.sign.Public().(ed25519.PublicKey), &c); err != nil {
		return claims{}, errJWT
	}
	if c.Expiry == nil || c.IssuedAt == nil || c.Subject == "" || c.ID == "" {
		return claims{}, errJWT
	}
	err = c.ValidateWithLeeway(jwt.Expected{Issuer: issuer, AnyAudience: jwt.Audience{audience}, Time: now}, leeway)
	switch {
	case errors.Is(err, jwt.ErrExpired), err == nil && !now.Before(c.Expiry.Time()):
		return claims{}, jwt.ErrExpired
	case err != nil:
		return claims{}, errJWT
	}
	return c, nil
}

// canonical reports whether each part of a JWT is the one spelling of what it
// decodes to (RFC 4648, section 3.5): else sixteen texts would be the same JWT, as
// the last character of a signature has four bits to spare.
func canonical(text string) bool {
	for part := range strings.SplitSeq(text, ".") {
		// The decoder passes line ends over.
		if _, err := base64.RawURLEncoding.Strict().DecodeString(part); err != nil || strings.ContainsAny(part, "\r\n") {
			return false
		}
	}
	return true
}

// IsJWT reports whether s has the form of one: three parts, the first of which
// is a JSON object in base64. It tells the kind of a caller, and nothing else.
func IsJWT(s string) bool {
	dots := 0
	for i := range len(s) {
		if s[i] == '.' {
			dots++
		}
	}
	return dots == 2 && len(s) > 2 && s[:2] == "ey"
}
