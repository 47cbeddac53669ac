package auth

import "time"

// Options of a snapshot.
type Options struct {
	// Providers are every provider that credentials may name.
	Providers []Provider
}

// Snapshot is one immutable state of teams, keys, credentials and links,
// compiled for deciding. All methods are pure and safe for concurrent use.
type Snapshot struct{}

type keyEntry struct{}

// Compile builds a snapshot. A credential whose provider is unknown or whose
// patterns do not parse is an error naming it: nothing is skipped.
func Compile(s State, o Options) (*Snapshot, error) { panic("being written") }

// Identify finds the key by its hash. The error is *Error with
// CodeKeyInvalid, CodeKeyExpired or CodeKeyRevoked.
func (s *Snapshot) Identify(h KeyHash, now time.Time) (Identity, error) { panic("being written") }

// IdentifyURLKey is Identify by the hash of a URL key.
func (s *Snapshot) IdentifyURLKey(h KeyHash, now time.Time) (Identity, error) { panic("being written") }

// IdentifyID finds a key by its id: sealed boxes and default keys name keys so.
func (s *Snapshot) IdentifyID(keyID string, now time.Time) (Identity, error) { panic("being written") }

// Decide answers what to do with a request.
func (s *Snapshot) Decide(q Question) Decision { panic("being written") }

// Connect answers what to do with a CONNECT to host:port.
func (s *Snapshot) Connect(id Identity, host string, port uint16, unmatched UnmatchedPolicy, now time.Time) ConnectDecision { panic("being written") }

// InterceptHosts returns the team's interception hosts for the name
// constraints of its intermediate certificate: exact names and, with a
// leading dot, suffixes; IP literals as such; sorted, without repetition.
func (s *Snapshot) InterceptHosts(teamID string) []string { panic("being written") }

// Explain is Decide with the whole story for `weighbridge explain`.
func (s *Snapshot) Explain(q Question) Explanation { panic("being written") }

// Explanation tells which credential would be used and why.
type Explanation struct {
	Decision Decision    `json:"-"`
	Outcome  string      `json:"outcome"`
	Code     Code        `json:"code,omitempty"`
	Reason   string      `json:"reason"`
	Connect  string      `json:"connect"` // what a CONNECT to this host would get, in words
	Chosen   *Candidate  `json:"chosen,omitempty"`
	Runners  []Candidate `json:"runners_up,omitempty"`
	// Hops says what a redirect to the provider's companions would get.
	Hops []string `json:"hops,omitempty"`
}

// Candidate is a rule that matched.
type Candidate struct {
	CredentialID   string `json:"credential_id"`
	CredentialName string `json:"credential"`
	Provider       string `json:"provider"`
	Status         Status `json:"status"`
	Linked         bool   `json:"linked"`
	Pattern        string `json:"pattern"`
	Rule           string `json:"rule"`
	Bare           bool   `json:"bare,omitempty"`
	// Lost says why it was not chosen, Shadowed that it can never be chosen
	// for any URL while the winner is linked.
	Lost     string `json:"lost,omitempty"`
	Shadowed bool   `json:"shadowed,omitempty"`
}
