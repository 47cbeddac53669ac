package scrub

import "github.com/weighbridge/weighbridge/auth"

// MaxBody bounds the bodies that are scanned, as sent and as decoded.
const MaxBody = 1 << 20

// Masker looks for a set of values. A nil Masker looks for nothing and
// changes nothing.
type Masker struct{}

// New makes a Masker; nil where no value has 8 bytes or more.
func New(mask []auth.Secret) *Masker { panic("being written") }

// MaskString masks a header or trailer value; equal length.
func (m *Masker) MaskString(s string) string { panic("being written") }

// Mask masks b in place and returns how many places it masked.
func (m *Masker) Mask(b []byte) int { panic("being written") }

// Verdict says what happens to an answer's body.
type Verdict int

// The verdicts. The zero value refuses.
const (
	// Refuse: text in a coding that was not asked for and cannot be read:
	// answer 502 upstream_protocol.
	Refuse Verdict = iota
	// Scan: read at most MaxBody+1 bytes; if that was all, put them through
	// Body; otherwise put the head through Head and stream the rest.
	Scan
	// Stream: pass the body untouched.
	Stream
)

// Judge says what happens to a body. length is the complete length of the
// representation as sent: Content-Length, or for 206 the total of
// Content-Range (see ContentRange); -1 where unknown. A 206 judged Scan must
// be asked for again without Range, and Slice then gives the part.
func (m *Masker) Judge(contentType, contentEncoding string, length int64) Verdict {
	panic("being written")
}

// Result is a scanned body.
type Result struct {
	// Body is what to send; it is the input itself where Changed is false.
	Body []byte
	// Changed: at least one place is masked. Drop the fields StaleFields.
	Changed bool
	// Decoded: Body is identity where the answer was gzip: drop
	// Content-Encoding and set Content-Length.
	Decoded bool
}

// Body masks a whole body of at most MaxBody bytes.
func (m *Masker) Body(body []byte, contentEncoding string) (Result, error) { panic("being written") }

// Head masks the first bytes of a body that proved longer than MaxBody, in
// place; a coded body is left as it is.
func (m *Masker) Head(head []byte, contentEncoding string) { panic("being written") }

// StaleFields are the digest fields that no longer hold for a masked body.
func StaleFields() []string { panic("being written") }

// AcceptEncoding is what to send upstream on a request that gets a
// credential, given the worker's own values of the field (joined by commas).
func AcceptEncoding(method string, worker string, hasWorker, ranged bool) string {
	panic("being written")
}

// Part is an answer to a range request.
type Part struct {
	// Status is 200 (whole), 206 or 416.
	Status int
	// First and End delimit the bytes to send: body[First:End].
	First, End int64
	// ContentRange is the field's value for 206 and 416, otherwise empty.
	ContentRange string
}

// Slice says which part of a whole text of size bytes answers a request with
// these Range and If-Range fields, where the text has these validators.
func Slice(rangeField, ifRange, etag, lastModified string, size int64) Part {
	panic("being written")
}

// ContentRange reads a Content-Range field of a 206. total is -1 where it is
// unknown.
func ContentRange(field string) (first, last, total int64, ok bool) { panic("being written") }
