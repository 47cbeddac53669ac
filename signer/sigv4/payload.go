package sigv4

import (
	"slices"
	"strconv"
	"strings"

	"github.com/weighbridge/weighbridge/signer/s3err"
)

// PayloadMode says how a body is covered by the signature of its request.
type PayloadMode int

// The modes of payloads (SigV4, x-amz-content-sha256).
const (
	// PayloadNone: there is no body, and no byte of one is taken.
	PayloadNone PayloadMode = iota
	// PayloadHashed: the whole body has a signed SHA-256.
	PayloadHashed
	// PayloadUnsigned: the body is not covered.
	PayloadUnsigned
	// PayloadChunks: aws-chunked, each chunk signed on the one before.
	PayloadChunks
	// PayloadChunksTrailer: the same, with a signed trailer.
	PayloadChunksTrailer
	// PayloadUnsignedTrailer: aws-chunked, unsigned, with a checksum in the
	// trailer; what SDKs send over TLS by default.
	PayloadUnsignedTrailer
)

// Chunked reports whether the body is aws-chunked: Content-Encoding names it
// (to be taken off), and Content-Length is not the object's.
func (m PayloadMode) Chunked() bool { return m >= PayloadChunks }

const (
	streamingSigned          = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	streamingSignedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	streamingUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// Payload is what a request said of its body. It was signed with the request.
type Payload struct {
	Mode PayloadMode
	// SHA256 is the hexadecimal hash of a PayloadHashed.
	SHA256 string
	// Length is that of the decoded body in bytes, or -1 where the request has
	// none; chunked modes always have one.
	Length int64
	// Trailers are the lower-case names of the checksums that the trailer
	// brings.
	Trailers []string

	declared string // as it stands in the canonical request
}

// parsePayload finds what the body must be.
func parsePayload(in *Incoming, q Query, c *claim) (p Payload, refused *s3err.Error) {
	if p.declared, refused = declaredPayload(in.Fields, q, c); refused != nil {
		return p, refused
	}
	if in.Method == "GET" || in.Method == "HEAD" {
		if p.declared != EmptyPayload && p.declared != UnsignedPayload {
			return p, s3err.New(s3err.ContentSHA256Mismatch, "The x-amz-content-sha256 of a GET or HEAD is not that of an empty body.", "Send the hash of nothing, or UNSIGNED-PAYLOAD.")
		}
		return p, nil
	}
	switch p.declared {
	case UnsignedPayload:
		p.Mode = PayloadUnsigned
	case streamingSigned:
		p.Mode = PayloadChunks
	case streamingSignedTrailer:
		p.Mode = PayloadChunksTrailer
	case streamingUnsignedTrailer:
		p.Mode = PayloadUnsignedTrailer
	default:
		if strings.HasPrefix(p.declared, "STREAMING-") {
			return p, s3err.New(s3err.InvalidRequest, "This kind of streamed payload is not supported.", "Send "+streamingSigned+", "+streamingSignedTrailer+" or "+streamingUnsignedTrailer+".")
		}
		if !isHash(p.declared) {
			return p, s3err.New(s3err.InvalidArgument, "x-amz-content-sha256 is neither a SHA-256 in lower-case hexadecimal digits nor a kind of payload.", nextSign)
		}
		p.Mode, p.SHA256 = PayloadHashed, p.declared
	}
	if c.presigned && (p.Mode == PayloadChunks || p.Mode == PayloadChunksTrailer) {
		return p, s3err.New(s3err.InvalidRequest, "Signed chunks need the signature in the Authorization header.", "")
	}
	return p, p.parseFraming(in.Fields)
}

// declaredPayload is the last line of the canonical request. A presigned URL
// covers no payload unless it says so, in a signed header or a parameter.
func declaredPayload(fields []Field, q Query, c *claim) (string, *s3err.Error) {
	header, headers := field(fields, HeaderContentSHA256)
	param, params := q.getFold(paramContentSHA256)
	_, signed := slices.BinarySearch(c.signedHeaders, "x-amz-content-sha256")
	if c.presigned && !signed {
		headers = 0
	}
	switch {
	case headers > 1 || params > 1 || headers == 1 && params == 1 && header != param:
		return "", s3err.New(s3err.InvalidRequest, "x-amz-content-sha256 is given more than once.", nextSign)
	case headers == 1:
		return header, nil
	case !c.presigned:
		return "", s3err.New(s3err.InvalidRequest, "Missing required header for this request: x-amz-content-sha256.", "Send it, and sign it: the SHA-256 of the body, or UNSIGNED-PAYLOAD.")
	case params == 1:
		return param, nil
	}
	return UnsignedPayload, nil
}

// parseFraming reads the lengths and the names of the trailer.
func (p *Payload) parseFraming(fields []Field) *s3err.Error {
	name := "Content-Length"
	if p.Mode.Chunked() {
		name = "x-amz-decoded-content-length"
	}
	length, times := field(fields, name)
	switch n, err := strconv.ParseUint(length, 10, 63); {
	case times == 0 && p.Mode.Chunked():
		return s3err.New(s3err.MissingContentLength, "A streamed payload needs the header x-amz-decoded-content-length.", "")
	case times == 0:
		p.Length = -1
	case times > 1 || err != nil || length[0] == '+':
		return s3err.New(s3err.InvalidArgument, "The header "+strings.ToLower(name)+" is not one number of bytes.", "")
	default:
		p.Length = int64(n)
	}
	for _, f := range fields {
		if !strings.EqualFold(f.Name, "x-amz-trailer") {
			continue
		}
		for name := range strings.SplitSeq(f.Value, ",") {
			name = strings.ToLower(strings.Trim(name, " \t"))
			if newChecksum(name) == nil || slices.Contains(p.Trailers, name) {
				return s3err.New(s3err.InvalidRequest, "The value specified in the x-amz-trailer header is not supported: it lists checksums, each once.", "")
			}
			p.Trailers = append(p.Trailers, name)
		}
	}
	if len(p.Trailers) > 0 && p.Mode != PayloadChunksTrailer && p.Mode != PayloadUnsignedTrailer {
		return s3err.New(s3err.InvalidRequest, "The request announces a trailer, and its x-amz-content-sha256 says that there is none.", "")
	}
	return nil
}

// isHash takes the hexadecimal digits of a SHA-256, in lower case as they are
// recomputed.
func isHash(s string) bool {
	return len(s) == len(EmptyPayload) && strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'f') }) < 0
}
