package scrub

import (
	"bytes"
	"compress/gzip"
	"io"

	"github.com/weighbridge/weighbridge/auth"
)

// Result is a scanned body.
type Result struct {
	// Body is what to send; the bytes that were given where Changed is false.
	Body []byte
	// Changed says that at least one place is masked. The fields StaleFields
	// no longer hold.
	Changed bool
	// Decoded says that Body is identity where gzip was given: Content-Encoding
	// goes, and Content-Length is len(Body).
	Decoded bool
}

// Body masks a whole body of at most MaxBody bytes. It may change body in
// place.
//
// A gzip body in which nothing is found, or whose text exceeds MaxBody, comes
// back as it was given; otherwise its masked text does, not compressed again.
// The error, for gzip that cannot be read to its end, is an *auth.Error with
// CodeUpstreamProtocol: what cannot be scanned is not sent.
func (m *Masker) Body(body []byte, contentEncoding string) (Result, error) {
	as := Result{Body: body}
	if m == nil {
		return as, nil
	}
	switch codingOf(contentEncoding) {
	case codingIdentity:
		as.Changed = m.Mask(body) > 0
		return as, nil
	case codingGzip:
		if len(body) == 0 { // an answer without content
			return as, nil
		}
		plain, err := gunzip(body)
		if err != nil {
			return Result{}, auth.NewError(auth.CodeUpstreamProtocol, "the answer's gzip coding is broken", err)
		}
		if len(plain) > MaxBody || m.Mask(plain) == 0 {
			return as, nil
		}
		return Result{Body: plain, Changed: true, Decoded: true}, nil
	default:
		return Result{}, auth.NewError(auth.CodeUpstreamProtocol, "the answer is in a content coding that was not asked for", nil)
	}
}

// gunzip decodes at most MaxBody+1 bytes, whatever b expands to.
func gunzip(b []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, MaxBody+1))
}

// Head masks, in place, the beginning of a body that proved longer than
// MaxBody. A coded one is left as it is.
func (m *Masker) Head(head []byte, contentEncoding string) {
	if codingOf(contentEncoding) == codingIdentity {
		m.Mask(head)
	}
}

// StaleFields are the fields with digests of the content, which no longer hold
// for a masked body and would make clients reject it: RFC 1864, RFC 9530 and
// its predecessor, and those of object stores. ETag stays: it names the
// version, and the masked text of one version is always the same.
func StaleFields() []string {
	return []string{
		"Content-MD5", "Content-Digest", "Repr-Digest", "Digest",
		"X-Amz-Checksum-Crc32", "X-Amz-Checksum-Crc32c", "X-Amz-Checksum-Crc64nvme", "X-Amz-Checksum-Sha1", "X-Amz-Checksum-Sha256",
		"X-Goog-Hash", "X-Ms-Content-Crc64", "X-Ms-Blob-Content-Md5",
	}
}
