package sigv4

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/signer/s3err"
)

const (
	// maxAuthorization bounds the field and the parameters that carry a
	// signature, in bytes. boto3's are below 400.
	maxAuthorization = 4 << 10
	// maxSignedHeaders bounds the list of signed headers.
	maxSignedHeaders = 100
	// maxAccessKeyID is the length of the longest access key id in bytes (AWS
	// IAM API Reference, AccessKey).
	maxAccessKeyID = 128
	// maxRegion is the length of the longest region: one label of a host name.
	maxRegion = 63
)

// claim is a signature as it was presented, well-formed but not believed.
type claim struct {
	accessKeyID   string
	scope         Scope
	signedHeaders []string
	signature     string
	// date is X-Amz-Date as signed, at the same as a time.
	date string
	at   time.Time
	// life is how long a presigned URL is good for.
	life      time.Duration
	presigned bool
	// code is S3's for a claim of this kind that is malformed.
	code s3err.Code
}

// The next steps that are given more than once.
const (
	nextV4    = "Set signature_version to s3v4: in boto3 Config(signature_version='s3v4'), in ~/.aws/config s3 = signature_version = s3v4."
	nextSign  = "Sign it with an S3 access key of weighbridge, by AWS Signature Version 4."
	nextOne   = "Send one signature: in the Authorization header or in the query."
	nextOrder = "Let nothing between the client and weighbridge change the request."
)

// findClaim finds the one signature of a request. Its error is final.
func findClaim(in *Incoming, q Query) (*claim, *s3err.Error) {
	authorization, times := field(in.Fields, HeaderAuthorization)
	if times > 1 {
		return nil, s3err.New(s3err.InvalidRequest, "The request has more than one Authorization header.", nextOne)
	}
	v4, v2, google := querySchemes(q)
	switch schemes := count(times == 1, v4, v2, google); {
	case schemes == 0:
		return nil, s3err.New(s3err.AccessDenied, "The request is not signed.", nextSign)
	case schemes > 1:
		return nil, s3err.New(s3err.InvalidArgument, "Only one auth mechanism allowed; the request has a signature in more than one place.", nextOne)
	case v2:
		return nil, errVersion2()
	case google:
		return nil, s3err.New(s3err.InvalidRequest, "The URL is signed by Google's method.", nextSign)
	case v4:
		return presignedClaim(q)
	}
	return headerClaim(authorization, in.Fields)
}

// querySchemes tells which kinds of signature a query carries any part of.
func querySchemes(q Query) (v4, v2, google bool) {
	for _, p := range q {
		switch name := strings.ToLower(p.Name); name {
		case "x-amz-algorithm", "x-amz-credential", "x-amz-signature", "x-amz-signedheaders", "x-amz-expires":
			v4 = true
		case "awsaccesskeyid", "signature":
			v2 = true
		case "googleaccessid", "x-goog-algorithm", "x-goog-credential", "x-goog-signature":
			google = true
		}
	}
	if google { // its V2 has a Signature, too
		v2 = false
	}
	return v4, v2, google
}

func count(conditions ...bool) (n int) {
	for _, c := range conditions {
		if c {
			n++
		}
	}
	return n
}

func errVersion2() *s3err.Error {
	return s3err.New(s3err.InvalidRequest, "The request is signed by AWS Signature Version 2; only Version 4 (AWS4-HMAC-SHA256) is supported.", nextV4)
}

// checkAlgorithm names those that clients really send.
func (c *claim) checkAlgorithm(algorithm string) *s3err.Error {
	switch {
	case algorithm == Algorithm:
		return nil
	case algorithm == "AWS":
		return errVersion2()
	case strings.HasPrefix(algorithm, "AWS4-ECDSA-"):
		return s3err.New(s3err.InvalidRequest, "The request is signed by AWS Signature Version 4A, which is not supported.",
			"Use a plain bucket name and not a multi-region access point; clients then sign by Version 4 (AWS4-HMAC-SHA256).")
	case strings.HasPrefix(algorithm, "AWS4-"):
		return s3err.New(c.code, "The algorithm of the signature is not supported.", "Sign by AWS4-HMAC-SHA256.")
	}
	return s3err.New(s3err.InvalidArgument, "The type of the Authorization is not supported.", nextSign)
}

