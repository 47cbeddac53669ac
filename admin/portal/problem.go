package portal

import (
	"errors"
	"regexp"
	"strconv"

	"github.com/weighbridge/weighbridge/admin"
)

// asProblem is what the API said, where err is that.
func asProblem(err error) (*admin.Problem, bool) { return errors.AsType[*admin.Problem](err) }

// forPrograms finds a next step that is none on a page: it speaks of what there is
// a page for as the command line has it, or of paths and fields of the API.
var forPrograms = regexp.MustCompile("`weighbridge (?:[a-z0-9-]+ (?:list|show|update)|explain|link)\\b|(?:^|[ (])--[a-z]|/api/v1/|If-Match")

// told is a problem as a page shows it: with the next step of a page where the
// API has none or one for programs, and where it is about a form that was sent
// twice; when to try again stands in its words, and in the field for programs.
func (v *visit) told(prob *admin.Problem) *admin.Problem {
	said := *prob
	said.Next = v.nextStep(prob.Code, prob.Next)
	if detail := v.p.pages().text.optional("problem-said." + prob.Code); detail != "" {
		said.Detail, said.Next = detail, v.nextStep(prob.Code, "")
	}
	if prob.RetryAfter <= 0 {
		return &said
	}
	v.w.Header().Set("Retry-After", strconv.Itoa(prob.RetryAfter))
	wait := quantity(prob.RetryAfter, "second")
	if prob.RetryAfter > 2*60 {
		wait = quantity((prob.RetryAfter+59)/60, "minute")
	}
	said.Next = v.say("problem.wait", wait)
	return &said
}

// nextStep is what to do about a code: next, or what a page says of it where that
// is nothing, or for programs.
func (v *visit) nextStep(code, next string) string {
	if own := v.p.pages().text.optional("problem-next." + code); own != "" && (next == "" || forPrograms.MatchString(next)) {
		return own
	}
	return next
}
