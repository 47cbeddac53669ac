package signer

import (
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// httpAPIKey is any server that takes a secret in a header field of its own.
type httpAPIKey struct{ anywhere }

var _ provider = httpAPIKey{}

func init() { register(httpAPIKey{}) }

var apiKeyNeeds = []string{"headerName", "headerValue"}

func (httpAPIKey) Schema() auth.Schema {
	return auth.Schema{
		Name:  "http_api_key",
		Title: "HTTP API Key",
		Help:  "Any server that takes a secret in a header field, such as X-API-Key. Give the URL patterns it is meant for.",
		Fields: []auth.Field{
			{Name: "headerName", Title: "Header name", Help: "Such as X-API-Key or Authorization.", Required: true},
			{Name: "headerValue", Title: "Header value", Help: "The whole value, with its scheme where it has one. A token is shown by its ends, anything else not at all.", Required: true, Secret: true, Preview: true},
			validationURL(),
		},
	}
}

func (p httpAPIKey) Check(f auth.Fields) error {
	return checkFields(p.Schema(), f, map[string]fieldRule{
		validationField: validationURLProblem,
		"headerName":    headerNameProblem,
		"headerValue":   headerValueProblem,
	})
}

func (httpAPIKey) needs() []string { return apiKeyNeeds }

func (httpAPIKey) sign(f auth.Fields, out *auth.Outgoing, _ time.Time) (auth.Applied, error) {
	return putHeader(out, f["headerName"].Reveal(), f["headerValue"])
}

// headerNameProblem refuses names that are not a token (RFC 9110, section
// 5.6.2) and the fields that the proxy itself answers for: those of one
// connection (RFC 9110, section 7.6.1), of framing and routing, of ranges and
// conditions (an interrupted transfer is resumed with them), the override
// fields that are always removed, and our own. Cookie is allowed: some
// registries know no other credential.
func headerNameProblem(name string) string {
	if name == "" {
		return "is required"
	}
	for i := 0; i < len(name); i++ {
		if !tokenChar(name[i]) {
			return "is not a header field name (letters, digits and !#$%&'*+-.^_`|~)"
		}
	}
	lower := strings.ToLower(name)
	switch lower {
	case "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings":
		return "is a field of the connection, which a credential may not set"
	case "host", "content-length", "content-encoding", "content-type", "expect", "max-forwards", "via", "forwarded":
		return "frames or routes the message, which a credential may not do"
	case "range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "accept-encoding":
		return "belongs to the transfer, which a credential may not change"
	case "x-http-method", "x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url":
		return "overrides the method or URL, which a credential may not do"
	}
	if strings.HasPrefix(lower, "proxy-") || strings.HasPrefix(lower, "x-forwarded-") || strings.HasPrefix(lower, "x-weighbridge-") {
		return "is a field of the proxy, which a credential may not set"
	}
	return ""
}

// tokenChar is tchar of RFC 9110, section 5.6.2.
func tokenChar(c byte) bool {
	switch {
	case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z':
		return true
	default:
		return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
	}
}

// headerValueProblem refuses what is not a field value of visible ASCII
// characters with spaces between (RFC 9110, section 5.5, without obs-text,
// whose meaning differs between servers). CR, LF and NUL would end the field.
func headerValueProblem(v string) string {
	if strings.Trim(v, " \t\r\n") != v {
		return "has white space around it; remove it (a line end, perhaps)"
	}
	for i := 0; i < len(v); i++ {
		if (v[i] < ' ' && v[i] != '\t') || v[i] >= 0x7f {
			return "may have visible ASCII characters and spaces only, no line ends"
		}
	}
	return ""
}
