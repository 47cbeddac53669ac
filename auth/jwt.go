package auth

import "strings"

// JWTHead begins every JWT: {" in base64url.
const JWTHead = "eyJ"

// IsJWT reports whether s has the form of a signed JWT (RFC 7519, section 3),
// such as the ServiceAccount token that a pod shows in place of an API key.
// Whether it counts for anybody is not looked at.
func IsJWT(s string) bool {
	return strings.HasPrefix(s, JWTHead) && strings.Count(s, ".") == 2 && JWTLength(s) == len(s)
}

// JWTLength counts the bytes at the head of s that a JWT is made of: base64url
// and dots.
func JWTLength(s string) int {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' && c != '.' {
			return i
		}
	}
	return len(s)
}
