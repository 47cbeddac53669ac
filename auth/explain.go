package auth

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

// Explain is Decide with the whole story for `weighbridge explain`.
func (s *Snapshot) Explain(q Question) Explanation {
	d := s.Decide(q)
	return Explanation{Decision: d, Outcome: d.Outcome.String(), Code: d.Code, Reason: d.Reason}
}
