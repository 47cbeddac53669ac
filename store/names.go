package store

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/weighbridge/weighbridge/auth"
)

// MaxName is how many characters a name may have.
const MaxName = 128

// The kinds of things in errors.
const (
	whatTeam       = "team"
	whatCredential = "credential"
	whatKey        = "API key"
	whatS3Key      = "S3 access key"
	whatNamed      = "sealed value"
	whatStore      = "store"
)

// CheckName says whether name may be the name of a what ("credential", …):
// 1 to 128 printable characters, no space at either end, and not the form of
// an id, because a ref is either, nor of a key, which names are too public for,
// nor a segment that no path keeps (RFC 3986, section 5.2.4).
// Names are compared byte for byte.
func CheckName(what, name string) error {
	bad := func(detail string) error { return invalid(what, name, "the name "+detail) }
	switch {
	case name == "":
		return invalid(what, "", "a name is required")
	case isKey(name):
		return invalid(what, "", "what was given as its name is a key itself; take a word that people know it by")
	case !utf8.ValidString(name):
		return bad("is not UTF-8")
	case utf8.RuneCountInString(name) > MaxName:
		return invalid(what, string([]rune(name)[:16])+"…", fmt.Sprintf("the name has more than %d characters", MaxName))
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return bad("holds characters that are not printable")
	case name[0] == ' ' || name[len(name)-1] == ' ':
		return bad("begins or ends with a space")
	case auth.IsID(name):
		return bad("has the form of an id")
	case name == "." || name == "..":
		return bad("is one that no URL can hold")
	}
	return nil
}

// isKey reports whether s has the form of an API key, a URL key, or of what
// opens the admin API.
func isKey(s string) bool {
	_, key := auth.HashAPIKey(s)
	_, urlKey := auth.HashURLKey(s)
	return key || urlKey || auth.IsAdminSecret(s)
}

// findCredential resolves a ref within a team.
func (m *model) findCredential(teamID, ref string) (*auth.Credential, error) {
	c := m.credential(ref)
	if c == nil {
		c = m.credential(m.credNames[nameKey{teamID, ref}])
	}
	if c == nil || c.TeamID != teamID {
		return nil, notFound(whatCredential, ref)
	}
	return c, nil
}

// findKey resolves a ref within a team.
func (m *model) findKey(teamID, ref string) (*auth.Key, error) {
	k := m.key(ref)
	if k == nil {
		k = m.key(m.keyNames[nameKey{teamID, ref}])
	}
	if k == nil || k.TeamID != teamID {
		return nil, notFound(whatKey, ref)
	}
	return k, nil
}

func (m *model) findTeam(id string) error {
	if m.team(id) == nil {
		return notFound(whatTeam, id)
	}
	return nil
}
