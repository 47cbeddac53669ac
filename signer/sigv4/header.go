package sigv4

import "strings"

// Field is a header field: its name in any case and its value as received.
type Field struct{ Name, Value string }

// The header fields of the protocol (SigV4, "Using the Authorization Header").
const (
	HeaderAuthorization = "Authorization"
	HeaderDate          = "X-Amz-Date"
	HeaderContentSHA256 = "X-Amz-Content-Sha256"
	HeaderSecurityToken = "X-Amz-Security-Token"
)

const amzPrefix = "x-amz-"

// IsAmz reports whether the header field name is one of x-amz-*, which S3
// demands to be signed wherever it is present.
func IsAmz(name string) bool { return hasPrefixFold(name, amzPrefix) }

// signingFields are the header fields of a signature, in lower case. The last
// is that of S3 Express sessions (CreateSession).
var signingFields = []string{
	"authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token",
	"x-amz-algorithm", "x-amz-credential", "x-amz-expires", "x-amz-signedheaders", "x-amz-signature",
	"x-amz-s3session-token",
}

// IsSigningField reports whether the header field name belongs to a signature
// itself: such fields of a worker never travel on.
func IsSigningField(name string) bool {
	for _, f := range signingFields {
		if len(name) == len(f) && strings.EqualFold(name, f) {
			return true
		}
	}
	return false
}

// CanonicalHeaders writes the fields that signed lists, in its order, one a
// line: the lower-case name, ":", and the value with surrounding blanks removed
// and runs of spaces made one; the values of a name that occurs more than once
// are joined with "," in their order (SigV4, CanonicalHeaders). host is the
// value of the name "host"; fields called Host are not looked at.
//
// signed holds lower-case names. missing is the first of them that is not
// there, or "".
func CanonicalHeaders(host string, fields []Field, signed []string) (headers, missing string) {
	size := len(host)
	for _, name := range signed {
		size += len(name) + 2
	}
	for _, f := range fields {
		size += len(f.Value) + 1
	}
	var b strings.Builder
	b.Grow(size)
	for _, name := range signed {
		b.WriteString(name)
		b.WriteByte(':')
		found := name == "host"
		if found {
			writeTrimmed(&b, host)
		} else {
			for _, f := range fields {
				if len(f.Name) != len(name) || !strings.EqualFold(f.Name, name) {
					continue
				}
				if found {
					b.WriteByte(',')
				}
				found = true
				writeTrimmed(&b, f.Value)
			}
		}
		if !found {
			return "", name
		}
		b.WriteByte('\n')
	}
	return b.String(), ""
}

// writeTrimmed writes v with blanks at its ends removed and runs of spaces
// within made one (SigV4, Trim). Tabs within stay: the AWS SDKs for Go and
// JavaScript keep them.
func writeTrimmed(b *strings.Builder, v string) {
	v = strings.Trim(v, " \t")
	for i := 0; i < len(v); i++ {
		if v[i] != ' ' || v[i-1] != ' ' { // v does not begin with a space
			b.WriteByte(v[i])
		}
	}
}