func (c *claim) malformed(message string) *s3err.Error { return s3err.New(c.code, message, nextSign) }

// headerClaim reads "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…,
// Signature=…"; some clients leave the blanks after the commas out.
func headerClaim(authorization string, fields []Field) (*claim, *s3err.Error) {
	c := &claim{code: s3err.AuthHeaderMalformed}
	if len(authorization) > maxAuthorization {
		return nil, c.malformed("The Authorization header is longer than 4 KiB.")
	}
	algorithm, rest, _ := strings.Cut(strings.Trim(authorization, " "), " ")
	if err := c.checkAlgorithm(algorithm); err != nil {
		return nil, err
	}
	var credential, signed string
	parts := 0
	for more := true; more; parts++ {
		var part string
		part, rest, more = strings.Cut(rest, ",")
		name, value, _ := strings.Cut(strings.Trim(part, " "), "=")
		var into *string
		switch name {
		case "Credential":
			into = &credential
		case "SignedHeaders":
			into = &signed
		case "Signature":
			into = &c.signature
		}
		if into == nil || *into != "" || value == "" {
			return nil, c.malformed("The Authorization header does not consist of Credential, SignedHeaders and Signature, each once.")
		}
		*into = value
	}
	if parts != 3 {
		return nil, c.malformed("The Authorization header does not consist of Credential, SignedHeaders and Signature, each once.")
	}
	if err := c.parseCredential(credential); err != nil {
		return nil, err
	}
	if err := c.parseHeaderDate(fields); err != nil {
		return nil, err
	}
	return c, c.parseSignedHeaders(signed)
}

// presignedClaim reads the parameters of a presigned URL.
func presignedClaim(q Query) (*claim, *s3err.Error) {
	c := &claim{code: s3err.AuthQueryParameters, presigned: true}
	var algorithm, credential, expires, signed string
	for _, p := range [...]struct {
		name string
		into *string
	}{
		{paramAlgorithm, &algorithm}, {paramCredential, &credential}, {paramDate, &c.date},
		{paramExpires, &expires}, {paramSignedHeaders, &signed}, {paramSignature, &c.signature},
	} {
		value, times := q.getFold(p.name)
		switch {
		case times == 0 || value == "":
			return nil, c.malformed("A presigned URL has the parameters X-Amz-Algorithm, X-Amz-Credential, X-Amz-Date, X-Amz-Expires, X-Amz-SignedHeaders and X-Amz-Signature; " + p.name + " is missing.")
		case times > 1:
			return nil, c.malformed("The parameter " + p.name + " occurs more than once.")
		case len(value) > maxAuthorization:
			return nil, c.malformed("The parameter " + p.name + " is longer than 4 KiB.")
		}
		*p.into = value
	}
	if err := c.checkAlgorithm(algorithm); err != nil {
		return nil, err
	}
	if err := c.parseCredential(credential); err != nil {
		return nil, err
	}
	if err := c.parseDate("X-Amz-Date"); err != nil {
		return nil, err
	}
	seconds, err := strconv.ParseUint(expires, 10, 32)
	if err != nil || expires[0] == '+' || seconds < 1 || seconds > uint64(MaxExpires/time.Second) {
		return nil, c.malformed("X-Amz-Expires is not a number of seconds from 1 to 604800 (seven days).")
	}
	c.life = time.Duration(seconds) * time.Second
	return c, c.parseSignedHeaders(signed)
}

