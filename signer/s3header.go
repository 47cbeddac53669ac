package signer

import (
	"errors"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

// s3Header is what becomes of a request's header fields: which are signed,
// because S3 demands it of every x-amz-* field that is present, and which do
// not travel.
type s3Header struct {
	signed  []sigv4.Field
	drop    []string
	payload string
}

// s3Reads are the fields that travel with every request: what is to be
// verified, of whom the bucket must be, and the customer's own key (SSE-C).
var s3Reads = []string{
	"x-amz-checksum-mode", "x-amz-expected-bucket-owner",
	"x-amz-server-side-encryption-customer-algorithm", "x-amz-server-side-encryption-customer-key",
	"x-amz-server-side-encryption-customer-key-md5", "x-amz-object-attributes", "x-amz-max-parts", "x-amz-part-number-marker",
	"x-amz-optional-object-attributes",
}

// s3Writes begin the names of those that travel with writes besides.
var s3Writes = []string{
	"x-amz-meta-", "x-amz-checksum-", "x-amz-sdk-checksum-algorithm", "x-amz-storage-class", "x-amz-server-side-encryption",
	"x-amz-website-redirect-location", "x-amz-decoded-content-length", "x-amz-trailer", "x-amz-write-offset-bytes",
	"x-amz-mp-object-size", "x-amz-if-match-", "x-amz-object-if-match-",
}

// s3Dropped are fields of a signature, or of an SDK's own book-keeping, that
// are not called x-amz-*.
var s3Dropped = []string{"date", "amz-sdk-invocation-id", "amz-sdk-request", "amz-sdk-retry"}

// s3HeaderOf sorts the fields of a request. payer lets it be at the operator's
// cost. What would name another object than the one that was decided, or
// change who may read it, is an error.
func s3HeaderOf(out *auth.Outgoing, payer bool) (h s3Header, err error) {
	fields, ok := out.Header.(auth.FieldLister)
	if !ok {
		return h, errors.New("the header cannot be listed")
	}
	write := out.Method != "GET" && out.Method != "HEAD"
	h.payload = sigv4.EmptyPayload
	fields.Each(func(name, value string) {
		if err != nil || len(name) < 4 {
			return
		}
		switch name[0] | 0x20 {
		case 'a', 'c', 'd', 'x':
		default:
			return
		}
		low := strings.ToLower(name)
		switch {
		case contains(s3Dropped, low), low == "content-type" && !write:
			h.drop = append(h.drop, name)
		case !strings.HasPrefix(low, "x-amz-") && !strings.HasPrefix(low, "x-goog-"):
		case sigv4.IsSigningField(low):
			h.drop = append(h.drop, name)
		case out.Decided && (strings.HasPrefix(low, "x-amz-copy-source") || low == "x-amz-metadata-directive" || low == "x-amz-acl"):
			h.signed = append(h.signed, sigv4.Field{Name: name, Value: value})
		case strings.HasPrefix(low, "x-amz-copy-source"):
			err = errors.New("the request names another object to copy from; copies are made by S3 clients that are pointed at weighbridge")
		case low == "x-amz-acl", strings.HasPrefix(low, "x-amz-grant-"), strings.HasPrefix(low, "x-amz-object-lock-"), low == "x-amz-tagging":
			err = errors.New("the request would change who may do what with the object (" + low + ")")
		case low == "x-amz-request-payer" && payer, contains(s3Reads, low), write && hasAnyPrefix(low, s3Writes):
			h.signed = append(h.signed, sigv4.Field{Name: name, Value: value})
		default:
			h.drop = append(h.drop, name)
		}
	})
	if write && err == nil {
		h.payload, err = s3Payload(out.Header.Get(sigv4.HeaderContentSHA256))
	}
	return h, err
}

// s3Payload is the payload hash of a request with a body: the worker's own
// where it says one, so that the storage verifies it.
func s3Payload(given string) (string, error) {
	switch {
	case given == "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
		return given, nil
	case strings.HasPrefix(given, "STREAMING-"):
		return "", errors.New("the body is signed in chunks with a key that is not put on; send it unsigned")
	case len(given) == 64 && strings.Trim(given, "0123456789abcdef") == "":
		return given, nil
	}
	return sigv4.UnsignedPayload, nil
}

func hasAnyPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
