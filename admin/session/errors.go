package session

import (
	"fmt"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// The codes of refusals.
const (
	// CodeSignInFailed is a wrong password, a user that is not or may not, and
	// an OpenID provider that says no: a caller cannot tell which.
	CodeSignInFailed auth.Code = "sign_in_failed"
	// CodeSessionEnded is a session that does not count, or never did.
	CodeSessionEnded auth.Code = "session_ended"
	// CodeRefreshRaced is a refresh secret that another window has just used.
	CodeRefreshRaced auth.Code = "refresh_raced"
	// CodePasswordRefused is a new password that is too weak.
	CodePasswordRefused auth.Code = "password_refused"
	// CodeOIDCUnavailable is an OpenID provider that is not configured, or
	// cannot be asked.
	CodeOIDCUnavailable auth.Code = "oidc_unavailable"
	// CodeSetupInvalid is a one-time secret of the first user that does not
	// count, or not any more.
	CodeSetupInvalid auth.Code = "setup_invalid"
)

func signInFailed(cause error) *auth.Error {
	return &auth.Error{Code: CodeSignInFailed, Status: 401, Reason: "the e-mail address and the password do not belong together, or this user may not sign in",
		Next: "Check both. An operator can set the password anew: `weighbridge user reset-password`.", Cause: cause}
}

func sessionEnded(reason string, cause error) *auth.Error {
	return &auth.Error{Code: CodeSessionEnded, Status: 401, Reason: reason, Next: "Sign in again: POST /api/v1/auth/sign-in.", Cause: cause}
}

func busy(cause error) *auth.Error {
	return &auth.Error{Code: auth.CodeOverloaded, Status: 503, Reason: "too many sign-ins are under way", Next: "Try again in a few seconds.", Cause: cause}
}

// Wait is in the error of a sign-in that came too soon.
type Wait struct{ For time.Duration }

// Error implements error.
func (w *Wait) Error() string { return "too soon by " + w.For.String() }

func tooSoon(wait time.Duration) *auth.Error {
	wait = max(time.Second, wait.Round(time.Second))
	return &auth.Error{Code: auth.CodeTooManyAttempts, Status: 429,
		Reason: fmt.Sprintf("too many sign-ins failed; the next one counts in %v", wait),
		Next:   "Wait as Retry-After says. A device that has signed in before is not held up by others.", Cause: &Wait{wait}}
}
