package sigv4

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3err"
)

// Verify checks the signature of a request, in this order: its form, that it
// carries one signature of a kind that is supported, scope and date, what is
// signed, the key, the signature itself, and the session token that none of
// our keys has. It reads nothing of the body.
//
// An unknown key costs the same work as a wrong signature. The error is an
// *s3err.Error whose public face shows neither what was expected nor what was
// presented.
func (v *Verifier) Verify(ctx context.Context, in *Incoming) (*Verified, error) {
	out, err := v.verify(ctx, in)
	if err != nil {
		return nil, err // not the typed nil
	}
	return out, nil
}

func (v *Verifier) verify(ctx context.Context, in *Incoming) (*Verified, *s3err.Error) {
	if err := checkForm(in); err != nil {
		return nil, err
	}
	path, err := ParsePath(in.Path, PathRule{EmptySegments: in.EmptySegments})
	if err != nil {
		return nil, s3err.As(err)
	}
	query, err := ParseQuery(in.Query)
	if err != nil {
		return nil, s3err.As(err)
	}
	c, refused := findClaim(in, query)
	if refused != nil {
		return nil, refused
	}
	if v.Region != "" && c.scope.Region != v.Region {
		e := s3err.New(c.code, "The region of the credential is wrong.", "Sign for region "+v.Region+".")
		e.Region = v.Region
		return nil, e
	}
	if refused := c.checkTime(v.Now()); refused != nil {
		return nil, refused
	}
	if refused := c.checkSigned(in.Fields); refused != nil {
		return nil, refused
	}
	payload, refused := parsePayload(in, query, c)
	if refused != nil {
		return nil, refused
	}
	chain, refused := v.checkSignature(ctx, in, c, path, query, payload)
	if refused != nil {
		return nil, refused
	}
	if refused := checkToken(in.Fields, query); refused != nil {
		return nil, refused
	}
	return &Verified{
		AccessKeyID: c.accessKeyID, Scope: c.scope, SignedAt: c.at, Expires: c.expires(), Presigned: c.presigned, SignedHeaders: c.signedHeaders,
		Path: path, Query: query.Without(IsSigningParam), Payload: payload, chain: chain,
	}, nil
}

// checkForm refuses what would let one line of the canonical request pass for
// two. An HTTP server refuses it before us.
func checkForm(in *Incoming) *s3err.Error {
	bad := in.Method == "" || !isToken(strings.ToLower(in.Method)) || in.Host == "" || !isGraphic(in.Host)
	for _, f := range in.Fields {
		bad = bad || strings.ContainsAny(f.Value, "\r\n\x00") || strings.EqualFold(f.Name, "host") && f.Value != in.Host
	}
	if bad {
		return s3err.New(s3err.InvalidRequest, "The request is malformed: its method, its Host or a header field.", "")
	}
	return nil
}

// expires is the end of the signature's life.
func (c *claim) expires() time.Time {
	if c.presigned {
		return c.at.Add(c.life)
	}
	return c.at.Add(MaxSkew)
}

func (c *claim) checkTime(now time.Time) *s3err.Error {
	const next = "Set the clock of the client right."
	switch {
	case c.presigned && now.After(c.expires()):
		return s3err.New(s3err.AccessDenied, "Request has expired.", "Make a new presigned URL.")
	case c.presigned && c.at.Sub(now) > MaxSkew:
		return s3err.New(s3err.AccessDenied, "Request is not yet valid.", next)
	case !c.presigned && (now.Sub(c.at) > MaxSkew || c.at.Sub(now) > MaxSkew):
		return s3err.New(s3err.RequestTimeTooSkewed, "The difference between the request time and the current time is more than 15 minutes.", next)
	}
	return nil
}

// checkSigned demands that each x-amz-* field is signed, or the holder of a
// presigned URL could make another request of it. Only those of the signature
// itself may stand beside a presigned URL; they bear on nothing there.
func (c *claim) checkSigned(fields []Field) *s3err.Error {
	for _, f := range fields {
		if !IsAmz(f.Name) {
			continue
		}
		if _, signed := slices.BinarySearch(c.signedHeaders, strings.ToLower(f.Name)); !signed && !(c.presigned && IsSigningField(f.Name)) {
			return s3err.New(s3err.AccessDenied, "There were headers present in the request which were not signed: each x-amz-* header must be.", nextOrder)
		}
	}
	return nil
}

// checkSignature recomputes the signature; the zero secret is nobody's.
func (v *Verifier) checkSignature(ctx context.Context, in *Incoming, c *claim, path Path, query Query, payload Payload) (chain, *s3err.Error) {
	headers, missing := CanonicalHeaders(in.Host, in.Fields, c.signedHeaders)
	if missing != "" {
		return chain{}, s3err.New(s3err.SignatureDoesNotMatch, "SignedHeaders lists a header that did not arrive.", nextOrder)
	}
	if c.presigned {
		query = query.Without(func(name string) bool { return strings.EqualFold(name, paramSignature) })
	}
	text := StringToSign(c.date, c.scope, CanonicalRequest(in.Method, path, query.Canonical(), headers, c.signedHeaders, payload.declared))

	secret, err := v.Lookup(ctx, c.accessKeyID)
	if err != nil && !errors.Is(err, ErrUnknownKey) {
		return chain{}, s3err.As(err)
	}
	known := err == nil && !secret.IsZero()
	if !known {
		secret = nobody
	}
	key := DeriveKey(secret, c.scope)
	same := subtle.ConstantTimeCompare([]byte(key.Sign(text)), []byte(c.signature)) == 1
	switch {
	case !known:
		e := s3err.New(s3err.InvalidAccessKeyID, "The access key id is not one of weighbridge, or no longer valid.", "Run `weighbridge s3-key list`, or ask whoever gave you the key.")
		e.Cause = err
		return chain{}, e
	case !same:
		return chain{}, errSignature("The signature that we calculated does not match the one of the request.",
			"Check the secret access key, and let nothing between the client and weighbridge change the request.")
	}
	return chain{key: key, date: c.date, scope: c.scope, previous: c.signature}, nil
}

// nobody's secret is signed with where there is no key, so that an unknown one
// takes as long as a wrong signature. It is as long as ours are, and what it
// signs is never believed.
var nobody = auth.NewSecret("nobody's secret, forty bytes: AAAAAAAAAA")

// checkToken: our keys are not temporary. A client with a session token in its
// environment believes that it is somebody else.
func checkToken(fields []Field, query Query) *s3err.Error {
	_, inHeader := field(fields, HeaderSecurityToken)
	_, inQuery := query.getFold(paramSecurityToken)
	if inHeader+inQuery > 0 {
		return s3err.New(s3err.InvalidToken, "The request has a session token, and S3 access keys of weighbridge have none.", "Unset AWS_SESSION_TOKEN, or aws_session_token of the profile.")
	}
	return nil
}

func errSignature(message, next string) *s3err.Error {
	return s3err.New(s3err.SignatureDoesNotMatch, message, next)
}
