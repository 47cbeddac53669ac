package portal

import (
	"errors"
	"strconv"

	"github.com/weighbridge/weighbridge/admin"
)

// asProblem is what the API said, where err is that.
func asProblem(err error) (*admin.Problem, bool) { return errors.AsType[*admin.Problem](err) }

// told is a problem as a page shows it: when to try again stands in its words,
// and in the field for programs.
func (v *visit) told(prob *admin.Problem) *admin.Problem {
	if prob.RetryAfter <= 0 {
		return prob
	}
	v.w.Header().Set("Retry-After", strconv.Itoa(prob.RetryAfter))
	wait := quantity(prob.RetryAfter, "second")
	if prob.RetryAfter > 2*60 {
		wait = quantity((prob.RetryAfter+59)/60, "minute")
	}
	said := *prob
	said.Next = v.say("problem.wait", wait)
	return &said
}
