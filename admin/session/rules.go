package session

import (
	"strings"
	"unicode/utf8"

	"github.com/weighbridge/weighbridge/auth"
)

// The bounds of a password. NIST SP 800-63B-4, section 3.1.1.2, asks for at
// least 8 characters, 15 where nothing else is shown, and for 64 to be
// possible; it wants no rules of composition. The upper bound keeps a request
// from being work, and is far above what argon2id makes use of.
const (
	MinPassword = 12  // characters
	MaxPassword = 256 // bytes
)

// CheckPassword says whether a user of this address may have the password. The
// error is *auth.Error and repeats nothing of it.
func CheckPassword(password auth.Secret, email string) error {
	p := password.Reveal()
	refuse := func(reason string) error {
		return &auth.Error{Code: CodePasswordRefused, Status: 422, Reason: "the new password " + reason,
			Next: "Take a phrase of several words, or what a password manager makes."}
	}
	local, _, _ := strings.Cut(email, "@")
	switch lower := strings.ToLower(strings.TrimSpace(p)); {
	case !utf8.ValidString(p):
		return refuse("is not UTF-8")
	case utf8.RuneCountInString(p) < MinPassword:
		return refuse("has fewer than 12 characters")
	case len(p) > MaxPassword:
		return refuse("has more than 256 bytes")
	case lower == email || lower == local:
		return refuse("is the e-mail address")
	case fewCharacters(p):
		return refuse("is made of fewer than four different characters")
	}
	return nil
}

// fewCharacters finds what only looks long: aaaaaaaaaaaa, 121212121212.
func fewCharacters(p string) bool {
	seen := map[rune]bool{}
	for _, r := range p {
		seen[r] = true
	}
	return len(seen) < 4
}
