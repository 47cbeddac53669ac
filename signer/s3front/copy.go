package s3front

import (
	"strings"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3err"
	"github.com/weighbridge/weighbridge/signer/s3host"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

// copySource reads the source of a copy, "[/]bucket/key[?versionId=…]" with
// bucket and key percent-encoded (Amazon S3 API Reference, CopyObject), holds
// it to the key as any object that is read, and writes it anew as it is called
// upstream: what is decided is what is copied.
func (r *request) copySource(value string) error {
	malformed := func(why string) error {
		return deny(auth.CodeBadTarget, s3err.InvalidArgument, "the copy source "+why, "Send it as BUCKET/KEY, percent-encoded.")
	}
	raw, rawQuery, versioned := strings.Cut(value, "?")
	path, err := sigv4.ParsePath("/"+strings.TrimPrefix(raw, "/"), sigv4.PathRule{EmptySegments: true})
	if err != nil {
		return malformed("is not a path: " + auth.AsError(err).Reason)
	}
	var said name
	if said.bucket, said.key, err = path.PathStyle(); err != nil || said.key == "" || !s3host.ValidBucket(said.bucket) {
		return malformed("does not name a bucket and a key")
	}
	q, err := sigv4.ParseQuery(rawQuery)
	if err != nil || versioned && (len(q) != 1 || q[0].Name != "versionId") {
		return malformed("has a parameter other than versionId")
	}
	if versioned && !sigv4.SafeOpaque(q[0].Value) {
		return malformed("names a version by what no storage makes")
	}
	_, hidden := r.access.Resolve(said.bucket, "")
	if path.HasEmptySegment() && (len(r.access.Prefixes) > 0 || hidden != "") {
		return malformed("has an empty segment (//), which some servers leave out, and the S3 access key is for a part of the bucket")
	}
	o := name{}
	o.bucket, o.key = r.access.Resolve(said.bucket, said.key)
	r.objects = append(r.objects, o)
	if err := allowed(r.access, o); err != nil {
		return err
	}
	r.others = append(r.others, used{name: o, method: "GET"})
	if path, err = sigv4.ObjectPath(o.bucket, o.key, sigv4.PathRule{EmptySegments: true}); err != nil {
		return err
	}
	source := strings.TrimPrefix(path.String(), "/")
	if versioned {
		source += "?" + q.Canonical()
	}
	r.replace(headerCopySource, source)
	return nil
}
