package audit

import (
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// burstMinutes is how many minutes' worth of quota a team has in hand.
const burstMinutes = 10

var errOverQuota = &auth.Error{
	Code:   auth.CodeAuditUnavailable,
	Reason: "the team has used up its share of the audit record",
	Next:   "Send fewer requests, or raise audit.team_quota.",
}

// quota is a team's token bucket, in bytes. A team that has filled it is
// refused; the others do not notice.
type quota struct {
	perMinute float64 // zero: no quota
	level     float64 // what is left; outcomes may make it negative
	at        time.Time
}

// quota returns the team's bucket, filled up to now. Events without a team
// share one.
func (f *File) quota(team string, now time.Time) *quota {
	q := f.quotas[team]
	if q == nil {
		rate := float64(f.o.TeamQuota)
		q = &quota{perMinute: rate, level: rate * burstMinutes, at: now}
		f.quotas[team] = q
	}
	// A clock that jumps ahead can do no more than fill the bucket; after one
	// that was set back, filling begins anew from there. Small steps back are
	// concurrent callers and count for nothing.
	switch d := now.Sub(q.at); {
	case d > 0:
		q.level = min(q.level+q.perMinute*d.Minutes(), q.perMinute*burstMinutes)
		q.at = now
	case d < -time.Minute:
		q.at = now
	}
	return q
}

// admit takes n bytes for a request, or says that they are not there.
func (q *quota) admit(n int) bool {
	if q.perMinute == 0 {
		return true
	}
	if q.level < float64(n) {
		return false
	}
	q.level -= float64(n)
	return true
}

// deny takes n bytes for a refusal, which may use up half the bucket only:
// refusals are cheap to provoke.
func (q *quota) deny(n int) bool {
	if q.perMinute == 0 {
		return true
	}
	if q.level < q.perMinute*burstMinutes/2 {
		return false
	}
	q.level -= float64(n)
	return true
}

// spend takes n bytes for the outcome of an admitted request, which is
// written in any case.
func (q *quota) spend(n int) {
	if q.perMinute != 0 {
		q.level -= float64(n)
	}
}
