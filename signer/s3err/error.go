package s3err

import (
	"errors"
	"net/http"

	"github.com/weighbridge/weighbridge/auth"
)

// Error has two faces, as auth.Error has: Code, Message, Next and Region are
// public; Cause is for the operator's log only and is never sent.
type Error struct {
	Code Code
	// Status overrides the code's HTTP status where it is not zero.
	Status int
	// Message says what happened.
	Message string
	// Next says what the reader can do; it is sent behind Message.
	Next string
	// Region is the one that the client should have signed for, where the
	// error is about that; S3 clients sign again for it.
	Region string
	Cause  error
}

// New makes an Error whose message and next step are final, public text.
func New(code Code, message, next string) *Error {
	return &Error{Code: code, Message: message, Next: next}
}

// Error gives the public face.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Unwrap gives the private cause.
func (e *Error) Unwrap() error { return e.Cause }

// HTTPStatus is the status that this error is answered with.
func (e *Error) HTTPStatus() int {
	if e.Status != 0 {
		return e.Status
	}
	if status, ok := statuses[e.Code]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// As finds what S3 would say of err: the *Error in its tree; else what its
// *auth.Error means in S3's words; else InternalError with nothing of err
// public. It returns nil for nil.
func As(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var house *auth.Error
	if errors.As(err, &house) {
		return fromHouse(house)
	}
	return &Error{Code: InternalError, Message: "An internal error.", Next: "Look at the log of weighbridge at this request id.", Cause: err}
}

// fromHouse keeps status, reason and next step, and finds the code by which
// an S3 client behaves as it should: it retries 5xx and SlowDown, and gives up
// on the others.
func fromHouse(e *auth.Error) *Error {
	out := &Error{Code: AccessDenied, Status: e.HTTPStatus(), Message: e.Reason, Next: e.NextStep(), Cause: e}
	switch e.Code {
	case auth.CodeKeyMissing, auth.CodeKeyExpired, auth.CodeKeyRevoked:
		out.Status = http.StatusForbidden // 401 and 407 are no words of S3
	case auth.CodeKeyInvalid:
		out.Code, out.Status = InvalidAccessKeyID, http.StatusForbidden
	case auth.CodeBadTarget, auth.CodeMisdirected:
		out.Code = InvalidURI
	case auth.CodeBadRequest:
		out.Code = InvalidRequest
	case auth.CodeHeaderTooLarge:
		out.Code = RequestHeaderTooLarge
	case auth.CodeTooManyAttempts, auth.CodeTooManyRequests, auth.CodeTooManyTransfers, auth.CodeOverloaded:
		out.Code = SlowDown
	case auth.CodeUpstreamUnreachable, auth.CodeUpstreamTimeout, auth.CodeUpstreamTLS, auth.CodeUpstreamProtocol,
		auth.CodeAuditUnavailable, auth.CodeStoreUnavailable, auth.CodeIdentityUnavailable, auth.CodeDraining, auth.CodeCredentialFailed:
		out.Code = ServiceUnavailable
	case auth.CodeInternal:
		out.Code = InternalError
	}
	return out
}
