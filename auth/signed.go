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
	// ranged says that it covers the request's Range.
	ranged bool
}

// signedParams is a set of the parameters that signatures consist of.
type signedParams uint32

const (
	amzSignature signedParams = 1 << iota
	amzCredential
	googSignature
	googCredential
	xetRange
	plainSignature
	plainExpires
	awsAccessKey
	googleAccess
	cloudFrontPolicy
	cloudFrontKey
	sasSignature
	sasExpiry
	sasStored
	sasVersion
	sasPermission
	sasUser
)

// completeSignatures are the sets that sign a URL.
//
//   - AWS Signature Version 4, "Authenticating requests: using query
//     parameters"; R2, MinIO and Ceph speak the same. Version 2, "Query string
//     request authentication alternative".
//   - Google Cloud Storage, "Signed URLs", V4 and V2.
//   - Amazon CloudFront, "Signed URLs", custom and canned policy.
//   - Azure Storage, "Create a service SAS": the expiry may stand in a stored
//     policy (si), and other services of Azure sign version and permission.
//   - The Hub's transfer hosts.
var completeSignatures = [...]signedParams{
	amzSignature | amzCredential,
	plainSignature | plainExpires | awsAccessKey,
	googSignature | googCredential,
	plainSignature | plainExpires | googleAccess,
	plainSignature | cloudFrontKey | cloudFrontPolicy,
	plainSignature | cloudFrontKey | plainExpires,
	sasSignature | sasExpiry,
	sasSignature | sasStored,
	sasSignature | sasVersion | sasPermission,
	xetRange,
}

// signatureOf looks for a complete foreign signature in a raw query. Names
// are compared decoded and without case, as the most lenient server would; a
// parameter without value is none. Only "&" separates parameters.
func signatureOf(rawQuery string) (s signature) {
	if rawQuery == "" {
		return signature{}
	}
	var have signedParams
	for rest, more := rawQuery, true; more; {
		var pair string
		pair, rest, more = strings.Cut(rest, "&")
		if name, value, _ := strings.Cut(pair, "="); value != "" {
			have |= signedParam(name)
		}
	}
	for _, set := range completeSignatures {
		if have&set == set {
			s.complete = true
			s.bearer = s.bearer || set&sasSignature != 0 && have&sasUser != 0
			s.ranged = s.ranged || set&xetRange != 0
		}
	}
	return s
}

// signedParam finds the parameter that name, decoded and lower-cased, is.
func signedParam(name string) signedParams {
	var buf [len("x-xet-signed-range")]byte // the longest
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
	switch string(buf[:n]) {
	case "x-amz-signature":
		return amzSignature
	case "x-amz-credential", "x-amz-algorithm":
		return amzCredential
	case "x-goog-signature":
		return googSignature
	case "x-goog-credential", "x-goog-algorithm":
		return googCredential
	case "x-xet-signed-range":
		return xetRange
	case "signature":
		return plainSignature
	case "expires":
		return plainExpires
	case "awsaccesskeyid":
		return awsAccessKey
	case "googleaccessid":
		return googleAccess
	case "policy":
		return cloudFrontPolicy
	case "key-pair-id":
		return cloudFrontKey
	case "sig":
		return sasSignature
	case "se":
		return sasExpiry
	case "si":
		return sasStored
	case "sv":
		return sasVersion
	case "sp":
		return sasPermission
	case "sduoid":
		return sasUser
	}
	return 0
}
