package s3err

import "net/http"

// Code is an error code of S3. Clients decide by it whether to retry, to
// refresh a credential or to give up, so each is used in S3's own sense.
type Code string

// The codes that weighbridge answers with.
const (
	AccessDenied          Code = "AccessDenied"
	AuthHeaderMalformed   Code = "AuthorizationHeaderMalformed"
	AuthQueryParameters   Code = "AuthorizationQueryParametersError"
	BadDigest             Code = "BadDigest"
	ContentSHA256Mismatch Code = "XAmzContentSHA256Mismatch"
	EntityTooLarge        Code = "EntityTooLarge"
	IncompleteBody        Code = "IncompleteBody"
	InternalError         Code = "InternalError"
	InvalidAccessKeyID    Code = "InvalidAccessKeyId"
	InvalidArgument       Code = "InvalidArgument"
	InvalidBucketName     Code = "InvalidBucketName"
	InvalidChunkSize      Code = "InvalidChunkSizeError"
	InvalidDigest         Code = "InvalidDigest"
	InvalidRange          Code = "InvalidRange"
	InvalidRequest        Code = "InvalidRequest"
	InvalidToken          Code = "InvalidToken"
	InvalidURI            Code = "InvalidURI"
	KeyTooLong            Code = "KeyTooLongError"
	MalformedTrailer      Code = "MalformedTrailerError"
	MalformedXML          Code = "MalformedXML"
	MethodNotAllowed      Code = "MethodNotAllowed"
	MissingContentLength  Code = "MissingContentLength"
	NoSuchBucket          Code = "NoSuchBucket"
	NoSuchKey             Code = "NoSuchKey"
	NotImplemented        Code = "NotImplemented"
	PreconditionFailed    Code = "PreconditionFailed"
	RequestHeaderTooLarge Code = "RequestHeaderSectionTooLarge"
	RequestTimeTooSkewed  Code = "RequestTimeTooSkewed"
	RequestTimeout        Code = "RequestTimeout"
	ServiceUnavailable    Code = "ServiceUnavailable"
	SignatureDoesNotMatch Code = "SignatureDoesNotMatch"
	SlowDown              Code = "SlowDown"
	UnsupportedSignature  Code = "UnsupportedSignature"
)

// statuses are those of the list of error codes in the Amazon S3 API
// Reference. A code that is not here is InternalError.
var statuses = map[Code]int{
	AccessDenied:          http.StatusForbidden,
	AuthHeaderMalformed:   http.StatusBadRequest,
	AuthQueryParameters:   http.StatusBadRequest,
	BadDigest:             http.StatusBadRequest,
	ContentSHA256Mismatch: http.StatusBadRequest,
	EntityTooLarge:        http.StatusBadRequest,
	IncompleteBody:        http.StatusBadRequest,
	InternalError:         http.StatusInternalServerError,
	InvalidAccessKeyID:    http.StatusForbidden,
	InvalidArgument:       http.StatusBadRequest,
	InvalidBucketName:     http.StatusBadRequest,
	InvalidChunkSize:      http.StatusForbidden,
	InvalidDigest:         http.StatusBadRequest,
	InvalidRange:          http.StatusRequestedRangeNotSatisfiable,
	InvalidRequest:        http.StatusBadRequest,
	InvalidToken:          http.StatusBadRequest,
	InvalidURI:            http.StatusBadRequest,
	KeyTooLong:            http.StatusBadRequest,
	MalformedTrailer:      http.StatusBadRequest,
	MalformedXML:          http.StatusBadRequest,
	MethodNotAllowed:      http.StatusMethodNotAllowed,
	MissingContentLength:  http.StatusLengthRequired,
	NoSuchBucket:          http.StatusNotFound,
	NoSuchKey:             http.StatusNotFound,
	NotImplemented:        http.StatusNotImplemented,
	PreconditionFailed:    http.StatusPreconditionFailed,
	RequestHeaderTooLarge: http.StatusBadRequest,
	RequestTimeTooSkewed:  http.StatusForbidden,
	RequestTimeout:        http.StatusBadRequest,
	ServiceUnavailable:    http.StatusServiceUnavailable,
	SignatureDoesNotMatch: http.StatusForbidden,
	SlowDown:              http.StatusServiceUnavailable,
	UnsupportedSignature:  http.StatusBadRequest,
}
