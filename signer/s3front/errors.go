package s3front

import (
	"fmt"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3err"
)

// deny makes an error in both worlds: the house's code for record, metrics and
// X-Weighbridge-Error, and S3's for the client. reason is in the form of the
// house's, without a full stop.
func deny(code auth.Code, s3 s3err.Code, reason, next string) *auth.Error {
	e := s3err.New(s3, sentence(reason), next)
	return &auth.Error{Code: code, Status: e.HTTPStatus(), Reason: reason, Next: next, Cause: e}
}

// house makes an *auth.Error of what the verifier says.
func house(err error) *auth.Error {
	e := s3err.As(err)
	code := auth.CodeBadRequest
	switch e.Code {
	case s3err.InvalidAccessKeyID:
		code = auth.CodeKeyInvalid
	case s3err.SignatureDoesNotMatch, s3err.RequestTimeTooSkewed, s3err.AccessDenied:
		code = auth.CodeSignatureInvalid
	case s3err.InvalidURI, s3err.InvalidBucketName, s3err.KeyTooLong:
		code = auth.CodeBadTarget
	case s3err.InternalError:
		code = auth.CodeInternal
	}
	reason := strings.TrimSuffix(e.Message, ".")
	if reason != "" {
		reason = strings.ToLower(reason[:1]) + reason[1:]
	}
	out := &auth.Error{Code: code, Status: e.HTTPStatus(), Reason: reason, Next: e.Next, Cause: e}
	if e.Code == s3err.SignatureDoesNotMatch {
		out.Cause = fmt.Errorf("%w: %w", e, auth.ErrWrongSecret)
	}
	return out
}

// errNotHere is what is said of everything that a key may not touch: the same
// whether it exists or not.
func errNotHere(bucket, why string) *auth.Error {
	return deny(auth.CodeRouteForbidden, s3err.AccessDenied, "the S3 access key may not touch this in the bucket "+show(bucket)+": "+why,
		"Run `weighbridge s3-key show NAME` for its buckets and prefixes, and link a credential of provider s3 with a pattern for the bucket.")
}
