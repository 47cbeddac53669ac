package signer

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3host"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

// s3Engine signs requests to S3, and remembers what S3 has taught it.
type s3Engine struct {
	now     func() time.Time
	means   *means
	signers s3Signers
	lessons s3Lessons
	// policies are those of sessions.
	policies s3Policies
}

func (s3) engine(now func() time.Time, m *means) engine { return &s3Engine{now: now, means: m} }

var _ engine = (*s3Engine)(nil)

// plan is where a request goes and for which scope it is signed.
type s3Plan struct {
	// Whose plan it is: that of one version of a credential, for a method.
	credential string
	version    uint64
	method     string

	// request has path and query as they are sent.
	request s3Request
	target  auth.Target
	region  string
	// learned is the region that was known of the bucket, or empty; offset is by
	// how much the request is dated otherwise than our clock says. What an answer
	// teaches is measured by them: others learn meanwhile.
	learned string
	offset  time.Duration
}

// plan works a request out. It is the same for the target as it came and for
// the one that it returns.
func (e *s3Engine) plan(d *auth.Decision, method string, t auth.Target) (*s3Plan, error) {
	dialect, err := parseS3Dialect(s3{}.Dialect(d.Params))
	if err != nil {
		return nil, err
	}
	r, ok := dialect.read(method, &t)
	switch {
	case !ok:
		return nil, errors.New("the URL names nothing of S3")
	case r.refused != "":
		return nil, errors.New(r.refused)
	}
	p := &s3Plan{credential: d.CredentialID, version: d.Version, method: method, request: r, target: t}
	own := d.Params[s3Region]
	if !s3host.ValidRegion(own) || r.host.Service == s3host.AWS && !r.host.TakesRegion(own) {
		own = ""
	}
	p.learned, p.offset = e.lessons.of(d, r.bucketName())
	move := "" // the region that the host is to be of
	switch {
	case p.learned != "":
		p.region, move = p.learned, p.learned
	case r.host.Implied && own != "":
		p.region, move = own, own
	case r.host.Region != "":
		p.region = r.host.Region
	case own != "":
		p.region = own
	default:
		p.region = "us-east-1"
	}
	if r.host.Service != s3host.AWS {
		move = ""
	}
	style := s3host.Style(d.Params[s3AddressingStyle])
	if style == "auto" {
		style = ""
	}
	host, prefix, err := r.host.Upstream(r.bucket, move, style)
	if err != nil {
		return nil, err
	}
	p.target.Host = host
	if (prefix != "") != (r.host.Bucket == "") { // not in the style that it came in
		if p.request.path, err = sigv4.ParsePath(prefix+"/"+encodePath(r.key), sigv4.PathRule{EmptySegments: true}); err != nil {
			return nil, err
		}
	}
	p.target.Path = p.request.path.String()
	p.request.query = r.outgoingQuery()
	p.target.RawQuery = p.request.query.Canonical()
	p.target.HasQuery = p.target.RawQuery != ""
	return p, nil
}

// bucketName tells buckets apart in what is remembered.
func (r *s3Request) bucketName() string {
	if r.host.AccessPoint {
		return r.host.Bucket + "." + r.host.Base
	}
	return r.bucket
}

// outgoingQuery is the query without what is left of signatures, and without
// x-id at Cloud Storage, which refuses parameters that it does not know.
func (r *s3Request) outgoingQuery() sigv4.Query {
	gcs := r.host.Service == s3host.GCS
	return r.query.Without(func(name string) bool {
		return sigv4.IsSigningParam(name) || sigv4.IsAmz(name) || gcs && strings.EqualFold(name, "x-id")
	})
}

// aim implements engine. What it found out is kept for put and learn, which
// need the same.
func (e *s3Engine) aim(d *auth.Decision, out *auth.Outgoing) error {
	p, err := e.plan(d, out.Method, out.Target)
	if err == nil {
		out.Target, out.Aimed = p.target, p
	}
	return err
}

// planOf is the plan of a request that was aimed.
func (e *s3Engine) planOf(d *auth.Decision, out *auth.Outgoing) (*s3Plan, error) {
	if p, ok := out.Aimed.(*s3Plan); ok && p.method == out.Method && p.target == out.Target && p.credential == d.CredentialID && p.version == d.Version {
		return p, nil
	}
	return e.plan(d, out.Method, out.Target)
}

var s3Needs = []string{s3AccessKeyID, s3SecretAccessKey, s3SessionToken}

// put implements engine.
func (e *s3Engine) put(ctx context.Context, d *auth.Decision, open openFields, out *auth.Outgoing) (auth.Applied, error) {
	p, err := e.planOf(d, out)
	if err != nil {
		return auth.Applied{}, err
	}
	if p.target != out.Target {
		return auth.Applied{}, errors.New("the request is not in the form in which it is signed")
	}
	header, err := s3HeaderOf(out, d.Params[s3RequestPayer] == "allow")
	if err != nil {
		return auth.Applied{}, err
	}
	keys, err := e.keysOf(ctx, d, open, p)
	if err != nil {
		return auth.Applied{}, err
	}
	if !visible(keys.ID) || !visible(keys.Secret) || keys.Token != "" && !visible(keys.Token) {
		return auth.Applied{}, errUnsendable
	}
	own := e.signers.of(d, keys)
	signed, err := own.signer.Sign(ctx, sigv4.Request{
		Method: out.Method, Host: out.Target.Authority(), Path: p.request.path, Query: p.request.query,
		Region: p.region, Fields: header.signed, Payload: header.payload,
	}, e.now().Add(p.offset))
	if err != nil {
		return auth.Applied{}, err
	}
	for _, name := range header.drop {
		out.Header.Del(name)
	}
	out.Header.Set(sigv4.HeaderAuthorization, signed.Authorization)
	out.Header.Set(sigv4.HeaderDate, signed.Date)
	out.Header.Set(sigv4.HeaderContentSHA256, signed.ContentSHA256)
	if signed.SecurityToken != "" {
		out.Header.Set(sigv4.HeaderSecurityToken, signed.SecurityToken)
	}
	return auth.Applied{Mask: own.mask, Once: []auth.Secret{auth.NewSecret(signed.Signature())}}, nil
}