// parseCredential reads "id/YYYYMMDD/region/s3/aws4_request" from the right:
// an id may hold slashes.
func (c *claim) parseCredential(s string) *s3err.Error {
	var parts [4]string
	for i := len(parts) - 1; i >= 0; i-- {
		slash := strings.LastIndexByte(s, '/')
		if slash < 0 {
			return c.malformed("The credential is not of the form <access key id>/YYYYMMDD/<region>/s3/aws4_request.")
		}
		s, parts[i] = s[:slash], s[slash+1:]
	}
	c.accessKeyID = s
	c.scope = Scope{Date: parts[0], Region: parts[1], Service: parts[2]}
	switch {
	case c.accessKeyID == "" || len(c.accessKeyID) > maxAccessKeyID || !isGraphic(c.accessKeyID):
		return c.malformed("The access key id is empty, too long, or holds characters that none has.")
	case len(c.scope.Date) != len(dateFormat) || !isDigits(c.scope.Date):
		return c.malformed("The date of the credential is not of the form YYYYMMDD.")
	case !isRegion(c.scope.Region):
		return c.malformed("The region of the credential is not one.")
	case c.scope.Service != ServiceS3:
		return c.malformed("The credential is scoped to another service than s3.")
	case parts[3] != terminator:
		return c.malformed("The credential does not end in aws4_request.")
	}
	return nil
}

// parseHeaderDate takes X-Amz-Date, or Date where that is missing.
func (c *claim) parseHeaderDate(fields []Field) *s3err.Error {
	var times int
	if c.date, times = field(fields, HeaderDate); times == 1 {
		if _, err := time.Parse(TimeFormat, c.date); err != nil || !c.isBasic() {
			return errHeaderDate()
		}
		return c.parseDate("X-Amz-Date")
	}
	date, dates := field(fields, "Date")
	if times > 1 || dates != 1 {
		return errHeaderDate()
	}
	if c.date = date; !c.isBasic() {
		at, err := http.ParseTime(date)
		if err != nil {
			return errHeaderDate()
		}
		c.date = at.UTC().Format(TimeFormat)
	}
	return c.parseDate("Date")
}

// errHeaderDate is S3's answer where a header has no date that it could read
// (Amazon S3 API Reference, "Error responses": AccessDenied, "AWS
// authentication requires a valid Date or x-amz-date header"). In a presigned
// URL the same is 400, as every malformed parameter is.
func errHeaderDate() *s3err.Error {
	return s3err.New(s3err.AccessDenied, "AWS authentication requires a valid Date or x-amz-date header.", nextSign)
}

// isBasic tells ISO 8601 basic from what time.Parse takes beside it, such as
// fractions of a second.
func (c *claim) isBasic() bool { return len(c.date) == len(TimeFormat) && c.date[8] == 'T' }

func (c *claim) parseDate(name string) *s3err.Error {
	at, err := time.Parse(TimeFormat, c.date)
	if err != nil || !c.isBasic() {
		return c.malformed(name + " is not of the form YYYYMMDDTHHMMSSZ.")
	}
	if c.date[:8] != c.scope.Date {
		return c.malformed("The date of the credential is not the date of " + name + ".")
	}
	c.at = at
	return nil
}

// parseSignedHeaders takes lower-case names, sorted, each once, "host" among
// them.
func (c *claim) parseSignedHeaders(s string) *s3err.Error {
	if strings.Count(s, ";") >= maxSignedHeaders {
		return c.malformed("SignedHeaders lists more than 100 names.")
	}
	c.signedHeaders = strings.Split(s, ";")
	for i, name := range c.signedHeaders {
		if !isToken(name) || i > 0 && c.signedHeaders[i-1] >= name {
			return c.malformed("SignedHeaders is not a list of lower-case names, sorted, each once.")
		}
	}
	if _, signed := slices.BinarySearch(c.signedHeaders, "host"); !signed {
		return s3err.New(s3err.AccessDenied, "SignedHeaders does not list host.", nextSign)
	}
	return nil
}
