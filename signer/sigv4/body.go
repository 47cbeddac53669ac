package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strings"

	"github.com/weighbridge/weighbridge/signer/s3err"
)

// Body holds the body of a verified request, as it arrives, to what was
// signed: r is the framed body (its end is io.EOF, a body cut short is any
// other error; nil has no byte), and what is read from Body is the decoded payload.
//
// It ends in io.EOF only once everything is verified: hash, lengths, every
// chunk, the trailer. Data may be passed on while it is read, because the last
// byte is held back until then: a receiver that was told the decoded length
// never gets a whole payload that fails. A payload of no bytes has no last
// one, so it is verified by this call. Errors are *s3err.Error, or wrap r's,
// and stay; at most a window of 32 KiB is buffered.
func (v *Verified) Body(r io.Reader) (*Body, error) {
	if r == nil {
		r = strings.NewReader("")
	}
	p := v.Payload
	b := &Body{}
	switch p.Mode {
	case PayloadHashed:
		b.src = &hashedReader{r: r, sum: sha256.New(), want: p.SHA256}
	case PayloadUnsigned:
		b.src = r
	case PayloadNone:
		b.src = &emptyReader{r}
	default:
		chunks, err := newChunkReader(r, p, v.chain)
		if err != nil {
			return nil, err
		}
		b.src, b.chunks = chunks, chunks
	}
	if p.Length == 0 || p.Mode == PayloadNone {
		if n, err := b.Read(make([]byte, 1)); err != io.EOF {
			if err == nil && n > 0 {
				err = errBodyTooLong()
			}
			return nil, err
		}
	}
	return b, nil
}

// Body reads the payload of a request: see Verified.Body.
type Body struct {
	src    io.Reader
	chunks *chunkReader // src where it is aws-chunked
	held   [1]byte
	full   bool // held holds a byte
	err    error
}

// Trailers are the trailer's fields with lower-case names; they are complete
// and verified once Read has returned io.EOF.
func (b *Body) Trailers() []Field {
	if b.chunks == nil || !errors.Is(b.err, io.EOF) {
		return nil
	}
	return b.chunks.trailers
}

// Read implements io.Reader. What arrives pushes the byte that was held out
// in front of it, and leaves its own last byte behind.
func (b *Body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for b.err == nil {
		into, pushed := p, 0
		if b.full {
			if into, pushed = p[1:], 1; len(into) == 0 {
				into = make([]byte, 1)
			}
		}
		n, err := b.src.Read(into)
		b.err = err
		if n == 0 {
			continue
		}
		last := into[n-1]
		if b.full {
			p[0] = b.held[0]
		}
		b.held[0], b.full = last, true
		if n += pushed - 1; n > 0 {
			return n, nil
		}
	}
	if b.err == io.EOF && b.full {
		p[0], b.full = b.held[0], false
		return 1, nil
	}
	return 0, b.err
}

// hashedReader passes r on and ends well only if its hash is the one wanted.
type hashedReader struct {
	r    io.Reader
	sum  hash.Hash
	want string
}

func (h *hashedReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.sum.Write(p[:n])
	if err == io.EOF && hex.EncodeToString(h.sum.Sum(nil)) != h.want {
		err = s3err.New(s3err.ContentSHA256Mismatch, "The provided 'x-amz-content-sha256' header does not match what was computed.", nextOrder)
	}
	return n, err
}

// emptyReader is the body of a request that has none.
type emptyReader struct{ r io.Reader }

func (e *emptyReader) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if n > 0 {
		return 0, errBodyTooLong()
	}
	return 0, err
}

func errBodyTooLong() *s3err.Error {
	return s3err.New(s3err.InvalidRequest, "The body is longer than the request says.", "")
}
