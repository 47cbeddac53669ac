package auth

import "time"

// Mender is a provider that mends its fields on their way in: what people
// paste is not always what travels. Mend is called before Check and before
// anything is sealed, and returns fields that mean the same. It never invents
// a value, and leaves what it does not understand for Check to refuse.
type Mender interface {
	Mend(f Fields) Fields
}

// Mend lets p mend f, where p knows how.
func Mend(p Provider, f Fields) Fields {
	if m, ok := p.(Mender); ok {
		return m.Mend(f)
	}
	return f
}

// Reading is what can be read out of a credential's fields without asking
// anybody, in words for people. It holds nothing secret, and is kept beside the
// credential, whose fields nobody sees again.
type Reading struct {
	// Facts are such as "permissions: read, list".
	Facts []string `json:"facts,omitempty"`
	// Warnings say what is wider, or will last shorter, than it should be.
	Warnings []string `json:"warnings,omitempty"`
	// ExpiresAt is when the fields themselves say that they end; zero where
	// they do not, or never do.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// KeepBearer says that the secret is of use only together with the worker's
	// own Bearer token (a user delegation SAS with sduoid), which then travels.
	KeepBearer bool `json:"keep_bearer,omitempty"`
}

// WarnEndsSoon begins the warning of a Reading that the fields end soon, before
// the time. Who tells of ends by ExpiresAt passes it over.
const WarnEndsSoon = "it ends soon: "

// Reader is a provider that can tell something from the fields alone. f has
// passed Check, or has no secret ones: then it tells only what the patterns
// say, which is asked anew whenever a credential is shown. Read asks nobody and
// quotes no secret.
type Reader interface {
	Read(f Fields, patterns []string, now time.Time) Reading
}

// Read returns what p can tell of f; nothing where it cannot tell anything.
func Read(p Provider, f Fields, patterns []string, now time.Time) Reading {
	if r, ok := p.(Reader); ok {
		return r.Read(f, patterns, now)
	}
	return Reading{}
}

// Granter is a provider whose upstream is told in a document what a secret may
// do, such as an IAM policy.
type Granter interface {
	// Grant is the least such document by which the patterns can be read, ready
	// to be copied. Patterns that are not understood yet are left out; where
	// none is, a placeholder in capitals stands in their place. It is a
	// description: nothing follows from it here.
	Grant(params map[string]string, patterns []string) string
}

// Grant is what p would have the upstream allow; empty where it cannot tell.
func Grant(p Provider, params map[string]string, patterns []string) string {
	if g, ok := p.(Granter); ok {
		return g.Grant(params, patterns)
	}
	return ""
}
