package s3front

import (
	"strings"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3err"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

// level is what a request is about.
type level int

const (
	service level = iota
	ofBucket
	ofObject
)

// kind is what is done with a request beyond sending it on.
type kind int

const (
	plain kind = iota
	listBuckets
	// listing requests name what they list by a prefix.
	listing
	// upload requests bring an object, or a part of one.
	upload
	// document requests bring XML.
	document
	batchDelete
)

// operation is one of the S3 API, by its name there.
type operation struct {
	name   string
	method string
	level  level
	// marks are the parameters that tell it from others of the same method.
	marks []string
	// params are those that it may have beside its marks.
	params []string
	writes bool
	kind   kind
}

// The parameters of several operations.
var (
	paramsOfList   = []string{"prefix", "delimiter", "max-keys", "encoding-type"}
	paramsOfAnswer = []string{
		"versionId", "partNumber", "response-cache-control", "response-content-disposition", "response-content-encoding",
		"response-content-language", "response-content-type", "response-expires",
	}
)

// operations are all that is let through (Amazon S3 API Reference, "Actions",
// each by its request syntax). Of those that fit the one with the most marks
// is meant.
var operations = []operation{
	{name: "ListBuckets", method: "GET", level: service, kind: listBuckets, params: []string{"prefix", "max-buckets", "continuation-token", "bucket-region"}},

	{name: "ListObjectsV2", method: "GET", level: ofBucket, kind: listing, marks: []string{"list-type"}, params: with(paramsOfList, "continuation-token", "start-after", "fetch-owner")},
	{name: "ListObjects", method: "GET", level: ofBucket, kind: listing, params: with(paramsOfList, "marker")},
	{name: "GetBucketLocation", method: "GET", level: ofBucket, marks: []string{"location"}},
	{name: "HeadBucket", method: "HEAD", level: ofBucket},
	{name: "ListMultipartUploads", method: "GET", level: ofBucket, kind: listing, writes: true, marks: []string{"uploads"},
		params: []string{"prefix", "delimiter", "max-uploads", "encoding-type", "key-marker", "upload-id-marker"}},
	{name: "DeleteObjects", method: "POST", level: ofBucket, kind: batchDelete, writes: true, marks: []string{"delete"}},

	{name: "GetObject", method: "GET", level: ofObject, params: paramsOfAnswer},
	{name: "HeadObject", method: "HEAD", level: ofObject, params: paramsOfAnswer},
	{name: "PutObject", method: "PUT", level: ofObject, kind: upload, writes: true},
	{name: "DeleteObject", method: "DELETE", level: ofObject, writes: true, params: []string{"versionId"}},
	{name: "CreateMultipartUpload", method: "POST", level: ofObject, writes: true, marks: []string{"uploads"}},
	{name: "UploadPart", method: "PUT", level: ofObject, kind: upload, writes: true, marks: []string{"uploadId", "partNumber"}},
	{name: "ListParts", method: "GET", level: ofObject, writes: true, marks: []string{"uploadId"}, params: []string{"max-parts", "part-number-marker", "encoding-type"}},
	{name: "CompleteMultipartUpload", method: "POST", level: ofObject, kind: document, writes: true, marks: []string{"uploadId"}},
	{name: "AbortMultipartUpload", method: "DELETE", level: ofObject, writes: true, marks: []string{"uploadId"}},
}

func with(list []string, more ...string) []string {
	return append(append([]string(nil), list...), more...)
}

// settings are the subresources by which S3 knows what is set of a bucket or
// an object, and operations that no download or upload needs (Amazon S3 API
// Reference, "Actions").
var settings = words("accelerate acl analytics attributes cors encryption intelligent-tiering inventory legal-hold " +
	"lifecycle logging metadataConfiguration metadataInventoryTable metadataJournalTable metadataTable metrics notification object-lock " +
	"ownershipControls policy policyStatus publicAccessBlock replication requestPayment restore retention select session tagging torrent " +
	"versioning versions website abac renameObject")

func words(list string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(list) {
		m[w] = true
	}
	return m
}

// operationOf finds the operation that a request is. The reason of its error
// names no value.
func operationOf(method string, l level, q sigv4.Query) (*operation, error) {
	if why := doubled(q); why != "" {
		return nil, deny(auth.CodeBadTarget, s3err.InvalidArgument, why, "Send each parameter once.")
	}
	var best *operation
	for i := range operations {
		op := &operations[i]
		if op.method == method && op.level == l && marked(q, op.marks) && (best == nil || len(op.marks) > len(best.marks)) {
			best = op
		}
	}
	for i := range q {
		if name := q[i].Name; settings[name] {
			return nil, errSetting("?" + name)
		}
	}
	if best == nil {
		return nil, noOperation(method, l)
	}
	for i := range q {
		if name := q[i].Name; sigv4.IsOpaqueParam(name) && !sigv4.SafeOpaque(q[i].Value) {
			return nil, deny(auth.CodeBadTarget, s3err.InvalidArgument, "the value of "+show(name)+" is none that a storage makes", "Send what the storage answered.")
		} else if !best.takes(name) {
			return nil, deny(auth.CodeScopeForbidden, s3err.AccessDenied, "the parameter "+show(name)+" is none of "+best.name, "Leave it out.")
		}
	}
	return best, nil
}

// noOperation refuses a method that does nothing which is let through.
func noOperation(method string, l level) error {
	switch {
	case l == ofBucket && (method == "PUT" || method == "DELETE"):
		return deny(auth.CodeScopeForbidden, s3err.AccessDenied, "S3 access keys of weighbridge make and delete no buckets",
			"Make or delete it at the storage itself, with a key of its own.")
	case l == ofBucket && method == "POST":
		return deny(auth.CodeScopeForbidden, s3err.AccessDenied, "uploads by HTML forms are not let through", "Upload by PUT.")
	}
	return deny(auth.CodeScopeForbidden, s3err.MethodNotAllowed, "the method "+show(method)+" is not allowed against this resource", "")
}

func errSetting(what string) error {
	return deny(auth.CodeScopeForbidden, s3err.AccessDenied,
		"the request is about "+what+": a setting of a bucket or an object, or an operation that is neither a download nor an upload, which no S3 access key of weighbridge is let through for",
		"Do it at the storage itself, with a key of its own.")
}

func marked(q sigv4.Query, marks []string) bool {
	for _, m := range marks {
		if _, n := q.Get(m); n == 0 {
			return false
		}
	}
	return true
}

// takes reports whether op may have the parameter name. x-id is how SDKs of
// AWS name the operation, and does nothing.
func (op *operation) takes(name string) bool {
	if name == "x-id" || hoisted(name) {
		return true
	}
	for _, list := range [...][]string{op.marks, op.params} {
		for _, p := range list {
			if p == name {
				return true
			}
		}
	}
	return false
}

// hoisted reports whether name is a header field that clients put into the
// query of a presigned URL, where S3 reads it as well, and that changes
// neither what is read nor written.
func hoisted(name string) bool {
	switch strings.ToLower(name) {
	case "x-amz-checksum-mode", "x-amz-expected-bucket-owner":
		return true
	}
	return false
}

// doubled finds a parameter that occurs twice: which of the two counts differs
// between servers.
func doubled(q sigv4.Query) string {
	for i := range q {
		for j := range q[:i] {
			if q[j].Name == q[i].Name {
				return "the parameter " + show(q[i].Name) + " occurs more than once"
			}
		}
	}
	return ""
}

// show is the name of a parameter or a method in a message: quoted, cut, and
// in ASCII.
func show(s string) string {
	if len(s) > 64 {
		s = s[:64]
	}
	return `"` + strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || r == '"' {
			return '?'
		}
		return r
	}, s) + `"`
}
