package auth

import "strings"

// signature says what a query's foreign signature is: a URL that carries a
// complete one authorizes itself, so nothing may be put on it and no byte of
// it changed.
type signature struct {
	complete bool
	// bearer says that a Bearer must accompany it: a user delegation SAS that
	// names the user it is bound to (sduoid).
	bearer bool
}

// signed are the parameters that signatures consist of, as bits.
type signedParam uint32

const (
	amzSignature  signedParam = 1 << iota // SigV4, query form
	amzCredential                         // or X-Amz-Algorithm
	googSignature
	googCredential
	xetRange
	plainSignature // SigV2, CloudFront, GCS V2
	awsAccessKey
	googleAccess
	expires
	policy
	keyPair
	sasSignature
	sasExpiry
	sasStored
	sasVersion
	sasPermission
	sasUser
)

// signedParams names them, lower-case.
//
//   - X-Amz-…: AWS Signature Version 4, "Authenticating requests: using query
//     parameters"; R2, MinIO and Ceph speak the same.
//   - AWSAccessKeyId, Signature, Expires: AWS Signature Version 2, "Query
//     string request authentication alternative".
//   - X-Goog-…, GoogleAccessId: Google Cloud Storage, "Signed URLs", V4 and V2.
//   - Key-Pair-Id, Policy: Amazon CloudFront, "Signed URLs", canned and custom
//     policy.
//   - sig, se, si, sv, sp, sduoid: Azure Storage, "Create a service SAS",
//     "Create a user delegation SAS".
//   - X-Xet-Signed-Range: the Hub's transfer hosts.
var signedParams = map[string]signedParam{
	"x-amz-signature":    amzSignature,
	"x-amz-credential":   amzCredential,
	"x-amz-algorithm":    amzCredential,
	"x-goog-signature":   googSignature,
	"x-goog-credential":  googCredential,
	"x-goog-algorithm":   googCredential,
	"x-xet-signed-range": xetRange,
	"signature":          plainSignature,
	"awsaccesskeyid":     awsAccessKey,
	"googleaccessid":     googleAccess,
	"expires":            expires,
	"policy":             policy,
	"key-pair-id":        keyPair,
	"sig":                sasSignature,
	"se":                 sasExpiry,
	"si":                 sasStored,
	"sv":                 sasVersion,
	"sp":                 sasPermission,
	"sduoid":             sasUser,
}

const longestSignedParam = len("x-xet-signed-range")

// signatureOf looks for a complete foreign signature in a raw query. Names
// are compared decoded and without case, as the most lenient server would; a
// parameter without value is none. Only "&" separates parameters.
func signatureOf(rawQuery string) signature {
	if rawQuery == "" {
		return signature{}
	}
	var have signedParam
	for rest, more := rawQuery, true; more; {
		var pair string
		pair, rest, more = strings.Cut(rest, "&")
		name, value, _ := strings.Cut(pair, "=")
		if value != "" {
			have |= signedParamOf(name)
		}
	}
	all := func(p signedParam) bool { return have&p == p }
	sas := all(sasSignature) && (all(sasExpiry) || all(sasStored) || all(sasVersion|sasPermission))
	return signature{
		complete: sas ||
			all(amzSignature|amzCredential) ||
			all(googSignature|googCredential) ||
			all(xetRange) ||
			all(plainSignature|expires|awsAccessKey) ||
			all(plainSignature|expires|googleAccess) ||
			all(plainSignature|keyPair|policy) ||
			all(plainSignature|keyPair|expires),
		bearer: sas && all(sasUser),
	}
}

// signedParamOf decodes and lower-cases name without allocating.
func signedParamOf(name string) signedParam {
	var buf [longestSignedParam]byte
	n := 0
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c == '%' && i+2 < len(name) && isHex(name[i+1]) && isHex(name[i+2]) {
			c = unhex(name[i+1])<<4 | unhex(name[i+2])
			i += 2
		}
		if n == len(buf) {
			return 0
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		buf[n] = c
		n++
	}
	return signedParams[string(buf[:n])]
}
