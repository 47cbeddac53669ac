package signer

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

var _ auth.Reader = httpBearer{}

// Read tells when a token ends that is a JSON Web Token (RFC 7519, section
// 4.1.4). Its signature is not checked: that is its server's to do.
func (httpBearer) Read(f auth.Fields, _ []string, _ time.Time) auth.Reading {
	exp, ok := jwtExpiry(f["token"].Reveal())
	if !ok {
		return auth.Reading{}
	}
	r := auth.Reading{Facts: []string{"kind: JSON Web Token"}, ExpiresAt: exp}
	return r
}

// jwtExpiry is the claim exp of a compact JWS (RFC 7515, section 7.1); ok says
// that v is one, and the time is zero where it has no such claim.
func jwtExpiry(v string) (exp time.Time, ok bool) {
	parts := strings.Split(v, ".")
	if len(parts) != 3 || !strings.HasPrefix(parts[0], "ey") {
		return time.Time{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}, false
	}
	var claims struct {
		Exp *float64 `json:"exp"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return time.Time{}, false
	}
	// NumericDate: seconds, maybe with a fraction. Beyond the year 9999 it is
	// no date that can be written.
	if claims.Exp == nil || math.IsNaN(*claims.Exp) || *claims.Exp <= 0 || *claims.Exp > 253402300799 {
		return time.Time{}, true
	}
	return time.Unix(int64(*claims.Exp), 0).UTC(), true
}
