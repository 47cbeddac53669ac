package signer

import (
	"strings"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3host"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

// s3Request is what a request says in the words of S3.
type s3Request struct {
	host s3host.Host
	// bucket and key are decoded; the key is empty for requests about the
	// bucket, the bucket for those about the account, and at an access point,
	// where the host stands for it.
	bucket, key string
	path        sigv4.Path
	query       sigv4.Query
	class       auth.Class
	// prefix is that of a listing, decoded.
	prefix string
	// refused says why nothing is put on the request, or nothing.
	refused string
}

// The sentences of refusals. Each says the way out.
const (
	refusedSigV2      = "the URL carries a signature of version 2, which storage refuses by now: presign it with version 4 (boto3: Config(signature_version='s3v4')), or send the URL without a signature and weighbridge signs it"
	refusedIncomplete = "the URL carries a part of a signature: send it as it was presigned, whole, or without X-Amz-Signature and the like, and weighbridge signs it"
)

// read finds out what a request says. ok is false where d does not know the
// host, or nothing is named that could be matched.
func (d *s3Dialect) read(method string, t *auth.Target) (r s3Request, ok bool) {
	if r.host, ok = d.parse(t.Scheme, t.Host, t.Port); !ok {
		return r, false
	}
	path, err := sigv4.ParsePath(t.Path, sigv4.PathRule{EmptySegments: true})
	if err != nil {
		return r, false
	}
	r.path = path
	switch {
	case r.host.AccessPoint:
		r.key, err = path.HostStyle()
	case r.host.Bucket != "":
		r.bucket = r.host.Bucket
		r.key, err = path.HostStyle()
	default:
		r.bucket, r.key, err = path.PathStyle()
	}
	if err != nil {
		return r, false
	}
	r.refused = r.host.Refused
	if r.bucket != "" && r.refused == "" {
		r.refused = s3host.RefusedBucket(r.bucket)
	}
	signed := t.Signed()
	r.query, err = sigv4.ParseQuery(t.RawQuery)
	switch {
	case err != nil:
		if r.refused == "" && !signed {
			r.refused = auth.AsError(err).Reason
		}
		r.query = nil
		r.class = classifyMethod(method) // it is refused where a rule matches
		return r, true
	case s3Version2(r.query):
		r.refused = refusedSigV2
	case signed:
		r.refused = "" // by somebody who knew what can be signed
	case r.refused == "" && s3PartlySigned(r.query):
		r.refused = refusedIncomplete
	case r.refused == "" && s3Wanders(r.query):
		r.refused = "an upload, a part or a version is named by what no storage makes: it has a dot segment, a backslash or a control character"
	}
	r.class = r.classify(method)
	if r.key == "" && (r.class != auth.ClassForbidden || r.listsUploads(method)) {
		var times int
		if r.prefix, times = r.query.Get("prefix"); times > 1 && r.refused == "" {
			r.refused = "the query names the prefix more than once; send it once"
		}
	}
	return r, true
}

// s3Version2 recognises Signature Version 2 in a query ("Query string request
// authentication alternative"); boto3 presigns so where nobody says otherwise.
func s3Version2(q sigv4.Query) bool {
	var key, signature bool
	for _, p := range q {
		key = key || strings.EqualFold(p.Name, "AWSAccessKeyId") && p.Value != ""
		signature = signature || strings.EqualFold(p.Name, "Signature") && p.Value != ""
	}
	return key && signature
}

// s3Wanders recognises identifiers that would be paths.
func s3Wanders(q sigv4.Query) bool {
	for _, p := range q {
		if sigv4.IsOpaqueParam(p.Name) && !sigv4.SafeOpaque(p.Value) {
			return true
		}
	}
	return false
}

// s3PartlySigned recognises what is left of a presigned URL.
func s3PartlySigned(q sigv4.Query) bool {
	for _, p := range q {
		switch strings.ToLower(p.Name) {
		case "x-amz-signature", "x-goog-signature", "signature", "awsaccesskeyid":
			return true
		}
	}
	return false
}

// Canonical implements auth.Canonicalizer. A listing is matched by the prefix
// that it asks for: it names every key that begins so, at any depth, and so has
// the rule that decides.
func (s3) Canonical(dialect, method string, t auth.Target) (c auth.Canonical, ok bool) {
	d, err := parseS3Dialect(dialect)
	if err != nil {
		return c, false
	}
	r, ok := d.read(method, &t)
	if !ok {
		// Of S3, but nothing that a rule could be about; or another's.
		_, ok = d.parse(t.Scheme, t.Host, t.Port)
		return auth.Canonical{}, ok
	}
	c.Class, c.Refused, c.Container, c.Itself = r.class, r.refused, 1, r.locates(method)
	named := r.key
	if c.Below = named == ""; c.Below {
		named = r.prefix
	}
	bucket := r.bucket
	if r.host.AccessPoint {
		bucket, c.Container = "", 0
	}
	var path sigv4.Path
	switch {
	case named == r.key && r.host.Bucket != "":
		path = r.path
	case named != "":
		path, err = sigv4.ParsePath("/"+encodePath(named), sigv4.PathRule{EmptySegments: true})
	}
	if err != nil {
		if c.Refused == "" {
			c.Refused = "the prefix cannot be told to be one: " + auth.AsError(err).Reason
		}
		path = sigv4.Path{}
	}
	places := r.host.Matched(bucket)
	c.Match = make([]auth.Target, 0, len(places))
	for _, place := range places {
		c.Match = append(c.Match, auth.Target{Scheme: t.Scheme, Host: place.Host, Port: t.Port, Path: place.Prefix + path.String()})
	}
	return c, true
}

// encodePath percent-encodes a key or prefix, slashes apart.
func encodePath(s string) string {
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		plain = s[i] == '/' || unreserved(s[i])
	}
	if plain {
		return s
	}
	var b strings.Builder
	for i, part := range strings.Split(s, "/") {
		if i > 0 {
			b.WriteByte('/')
		}
		b.WriteString(escapeQuery(part))
	}
	return b.String()
}

