package sigv4

import "strings"

// The query parameters of a presigned URL (SigV4, "Using Query Parameters").
const (
	paramAlgorithm     = "X-Amz-Algorithm"
	paramCredential    = "X-Amz-Credential"
	paramDate          = "X-Amz-Date"
	paramExpires       = "X-Amz-Expires"
	paramSignedHeaders = "X-Amz-SignedHeaders"
	paramSignature     = "X-Amz-Signature"
	paramSecurityToken = "X-Amz-Security-Token"
	paramContentSHA256 = "X-Amz-Content-Sha256"
)

// signingParams authorize a request, or would be taken as trying to, and
// never travel on when a request is signed afresh. Beside those of Version 4:
//   - S3 Express sessions (CreateSession);
//   - Signature Version 2 ("Query string request authentication alternative");
//   - Google Cloud Storage, "Signed URLs", V2. Those of V4 begin with X-Goog-.
var signingParams = []string{
	paramAlgorithm, paramCredential, paramDate, paramExpires, paramSignedHeaders, paramSignature,
	paramSecurityToken, paramContentSHA256,
	"X-Amz-S3session-Token",
	paramV2AccessKey, paramV2Signature, paramV2Expires,
	"GoogleAccessId",
}

const (
	paramV2AccessKey = "AWSAccessKeyId"
	paramV2Signature = "Signature"
	paramV2Expires   = "Expires"
)

const googPrefix = "x-goog-"

// IsSigningParam reports whether the query parameter name, decoded, belongs to
// a signature of any kind. Names are compared without case, as the most
// lenient server would.
func IsSigningParam(name string) bool {
	if hasPrefixFold(name, googPrefix) {
		return true
	}
	for _, p := range signingParams {
		if len(name) == len(p) && strings.EqualFold(name, p) {
			return true
		}
	}
	return false
}

// hasPrefixFold reports whether s begins with the lower-case prefix in any
// case.
func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
