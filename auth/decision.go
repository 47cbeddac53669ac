package auth

import (
	"errors"
	"time"
)

// Outcome is what is done with a request. The zero value denies.
type Outcome int

// The outcomes.
const (
	Deny Outcome = iota
	// Bare lets the request through with nothing put on it.
	Bare
	// Inject puts the credential on the request.
	Inject
)

// String says the outcome in the words of the record.
func (o Outcome) String() string {
	switch o {
	case Inject:
		return "allow"
	case Bare:
		return "allow bare"
	default:
		return "deny"
	}
}

// Identity is who asks: a key of a team, as it stood in one snapshot. The
// zero Identity is nobody and is denied everything.
type Identity struct {
	TeamID  string
	KeyID   string
	KeyName string
	Scope   Scope
	// ViaURLKey narrows the scope to read, whatever the key's own.
	ViaURLKey bool
	// Implied says that the listener's default key was taken.
	Implied bool

	key *keyEntry
}

// Question is what Decide is asked. Mode-dependent policy is resolved by the
// caller into Unmatched.
type Question struct {
	Identity Identity
	Method   string
	Target   Target
	// Unmatched is the listener's policy for the mode; the key's own can only
	// be stricter.
	Unmatched UnmatchedPolicy
	// ContentEncoding and Body are given on the second asking, after a first
	// answer with NeedBody.
	ContentEncoding string
	Body            []byte
	HasBody         bool
	// Boxed says that the request came by a sealed URL of ours: the URL was
	// chosen by an upstream that the key could reach, and Origin is the URL
	// that led there, against which routes are checked.
	Boxed  bool
	Origin Target
	// Opened, where it is not empty, says why the key may reach Target although
	// no credential matches: an operator named that upstream for its team.
	// Nothing is put on then. The key's routes and its scope count as ever.
	Opened string
	// Write says that the request writes, whatever its method.
	Write bool
	Now   time.Time
}

// Decision is the answer, always with a reason.
type Decision struct {
	Outcome Outcome
	// Code is set when Outcome is Deny; Reason always.
	Code   Code
	Reason string
	// Next stands over the code's next step where the code alone does not tell
	// it.
	Next string
	// Detail is more of the reason, for the record, the log and operators
	// alone; empty where there is nothing to hide from who asks.
	Detail string
	// The credential to use with Inject; with a denial, the one that matched
	// and could not be used.
	CredentialID   string
	CredentialName string
	Version        uint64
	// Rule is the expanded pattern that decided, Written the operator's own.
	Rule    string
	Written string
	// Also are the rules by which the further objects of a request were decided
	// (Entry.Also), each once, without Rule itself where it is used alike. They are
	// of the same credential.
	Also []Ruling
	// Provider is the provider of the deciding rule, or of the host where no
	// rule decided; nil where there is none.
	Provider Provider
	// Params are the fields, not secret, of the credential whose rule decided;
	// nil where none did. They are shared and not to be changed.
	Params map[string]string
	// Xet is the key's own policy.
	Xet XetPolicy
	// Companion says that the host is a companion of a linked provider.
	Companion bool
	// Signed says that the URL carries a complete foreign signature: nothing
	// of it may change and the worker's Authorization and Cookie are removed,
	// except a Bearer beside a SAS with sduoid (KeepBearer).
	Signed bool
	// KeepBearer lets the worker's own Bearer token travel, of a URL that is
	// signed and of one to which a credential is put on.
	KeepBearer bool
	// NeedBody asks for a second asking with the body (at most
	// MaxClassifyBody bytes); Outcome is then Deny and must not be answered.
	NeedBody bool
}

// Ruling is the rule that decided an object which a request names beside the
// first.
type Ruling struct {
	// Method is how the object is used: GET for what is read.
	Method string
	// Rule is as in Decision.
	Rule string
}

// Denial turns a denying decision into the error it is answered with.
func (d *Decision) Denial() *Error { return denial(d.Code, d.Reason, d.Next, d.Detail) }

func denial(code Code, reason, next, detail string) *Error {
	e := &Error{Code: code, Reason: reason, Next: next}
	if detail != "" {
		e.Cause = errors.New(detail)
	}
	return e
}

// Passage is what a CONNECT gets.
type Passage int

// The passages. The zero value refuses.
const (
	Refuse Passage = iota
	// Intercept ends TLS at the proxy; each request inside is decided.
	Intercept
	// Tunnel copies bytes blindly.
	Tunnel
)

// ConnectDecision answers a CONNECT.
type ConnectDecision struct {
	Passage Passage
	Code    Code
	Reason  string
	// Detail as in Decision.
	Detail string
	// Provider as in Decision.
	Provider Provider
}

// Denial is Decision.Denial.
func (d *ConnectDecision) Denial() *Error { return denial(d.Code, d.Reason, "", d.Detail) }
