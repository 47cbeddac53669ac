package lifecycle

import (
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// Judge puts the report r beside c and gives c the status that follows from it
// at now. It is the whole table of how a status changes, apart from the clock
// (Expire) and from revoking, which nothing undoes:
//
//	verdict   pending            valid     invalid   expired, end to come
//	valid     valid              valid     valid     valid
//	invalid   invalid            invalid   invalid   invalid
//	unasked   valid              valid     invalid   valid
//	unknown   pending (¹ valid)  valid     invalid   expired
//
// ¹ a declarative credential. Whatever the verdict, what has ended is expired,
// unless it is invalid already.
func Judge(c *auth.Credential, r auth.Report, now time.Time) {
	if c.Status == auth.StatusRevoked {
		return
	}
	r = r.Bounded()
	c.Report = &r
	if r.Verdict == auth.VerdictValid {
		c.AnsweredAt = r.At
	}
	if end := r.ExpiresAt; !end.IsZero() && (c.ExpiresAt.IsZero() || end.Before(c.ExpiresAt)) {
		c.ExpiresAt = end
	}
	fresh := c.Status == auth.StatusPending || c.Status == ""
	switch r.Verdict {
	case auth.VerdictInvalid:
		c.Status, c.Reason = auth.StatusInvalid, r.Meaning
		return
	case auth.VerdictValid:
		c.Status, c.Reason = auth.StatusValid, r.Meaning
	case auth.VerdictUnasked:
		if fresh || c.Status == auth.StatusExpired {
			c.Status, c.Reason = auth.StatusValid, r.Meaning
		}
	default:
		switch {
		case fresh && c.Declarative:
			c.Status, c.Reason = auth.StatusValid, "declared in the configuration; "+r.Meaning
		case fresh:
			c.Status, c.Reason = auth.StatusPending, r.Meaning
		}
	}
	Expire(c, now)
}

// Expire ends c where its time has come, and reports whether it did. An
// invalid credential stays invalid: its secret was refused, which says more.
func Expire(c *auth.Credential, now time.Time) bool {
	if c.ExpiresAt.IsZero() || now.Before(c.ExpiresAt) {
		return false
	}
	switch c.Status {
	case auth.StatusValid, auth.StatusPending, "":
		c.Status, c.Reason = auth.StatusExpired, "it expired at "+c.ExpiresAt.UTC().Format(time.RFC3339)
		return true
	}
	return false
}

// Judge is Judge at the engine's time, for a credential that is not stored yet.
func (e *Engine) Judge(c *auth.Credential, r auth.Report) { Judge(c, r, e.o.Now()) }

// Unasked is the report where nobody was asked, and why.
func Unasked(now time.Time, why string) auth.Report {
	return auth.Report{At: now.UTC(), Verdict: auth.VerdictUnasked, Meaning: why}
}

// unknown is the report where nobody could be asked.
func unknown(now time.Time, meaning, next string) auth.Report {
	return auth.Report{At: now.UTC(), Verdict: auth.VerdictUnknown, Meaning: meaning, Next: next}
}
