package sigv4

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/weighbridge/weighbridge/auth"
)

// Signer signs requests with one version of one credential. It is safe for
// concurrent use.
//
// Make a new one for each version of a credential and drop it with that
// version: the SDK keeps derived keys by access key id and day without looking
// at the secret, so a Signer that outlived a corrected secret would go on
// signing with the old one until midnight UTC.
type Signer struct {
	id            string
	secret, token auth.Secret
	signer        *v4.Signer
}

// Request is what of an outgoing request is signed. Whatever else it carries
// (Range, conditionals, Accept-Encoding, Via, User-Agent) stays unsigned and
// may change on the way.
type Request struct {
	Method string
	// Host is the Host that is sent, byte for byte: lower-case, without a
	// default port.
	Host string
	// Path and Query are sent as Path.String and Query.Canonical give them.
	Path  Path
	Query Query
	// Region and Service ("" means s3) make the scope.
	Region, Service string
	// Fields are the x-amz-* and x-goog-* fields that are sent; those of the
	// protocol itself are not among them.
	Fields []Field
	// Payload is the hexadecimal SHA-256 of the body, or UnsignedPayload; ""
	// means EmptyPayload. It does not bear on Presign.
	Payload string
}

// Signed are the header fields to set on a request beside Request.Fields.
type Signed struct {
	Authorization, Date, ContentSHA256 string
	// SecurityToken is empty for a credential without session token.
	SecurityToken string
}

// Signature is that in Authorization, in hexadecimal; "" where there is none.
// Whoever has it can make the same request for fifteen minutes (Amazon S3 API
// Reference, "Authenticating Requests").
func (s Signed) Signature() string {
	const name = "Signature="
	if i := strings.LastIndex(s.Authorization, name); i >= 0 {
		return s.Authorization[i+len(name):]
	}
	return ""
}

// Fields lists what is to be set.
func (s Signed) Fields() []Field {
	f := []Field{{HeaderAuthorization, s.Authorization}, {HeaderDate, s.Date}, {HeaderContentSHA256, s.ContentSHA256}}
	if s.SecurityToken != "" {
		f = append(f, Field{HeaderSecurityToken, s.SecurityToken})
	}
	return f
}

// NewSigner makes the signer of a credential version; token is zero unless
// the credential is temporary.
func NewSigner(accessKeyID string, secret, token auth.Secret) *Signer {
	return &Signer{
		id: accessKeyID, secret: secret, token: token,
		signer: v4.NewSigner(func(o *v4.SignerOptions) {
			o.DisableURIPathEscaping = true // S3 signs the path as it is sent
			o.DisableHeaderHoisting = true
		}),
	}
}

// Sign signs r as of at. An error means that nothing may be sent; it is
// private, and holds no secret and no query.
func (s *Signer) Sign(ctx context.Context, r Request, at time.Time) (Signed, error) {
	payload := r.Payload
	if payload == "" {
		payload = EmptyPayload
	}
	query := r.Query.Canonical()
	req, err := s.throwAway(r, query, payload)
	if err != nil {
		return Signed{}, err
	}
	if err := s.signer.SignHTTP(ctx, s.credentials(), req, payload, r.service(), r.Region, at); err != nil {
		return Signed{}, err
	}
	if req.URL.RawQuery != query || req.Host != r.Host {
		return Signed{}, errForm
	}
	return Signed{
		Authorization: req.Header.Get(HeaderAuthorization),
		Date:          req.Header.Get(HeaderDate),
		ContentSHA256: payload,
		SecurityToken: req.Header.Get(HeaderSecurityToken),
	}, nil
}

// credentials are made anew for each request, so that the secret stays where
// nothing prints it.
func (s *Signer) credentials() aws.Credentials {
	return aws.Credentials{AccessKeyID: s.id, SecretAccessKey: s.secret.Reveal(), SessionToken: s.token.Reveal()}
}

func (r Request) service() string {
	if r.Service == "" {
		return ServiceS3
	}
	return r.Service
}

var (
	errForm  = errors.New("sigv4: the signer changed the form of the request")
	errField = errors.New("sigv4: a header field is not one to be signed")
	errHost  = errors.New("sigv4: the request has no method, host or region")
)

// throwAway is the request that the SDK's signer sees: it signs every header
// field that it is given, so it is given none but those of r. The URL has no
// scheme, or it would take default ports off and the brackets of IPv6
// addresses with them.
func (s *Signer) throwAway(r Request, query, payload string) (*http.Request, error) {
	if r.Method == "" || r.Host == "" || r.Region == "" {
		return nil, errHost
	}
	t := &struct {
		req    http.Request
		url    url.URL
		values [8]string // backs the values of the header
	}{}
	t.url = url.URL{Host: r.Host, Path: r.Path.Decoded(), RawPath: r.Path.String(), RawQuery: query}
	if t.url.EscapedPath() != r.Path.String() {
		return nil, errForm // a RawPath that does not fit Path is ignored silently
	}
	header := make(http.Header, len(r.Fields)+4)
	values := t.values[:0]
	add := func(name, value string) {
		n := len(values)
		values = append(values, value)
		header[name] = values[n : n+1 : n+1]
	}
	for _, f := range r.Fields {
		if !mayBeSigned(f) {
			return nil, errField
		}
		// In lower case the signer takes the name as it is. Its own fields,
		// which it would join to these, have been refused.
		name := strings.ToLower(f.Name)
		if header[name] == nil {
			add(name, f.Value)
		} else {
			header[name] = append(header[name], f.Value)
		}
	}
	if payload != "" {
		add("x-amz-content-sha256", payload)
		// Places for the signer's own, which it appends to what it finds.
		for _, name := range [...]string{HeaderAuthorization, HeaderDate, HeaderSecurityToken} {
			if name != HeaderSecurityToken || !s.token.IsZero() {
				add(name, "")
				header[name] = header[name][:0]
			}
		}
	}
	t.req = http.Request{Method: r.Method, URL: &t.url, Host: r.Host, Header: header}
	return &t.req, nil
}

// mayBeSigned reports whether f may stand in Request.Fields.
func mayBeSigned(f Field) bool {
	if !IsAmz(f.Name) && !hasPrefixFold(f.Name, googPrefix) || IsSigningField(f.Name) {
		return false
	}
	for i := 0; i < len(f.Name); i++ {
		if c := f.Name[i]; !unreserved[c] {
			return false
		}
	}
	if strings.TrimSpace(f.Value) != strings.Trim(f.Value, " \t") {
		return false // the signer trims any blank of Unicode, others do not
	}
	return strings.IndexFunc(f.Value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) < 0
}