// Classify implements auth.Provider, for hosts of the service itself.
func (s3) Classify(method string, t auth.Target) auth.Class {
	var d s3Dialect
	if r, ok := d.read(method, &t); ok {
		return r.class
	}
	return classifyMethod(method)
}

// s3ObjectReads are the parameters of reads of an object, and s3BucketReads
// those of listings and of the location (Amazon S3 API Reference: GetObject,
// HeadObject, GetObjectAttributes; ListObjects, ListObjectsV2,
// ListObjectVersions, GetBucketLocation).
var (
	s3ObjectReads = []string{
		"versionid", "partnumber", "attributes", "x-id",
		"response-cache-control", "response-content-disposition", "response-content-encoding",
		"response-content-language", "response-content-type", "response-expires",
	}
	s3BucketReads = []string{
		"list-type", "prefix", "delimiter", "marker", "max-keys", "encoding-type", "continuation-token", "start-after",
		"fetch-owner", "versions", "key-marker", "version-id-marker", "location", "x-id", "allow-unordered",
	}
	// s3Settings say who may do what with an object, or how it is kept: GET and
	// PUT of them are for its owner.
	s3Settings = []string{
		"acl", "policy", "torrent", "tagging", "legal-hold", "retention", "restore", "select", "select-type", "encryption",
		"annotation", "uploads", "uploadid", "renameobject", "delete",
	}
	s3ObjectWrites = []string{"partnumber", "uploadid", "uploads", "versionid", "x-id"}
)

// classify says what the request would do. Names of parameters are compared
// without case: what one server takes for a subresource counts for all.
func (r *s3Request) classify(method string) auth.Class {
	switch {
	case r.bucket == "" && !r.host.AccessPoint:
		return auth.ClassForbidden // the account's: its list of buckets
	case r.host.Service == s3host.GCS && r.host.Style == s3host.Path && contains(gcsReserved, r.bucket):
		return auth.ClassForbidden
	}
	read := method == "GET" || method == "HEAD"
	for _, p := range r.query {
		name := strings.ToLower(p.Name)
		switch {
		case strings.HasPrefix(name, "x-amz-"), sigv4.IsSigningParam(p.Name):
			// Of a signature, or removed.
		case read && r.key == "":
			if !contains(s3BucketReads, name) {
				return auth.ClassForbidden
			}
		case read:
			// S3 ignores what it does not know, but a name alone is how
			// subresources are written, and new ones come.
			if contains(s3Settings, name) || p.Value == "" && !contains(s3ObjectReads, name) {
				return auth.ClassForbidden
			}
		case !contains(s3ObjectWrites, name):
			return auth.ClassForbidden
		}
	}
	switch {
	case read:
		return auth.ClassRead
	case r.key == "":
		return auth.ClassForbidden // making, removing and configuring buckets; batches
	case method == "PUT", method == "DELETE", method == "POST" && r.multipart():
		return auth.ClassWrite
	}
	return auth.ClassForbidden
}

// locates reports whether a request is about a bucket itself, and tells no more
// of it than that it is there and where (Amazon S3 API Reference, HeadBucket,
// GetBucketLocation).
func (r *s3Request) locates(method string) bool {
	switch {
	case r.key != "":
		return false
	case method == "HEAD":
		return r.says("", "x-id")
	}
	return method == "GET" && r.says("location", "x-id")
}

// listsUploads reports whether a request lists the unfinished uploads of a
// bucket, which are named by a prefix as objects are (ListMultipartUploads).
func (r *s3Request) listsUploads(method string) bool {
	return method == "GET" && r.key == "" && r.says("uploads",
		"prefix", "delimiter", "max-uploads", "encoding-type", "key-marker", "upload-id-marker", "x-id")
}

// says reports whether the query has the parameter mark, where that is not
// empty, and none beside it and those of others, but for a signature's.
func (r *s3Request) says(mark string, others ...string) bool {
	found := mark == ""
	for _, p := range r.query {
		name := strings.ToLower(p.Name)
		switch {
		case name == mark:
			found = true
		case !contains(others, name) && !sigv4.IsSigningParam(p.Name) && !sigv4.IsAmz(p.Name):
			return false
		}
	}
	return found
}

// multipart reports whether the query is that of a multipart upload's POST.
func (r *s3Request) multipart() bool {
	for _, p := range r.query {
		if strings.EqualFold(p.Name, "uploads") || strings.EqualFold(p.Name, "uploadId") {
			return true
		}
	}
	return false
}

// gcsReserved are first segments on storage.googleapis.com that lead to the
// JSON API, not to a bucket (Cloud Storage, "Request endpoints").
var gcsReserved = []string{"storage", "download", "upload", "batch", "resumable", "discovery"}
