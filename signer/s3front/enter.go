package s3front

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3err"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

// request is one request on its way through the front.
type request struct {
	f  *Front
	a  *auth.Arrival
	in sigv4.Incoming
	// virtual is the bucket in the host, or empty.
	virtual string

	*sigv4.Verified
	access   *auth.S3Access
	identity auth.Identity

	op *operation
	// said is what the request names, as the worker calls it.
	said name
	// real is the same as it is called upstream.
	real name
	// objects are all that it touches, as they are called upstream; others are
	// those beside what its path names.
	objects []name
	others  []used
	// replaced are header fields in place of the worker's; dropped are lower-case
	// names of those that do not travel.
	replaced []auth.HeaderField
	dropped  []string

	entry auth.Entry
}

// name is an object; an empty key is the bucket itself.
type name struct{ bucket, key string }

// Enter verifies a request, understands it, holds it to what its key may
// touch, and says what is to be asked upstream.
func (f *Front) Enter(ctx context.Context, a *auth.Arrival) (*auth.Entry, error) {
	r := &request{f: f, a: a}
	if err := r.verify(ctx); err != nil {
		return nil, err
	}
	r.entry.Identify = r.identify
	if err := r.understand(); err != nil {
		return &r.entry, err
	}
	return &r.entry, nil
}

// verify finds out whose request it is. Before it has succeeded nothing about
// the key is told.
func (r *request) verify(ctx context.Context) error {
	path, query, _ := strings.Cut(r.a.URI, "?")
	r.virtual, _ = r.f.bucketOf(r.a.Host)
	r.in = sigv4.Incoming{Method: r.a.Method, Path: path, Query: query, Host: r.a.Host, EmptySegments: true, Fields: make([]sigv4.Field, len(r.a.Fields))}
	for i, f := range r.a.Fields {
		r.in.Fields[i] = sigv4.Field{Name: f.Name, Value: f.Value}
	}
	v := sigv4.Verifier{Lookup: r.secret, Now: func() time.Time { return r.a.Now }}
	verified, err := v.Verify(ctx, &r.in)
	if err != nil {
		return house(err)
	}
	r.Verified = verified
	return r.keepsSigned()
}

// keepsSigned refuses a Connection field, which nobody has to sign, that would
// take away what was signed, or what the storage is told (RFC 9110, section
// 7.6.1): the request would mean something else without it.
func (r *request) keepsSigned() error {
	for _, f := range r.a.Fields {
		if !strings.EqualFold(f.Name, "Connection") {
			continue
		}
		for token := range strings.SplitSeq(strings.ToLower(f.Value), ",") {
			token = strings.TrimSpace(token)
			if strings.HasPrefix(token, "x-amz-") || slices.Contains(r.SignedHeaders, token) {
				return deny(auth.CodeBadRequest, s3err.InvalidRequest, "the Connection field names a field that is signed", "Leave it out.")
			}
		}
	}
	return nil
}

// secret is a sigv4.Verifier's Lookup. Of a key that was revoked or has
// expired the secret is opened as well: who holds it may be told what became of
// the key. For one that does not exist nothing is opened: no guess makes the key
// encryption key work, and the verifier signs with a secret of nobody's.
func (r *request) secret(ctx context.Context, accessKeyID string) (auth.Secret, error) {
	id, access, _ := r.a.Snapshot.IdentifyS3(accessKeyID, r.a.Now)
	if access == nil {
		return auth.Secret{}, sigv4.ErrUnknownKey
	}
	secret, err := r.f.o.Secrets.S3Secret(ctx, id.KeyID, access.Version)
	if err != nil {
		return secret, err
	}
	r.identity, r.access = id, access
	return secret, nil
}

// identify is auth.Entry's Identify: the key has to stand, with the secret that
// the request was signed with, and still for everything that it named.
func (r *request) identify(s *auth.Snapshot, now time.Time) (auth.Identity, error) {
	id, access, err := s.IdentifyS3(r.AccessKeyID, now)
	if err != nil {
		e := *auth.AsError(err)
		if e.Code != auth.CodeKeyInvalid {
			// Who signed it holds the secret and may know.
			e.Cause = s3err.New(s3err.InvalidAccessKeyID, sentence(e.Reason), "Ask for another key: weighbridge s3-key create.")
		}
		return id, &e
	}
	if access.Version != r.access.Version {
		return auth.Identity{}, auth.NewError(auth.CodeKeyInvalid, "the secret of the S3 access key was made anew", nil)
	}
	for _, o := range r.objects {
		if err := allowed(access, o); err != nil {
			return id, err
		}
	}
	return id, nil
}

// allowed holds an object to the buckets and prefixes of a key.
func allowed(access *auth.S3Access, o name) error {
	switch {
	case !access.AllowsBucket(o.bucket):
		return errNotHere(o.bucket, "the bucket is not one of the key's")
	case o.key == "" && len(access.Prefixes) > 0:
		return errNotHere(o.bucket, "the key is for "+prefixes(access)+" only, and the whole bucket was asked for")
	case !access.Allows(o.bucket, o.key):
		return errNotHere(o.bucket, "the key is for "+prefixes(access)+" only")
	}
	return nil
}

func prefixes(access *auth.S3Access) string {
	list := make([]string, len(access.Prefixes))
	for i, p := range access.Prefixes {
		list[i] = show(p)
	}
	return "what begins with " + strings.Join(list, " or ")
}

