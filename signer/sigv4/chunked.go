package sigv4

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strconv"
	"strings"

	"github.com/weighbridge/weighbridge/signer/s3err"
)

const (
	// chunkWindow is what is buffered of an aws-chunked body; reads longer
	// than it go past the buffer.
	chunkWindow = 32 << 10
	// maxChunkLine bounds the line before a chunk: 16 digits, the name of the
	// signature and its 64.
	maxChunkLine = 128
	// minSignedChunk is the length of the shortest chunk but the last (SigV4,
	// "Transferring Payload in Multiple Chunks"): each costs two hashes.
	minSignedChunk = 8 << 10
)

// chain signs the parts of a body, each on the signature before it.
type chain struct {
	key      SigningKey
	date     string
	scope    Scope
	previous string
}

// verify checks the signature of the next part.
func (c *chain) verify(algorithm, content, signature string) bool {
	want := c.key.Sign(algorithm + "\n" + c.date + "\n" + c.scope.String() + "\n" + c.previous + "\n" + content)
	c.previous = want
	return subtle.ConstantTimeCompare([]byte(want), []byte(signature)) == 1
}

// chunkReader decodes aws-chunked: lines "<size>;chunk-signature=<64 digits>",
// each before as many bytes and a line break, the last of size 0 before the
// trailer (SigV4, "Transferring Payload in Multiple Chunks"; HTTP's chunked
// coding, RFC 9112, section 7.1, inside the body). Unsigned chunks have the
// size alone.
type chunkReader struct {
	in     *bufio.Reader
	mode   PayloadMode
	chain  chain
	sum    hash.Hash // of the chunk; nil where chunks are not signed
	claim  string    // the signature of the chunk
	inside bool      // the chunk's data is being read
	left   int64     // of the chunk, in bytes
	size   int64     // of the chunk before
	total  int64     // still to come, in bytes
	checks []check
	// trailers are verified once the reader has returned io.EOF.
	trailers []Field
	err      error
}

// check is a checksum that the trailer will bring.
type check struct {
	name string
	sum  hash.Hash
}

func newChunkReader(r io.Reader, p Payload, c chain) (*chunkReader, error) {
	out := &chunkReader{in: bufio.NewReaderSize(r, chunkWindow), mode: p.Mode, chain: c, size: minSignedChunk, total: p.Length}
	if p.Mode != PayloadUnsignedTrailer {
		out.sum = sha256.New()
	}
	for _, name := range p.Trailers {
		sum := newChecksum(name)
		if sum == nil {
			return nil, errTrailer("The trailer brings a checksum of an unknown kind.")
		}
		out.checks = append(out.checks, check{name, sum})
	}
	return out, nil
}

// Read implements io.Reader; its errors stay.
func (c *chunkReader) Read(p []byte) (n int, err error) {
	if c.err != nil || len(p) == 0 {
		return 0, c.err
	}
	if !c.inside {
		if c.err = c.beginChunk(); c.err != nil {
			return 0, c.err
		}
	}
	n, err = c.in.Read(p[:min(int64(len(p)), c.left)])
	if c.sum != nil {
		c.sum.Write(p[:n])
	}
	for _, k := range c.checks {
		k.sum.Write(p[:n])
	}
	c.left -= int64(n)
	switch {
	case c.left == 0:
		c.err = c.endChunk()
	case err != nil:
		c.err = cut(err)
	}
	return n, c.err
}

// beginChunk reads the line before a chunk. After the last chunk it reads the
// rest of the body and gives io.EOF if all of it is good.
func (c *chunkReader) beginChunk() error {
	size, err := c.chunkLine()
	switch {
	case err != nil:
		return err
	case c.sum != nil && size > 0 && c.size < minSignedChunk:
		return s3err.New(s3err.InvalidChunkSize, "Only the last chunk is allowed to have a size less than 8192 bytes.", "")
	case size > c.total:
		return errLength()
	}
	c.size, c.left = size, size
	c.total -= size
	if size > 0 {
		c.inside = true
		return nil
	}
	if c.total != 0 {
		return errLength()
	}
	if err := c.verifyChunk(); err != nil {
		return err
	}
	return c.end()
}

// endChunk reads the line break behind a chunk and verifies it.
func (c *chunkReader) endChunk() error {
	c.inside = false
	var crlf [2]byte
	if _, err := io.ReadFull(c.in, crlf[:]); err != nil {
		return cut(err)
	}
	if string(crlf[:]) != "\r\n" {
		return errFraming("a chunk is longer than its size says")
	}
	return c.verifyChunk()
}

// verifyChunk checks the signature of the chunk that has been read.
func (c *chunkReader) verifyChunk() error {
	if c.sum == nil {
		return nil
	}
	content := hex.EncodeToString(c.sum.Sum(nil))
	c.sum.Reset()
	if !c.chain.verify("AWS4-HMAC-SHA256-PAYLOAD", EmptyPayload+"\n"+content, c.claim) {
		return errSignature("The signature that we calculated for a chunk does not match the one in the body.", nextOrder)
	}
	return nil
}

// chunkLine parses "<size>[;chunk-signature=<64 digits>]".
func (c *chunkReader) chunkLine() (size int64, err error) {
	line, err := c.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull), len(line) > maxChunkLine:
		return 0, errFraming("the line before a chunk is too long")
	case err != nil:
		return 0, cut(err)
	}
	digits, ok := strings.CutSuffix(string(line), "\r\n")
	if !ok {
		return 0, errFraming("the line before a chunk does not end in CRLF")
	}
	if c.sum != nil {
		if digits, c.claim, ok = strings.Cut(digits, ";chunk-signature="); !ok || !isHash(c.claim) {
			return 0, errFraming("a chunk has no signature")
		}
	}
	n, err := strconv.ParseUint(digits, 16, 63)
	if err != nil || digits[0] == '+' {
		return 0, errFraming("the size of a chunk is not a hexadecimal number")
	}
	return int64(n), nil
}

// cut tells a body that ended too early from one that could not be read.
func cut(err error) error {
	if err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	e := s3err.New(s3err.IncompleteBody, "The body ended before its last chunk and trailer.", "")
	e.Cause = io.ErrUnexpectedEOF
	return e
}

func errLength() *s3err.Error {
	return s3err.New(s3err.IncompleteBody, "The chunks are not as long together as x-amz-decoded-content-length says.", "")
}

func errFraming(reason string) *s3err.Error {
	return s3err.New(s3err.InvalidRequest, "The aws-chunked body is malformed: "+reason+".", "")
}
