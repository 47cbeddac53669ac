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
}

func (s3) engine(now func() time.Time, m *means) engine { return &s3Engine{now: now, means: m} }

var _ engine = (*s3Engine)(nil)

// plan is where a request goes and for which scope it is signed.
type s3Plan struct {
	request s3Request
	target  auth.Target
	region  string
}

// plan works a request out. It is the same for the target as it came and for
// the one that it returns.
func (e *s3Engine) plan(d *auth.Decision, method string, t auth.Target) (s3Plan, error) {
	dialect, err := parseS3Dialect(s3{}.Dialect(d.Params))
	if err != nil {
		return s3Plan{}, err
	}
	r, ok := dialect.read(method, &t)
	switch {
	case !ok:
		return s3Plan{}, errors.New("the URL names nothing of S3")
	case r.refused != "":
		return s3Plan{}, errors.New(r.refused)
	}
	p := s3Plan{request: r, target: t}
	own := d.Params[s3Region]
	if !s3host.ValidRegion(own) || r.host.Service == s3host.AWS && !r.host.TakesRegion(own) {
		own = ""
	}
	learned := e.lessons.region(d, r.bucketName())
	move := "" // the region that the host is to be of
	switch {
	case learned != "":
		p.region, move = learned, learned
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
		return s3Plan{}, err
	}
	p.target.Host = host
	if (prefix != "") == (r.host.Bucket == "") {
		p.target.Path = r.path.String() // in the style that it came in
	} else {
		p.target.Path = prefix + "/" + encodePath(r.key)
	}
	query := r.outgoingQuery()
	p.target.RawQuery = query.Canonical()
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

// aim implements engine.
func (e *s3Engine) aim(d *auth.Decision, method string, t auth.Target) (auth.Target, error) {
	p, err := e.plan(d, method, t)
	return p.target, err
}

var s3Needs = []string{s3AccessKeyID, s3SecretAccessKey, s3SessionToken}

// put implements engine.
func (e *s3Engine) put(ctx context.Context, d *auth.Decision, open openFields, out *auth.Outgoing) (auth.Applied, error) {
	p, err := e.plan(d, out.Method, out.Target)
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
	keys, err := e.keysOf(ctx, d, open, &p, p.request.class == auth.ClassWrite)
	if err != nil {
		return auth.Applied{}, err
	}
	if !visible(keys.ID) || !visible(keys.Secret) || keys.Token != "" && !visible(keys.Token) {
		return auth.Applied{}, errUnsendable
	}
	signed, err := e.signers.of(d, keys).signer.Sign(ctx, sigv4.Request{
		Method: out.Method, Host: out.Target.Authority(), Path: p.request.path, Query: p.request.query,
		Region: p.region, Fields: header.signed, Payload: header.payload,
	}, e.now().Add(e.lessons.offset(d)))
	if err != nil {
		return auth.Applied{}, err
	}
	for _, name := range header.drop {
		out.Header.Del(name)
	}
	for _, field := range signed.Fields() {
		out.Header.Set(field.Name, field.Value)
	}
	mask := appendMask(make([]auth.Secret, 0, 3), keys.Secret)
	mask = appendMask(mask, keys.ID)
	return auth.Applied{Mask: appendMask(mask, keys.Token)}, nil
}
