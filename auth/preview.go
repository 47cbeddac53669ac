package auth

import (
	"encoding/base64"
	"strings"
)

// tokenSchemes are the authentication schemes behind which a token stands: that
// of RFC 6750 and those that registries, hubs and their like write instead.
// What stands behind Basic (RFC 7617) and Digest (RFC 7616) is, or comes from,
// a password.
var tokenSchemes = [...]string{"Bearer", "Token", "ApiKey", "Api-Key", "Key"}

// PreviewOf is what may be shown of a value of the field: Secret.Preview where
// the field allows it and the value is a token, alone or behind a scheme, and
// nothing otherwise. A value that holds a user name and a password, or that
// has any other structure, may end in the password.
func (f Field) PreviewOf(v Secret) string {
	if !f.Preview {
		return ""
	}
	text := v.Reveal()
	if token68(text) && !pairInBase64(text) {
		return v.Preview()
	}
	scheme, token, _ := strings.Cut(text, " ")
	for _, s := range tokenSchemes {
		if token = strings.TrimLeft(token, " "); strings.EqualFold(scheme, s) && token68(token) && !pairInBase64(token) {
			return scheme + " " + NewSecret(token).Preview()
		}
	}
	return ""
}

// token68 reports whether s is one, RFC 9110, section 11.2.
func token68(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && strings.IndexByte("-._~+/", c) < 0 {
			return false
		}
	}
	return s != ""
}

// pairInBase64 reports whether s is the base64 form of name:password, which
// some servers take without the word Basic.
func pairInBase64(s string) bool {
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil || !strings.Contains(string(b), ":") {
		return false
	}
	for _, c := range b {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return true
}
