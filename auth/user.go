package auth

import (
	"errors"
	"strings"
	"time"
)

// Role is what a user may do in a team. The zero value is no role and may do
// nothing.
type Role string

// The roles, from the one that may do most.
const (
	// RoleOwner may do everything in the team, its members among it.
	RoleOwner Role = "owner"
	// RoleMember may change what the team has, and not who is in it.
	RoleMember Role = "member"
	// RoleViewer may look.
	RoleViewer Role = "viewer"
)

// Roles lists every role, from the one that may do most.
func Roles() []Role { return []Role{RoleOwner, RoleMember, RoleViewer} }

// rank orders roles; 0 is none of them.
func (r Role) rank() int {
	switch r {
	case RoleOwner:
		return 3
	case RoleMember:
		return 2
	case RoleViewer:
		return 1
	default:
		return 0
	}
}

// Valid reports whether r is one of the roles.
func (r Role) Valid() bool { return r.rank() > 0 }

// AtLeast reports whether r may do whatever least may. It is false where one of
// them is not a role.
func (r Role) AtLeast(least Role) bool { return least.Valid() && r.rank() >= least.rank() }

// User is a person who may sign in to the admin API.
type User struct {
	ID string `json:"id"`
	// Email is canonical, as CanonicalEmail makes it. No two users share one.
	Email string `json:"email"`
	Name  string `json:"name,omitempty"`
	// Password is zero where the user signs in by OpenID Connect alone. It is
	// in no JSON: a store writes it by itself.
	Password PasswordHash `json:"-"`
	// Issuer and Subject are who the user is at an OpenID provider (OpenID
	// Connect Core 1.0, section 2: iss and sub); both are empty, or neither is.
	Issuer    string    `json:"issuer,omitempty"`
	Subject   string    `json:"subject,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// DisabledAt not zero means that the user may not sign in, and that no
	// session and no access token of theirs counts.
	DisabledAt time.Time `json:"disabled_at,omitzero"`
	// SessionsAfter, where it is not zero, is the moment since which sessions
	// count: those made earlier do not, nor what was signed for them.
	SessionsAfter time.Time `json:"sessions_after,omitzero"`
}

// Disabled reports whether u is shut out.
func (u *User) Disabled() bool { return !u.DisabledAt.IsZero() }

// PasswordHash is a password as it is stored: a string in the PHC form of
// argon2id. It prints, logs and marshals as [Redacted]; Reveal gives it to who
// compares or stores it.
type PasswordHash struct{ Secret }

// NewPasswordHash wraps what was encoded. An empty string gives the zero value,
// which no password fits.
func NewPasswordHash(encoded string) PasswordHash { return PasswordHash{NewSecret(encoded)} }

// Membership puts a user into a team.
type Membership struct {
	TeamID    string    `json:"team_id"`
	UserID    string    `json:"user_id"`
	Role      Role      `json:"role"`
	CreatedAt time.Time `json:"created_at"`
}

// MaxEmail is how many bytes an address may have: a path of RFC 5321, section
// 4.5.3.1.3, has 256, two of which are its angle brackets.
const MaxEmail = 254

// maxLocalPart is RFC 5321, section 4.5.3.1.1.
const maxLocalPart = 64

var errEmail = errors.New("it is not an e-mail address such as ada@example.com")

// CanonicalEmail is s in the one form in which addresses are compared and kept:
// lower-case, the domain in A-labels, no space around it. A local part is that
// of RFC 5322, section 3.2.3, a dot-atom, in ASCII: what looks like another
// person's address and is not is refused, and so are quoted ones, of which no
// two programs think alike. The error repeats nothing of s, which may be a
// password in the wrong place.
func CanonicalEmail(s string) (string, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at > maxLocalPart || !isDotAtom(s[:at]) {
		return "", errEmail
	}
	domain, mistake, _ := asciiHost(s[at+1:])
	if mistake != "" || !isMailDomain(domain) || at+1+len(domain) > MaxEmail {
		return "", errEmail
	}
	return s[:at+1] + domain, nil
}

func isDotAtom(s string) bool {
	for _, atom := range strings.Split(s, ".") {
		if atom == "" {
			return false
		}
		for i := 0; i < len(atom); i++ {
			if c := atom[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) < 0 {
				return false
			}
		}
	}
	return true
}

// isMailDomain reports whether s is a name of letters, digits and hyphens
// (RFC 1123, section 2.1); a name of one label is one inside a house.
func isMailDomain(s string) bool {
	for _, label := range strings.Split(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := 0; i < len(label); i++ {
			if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	return true
}