// understand takes a verified request apart.
func (r *request) understand() error {
	if _, err := r.identify(r.a.Snapshot, r.a.Now); err != nil {
		return err
	}
	if err := r.names(); err != nil {
		return err
	}
	l := ofObject
	switch {
	case r.said.bucket == "":
		l = service
	case r.said.key == "":
		l = ofBucket
	}
	var err error
	if r.op, err = operationOf(r.a.Method, l, r.Query); err != nil {
		return err
	}
	if r.op.writes && r.identity.Scope != auth.ScopeWrite {
		return deny(auth.CodeScopeForbidden, s3err.AccessDenied, r.op.name+" needs an S3 access key of permission read-write, and this one may only read",
			"A download needs no more; make another key with `weighbridge s3-key create --permission read-write` where something must be written.")
	}
	if r.op.kind == listBuckets {
		return r.listBuckets()
	}
	if err := r.scope(); err != nil {
		return err
	}
	if err := r.body(); err != nil {
		return err
	}
	r.header()
	if err := r.place(); err != nil {
		return err
	}
	r.answer()
	return nil
}

// names finds bucket and key, and what they are called upstream.
func (r *request) names() (err error) {
	if r.virtual != "" {
		r.said.bucket = r.virtual
		r.said.key, err = r.Path.HostStyle()
	} else {
		r.said.bucket, r.said.key, err = r.Path.PathStyle()
	}
	if err != nil {
		return err
	}
	r.real.bucket, r.real.key = r.access.Resolve(r.said.bucket, r.said.key)
	if r.said.key == "" {
		r.real.key = ""
	}
	if r.Path.HasEmptySegment() && (len(r.access.Prefixes) > 0 || r.hidden() != "") {
		return deny(auth.CodeBadTarget, s3err.InvalidURI,
			"the path has an empty segment (//), which some servers leave out, and the S3 access key is for a part of the bucket", "Send the path without it.")
	}
	return nil
}

// hidden is the prefix that an alias adds and takes away.
func (r *request) hidden() string {
	_, prefix := r.access.Resolve(r.said.bucket, "")
	return prefix
}

// scope holds what the path names to the key, a listing by its prefix.
func (r *request) scope() error {
	o := r.real
	if r.op.kind == listing {
		prefix, _ := r.Query.Get("prefix")
		_, o.key = r.access.Resolve(r.said.bucket, prefix)
		if err := checkKey(prefix, len(r.access.Prefixes) > 0 || r.hidden() != ""); err != nil {
			return err
		}
		r.resolveParams()
	} else if o.key == "" {
		// Of a bucket itself no more is told than that it can be reached: that
		// is so where anything in it may be.
		if !r.access.AllowsBucket(o.bucket) {
			return errNotHere(o.bucket, "the bucket is not one of the key's")
		}
		return nil
	}
	r.objects = append(r.objects, o)
	return allowed(r.access, o)
}

// resolveParams puts what an alias hides before the keys in a listing's query.
func (r *request) resolveParams() {
	hidden := r.hidden()
	if hidden == "" {
		return
	}
	q := make(sigv4.Query, 0, len(r.Query)+1)
	prefixed := false
	for _, p := range r.Query {
		switch p.Name {
		case "prefix":
			p.Value, prefixed = hidden+p.Value, true
		case "marker", "start-after", "key-marker":
			if p.Value != "" {
				p.Value = hidden + p.Value
			}
		}
		q = append(q, p)
	}
	if !prefixed {
		q = append(q, sigv4.Param{Name: "prefix", Value: hidden})
	}
	r.Query = q
}

// checkKey refuses a key that is named elsewhere than in the path where the
// path would be refused.
func checkKey(key string, partial bool) error {
	if key == "" {
		return nil
	}
	// An empty segment that the key begins with is one behind the bucket.
	_, err := sigv4.ObjectPath("b", key, sigv4.PathRule{EmptySegments: !partial})
	return err
}

// header is what of the worker's travels: not the signature, nothing that
// speaks of the coding of the body that it sent, and nothing of its SDK.
func (r *request) header() {
	out := make([]auth.HeaderField, 0, len(r.a.Fields)+len(r.replaced))
	for _, f := range r.a.Fields {
		if r.travels(f.Name) {
			out = append(out, f)
		}
	}
	r.entry.Fields = append(out, r.replaced...)
}

func (r *request) travels(name string) bool {
	if sigv4.IsSigningField(name) {
		return false
	}
	for _, f := range r.replaced {
		if strings.EqualFold(f.Name, name) {
			return false
		}
	}
	lower := strings.ToLower(name)
	if slices.Contains(r.dropped, lower) {
		return false
	}
	switch lower {
	case "date", "x-amz-decoded-content-length", "x-amz-trailer", "x-amz-copy-source", "x-amz-user-agent":
		return false
	case "content-encoding":
		return !r.Payload.Mode.Chunked() // else it is among those replaced, if anything is left
	default:
		return !strings.HasPrefix(lower, "amz-sdk-")
	}
}

// listBuckets answers by itself: the buckets of the key, and no other.
func (r *request) listBuckets() error {
	reply, err := r.bucketList()
	if err == nil {
		r.entry.Reply = &reply
	}
	return err
}

// sentence is a reason in the form of S3's messages.
func sentence(reason string) string {
	if reason == "" {
		return ""
	}
	return strings.ToUpper(reason[:1]) + reason[1:] + "."
}
