package auth

import (
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Explanation tells which credential would be used and why.
type Explanation struct {
	Decision Decision `json:"-"`
	Outcome  string   `json:"outcome"`
	Code     Code     `json:"code,omitempty"`
	Reason   string   `json:"reason"`
	// Next is what helps against a refusal; empty where there is none.
	Next string `json:"next,omitempty"`
	// Connect says what a CONNECT to this host would get, in words.
	Connect string `json:"connect"`
	// Chosen is the rule that decided, also where it decided to refuse; nil
	// where no linked credential matches.
	Chosen *Candidate `json:"chosen,omitempty"`
	// Runners are the other rules of the team that match, in the order in
	// which they would have been taken; those that are not linked come last.
	Runners []Candidate `json:"runners_up,omitempty"`
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
	// Pattern is the operator's, Rule the expansion of it that matched.
	Pattern string `json:"pattern"`
	Rule    string `json:"rule"`
	Bare    bool   `json:"bare,omitempty"`
	// Lost says why it was not chosen, Shadowed that it is never chosen for any
	// URL while the winner is linked and its credential can be used.
	Lost     string `json:"lost,omitempty"`
	Shadowed bool   `json:"shadowed,omitempty"`
}

// Explain is Decide with the whole story for `weighbridge explain`. It never
// decides anything differently.
func (s *Snapshot) Explain(q Question) Explanation {
	d := s.Decide(q)
	e := Explanation{Decision: d, Outcome: d.Outcome.String(), Code: d.Code, Reason: withDetail(d.Reason, d.Detail)}
	if d.Outcome == Deny && !d.NeedBody {
		e.Next = d.Denial().NextStep()
	}
	k, refused := s.caller(&q.Identity, q.Now)
	if refused != nil {
		e.Connect = "refused (" + string(refused.Code) + "): " + refused.Reason
		return e
	}
	if q.Target.check() != "" {
		e.Connect = "refused (" + string(CodeBadTarget) + ")"
		return e
	}
	e.Connect = s.explainConnect(&q)
	v := see(&q.Target)
	if d.NeedBody {
		// Refused only as long as nobody has looked: what the request gets
		// where its body is a read.
		d = s.reach(k, &q, &v)
		e.Outcome, e.Code = d.Outcome.String(), ""
		e.Reason = d.Reason + "; its body is looked at first: an upload needs scope write, and what cannot be told is refused"
	}
	winner, _, ambiguous := k.book.best(q.Method, &v, q.Now)
	for _, r := range k.candidates(q.Method, &v, q.Now) {
		c := r.candidate(k.isLinked(r.cred))
		if r == winner {
			e.Chosen = &c
			continue
		}
		switch {
		case !c.Linked:
			c.Lost = "it is not linked to the API key " + quote(k.record.Name)
		case winner == nil && !ambiguous:
			c.Lost = "the URL is read in another way for the API key " + quote(k.record.Name)
		case ambiguous:
			c.Lost = "the encoded slash in the path leaves open which pattern applies"
		default:
			c.Lost = whyLost(winner, r, q.Now)
			c.Shadowed = winner.pattern.Covers(r.pattern)
		}
		e.Runners = append(e.Runners, c)
	}
	e.Hops = s.explainHops(k, d.Provider)
	return e
}

// candidates are the team's rules that match, the linked ones first, each
// part in the order in which they win.
func (k *keyEntry) candidates(method string, v *sight, now time.Time) []*rule {
	all := k.team.ready().all.every(method, v)
	slices.SortStableFunc(all, func(a, b *rule) int {
		la, lb := k.isLinked(a.cred), k.isLinked(b.cred)
		switch {
		case la != lb && la, la == lb && before(a, b, now):
			return -1
		case la != lb, before(b, a, now):
			return 1
		default:
			return 0
		}
	})
	return all
}

func (k *keyEntry) isLinked(c *credential) bool { return slices.Contains(k.linked, c) }

func (r *rule) candidate(linked bool) Candidate {
	c := &r.cred.record
	return Candidate{
		CredentialID: c.ID, CredentialName: c.Name, Provider: r.cred.provider.name, Status: c.Status,
		Linked: linked, Pattern: r.written, Rule: r.pattern.text, Bare: r.bare,
	}
}

// whyLost says by which step of the order w comes before r.
func whyLost(w, r *rule, now time.Time) string {
	const (
		exact     = rank(1) << 63
		length    = rank(1<<24-1) << 32
		wildcards = rank(1<<24-1) << 8
	)
	a, b := w.pattern.rank, r.pattern.rank
	switch {
	case a&exact != b&exact:
		return "its host is a wildcard, and " + w.pattern.text + " names the host"
	case a&length != b&length:
		return "its literal path is shorter than that of " + w.pattern.text + " (" +
			strconv.Itoa(int(b&length>>32)) + " against " + strconv.Itoa(int(a&length>>32)) + " characters)"
	case a&wildcards != b&wildcards:
		return "it has more wildcards than " + w.pattern.text
	case a != b:
		return w.pattern.text + " names its scheme or port"
	case w.cred == r.cred:
		return "it is equally specific and of the same credential"
	}
	x, y := &w.cred.record, &r.cred.record
	switch {
	case x.Usable(now) != y.Usable(now):
		status := y.Status
		if status == StatusValid {
			status = StatusExpired
		}
		return "it is equally specific, but its credential is " + string(status)
	case !x.CreatedAt.Equal(y.CreatedAt):
		return "it is equally specific, but its credential is older than " + quote(x.Name)
	default:
		return "it is equally specific and as old as " + quote(x.Name) + ", whose id sorts first"
	}
}

func (s *Snapshot) explainConnect(q *Question) string {
	if q.Target.Scheme != schemeHTTPS {
		return "none: the URL is cleartext, and CONNECT is for https"
	}
	c := s.Connect(q.Identity, q.Target.Host, q.Target.Port, q.Unmatched, q.Now)
	switch c.Passage {
	case Intercept:
		return "intercepted: " + c.Reason
	case Tunnel:
		return "tunnelled: " + c.Reason
	default:
		return "refused (" + string(c.Code) + "): " + withDetail(c.Reason, c.Detail)
	}
}

// explainHops tells, host by host, what happens where an answer redirects to
// a companion.
func (s *Snapshot) explainHops(k *keyEntry, p Provider) []string {
	if p == nil {
		return nil
	}
	e := s.providers[p.Schema().Name]
	if e == nil {
		return nil
	}
	var out []string
	for _, c := range e.companions {
		host := c.Host
		if strings.HasPrefix(host, ".") {
			host = "any host below " + host[1:]
		}
		hop := host + ": nothing is put on"
		switch {
		case !hasProvider(k.providers, e):
			hop += "; no credential of " + e.name + " is linked, so it counts as unmatched"
		case c.Signed:
			hop += "; it serves signed URLs, so an Authorization of the worker is removed"
		default:
			hop += "; it is tunnelled blindly, and the worker's own Authorization travels"
		}
		out = append(out, hop)
	}
	sort.Strings(out)
	return out
}

// withDetail is a reason as operators read it.
func withDetail(reason, detail string) string {
	if detail == "" {
		return reason
	}
	return reason + "; " + detail
}
