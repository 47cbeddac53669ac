package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// The ways in which a chunked body is refused. Their texts are public.
var (
	errChunkSize    = errors.New("a chunk size is malformed")
	errChunkEnd     = errors.New("a chunk does not end where its size says")
	errChunkTooMuch = errors.New("chunk extensions or trailers are out of proportion")
)

// maxChunkExcess bounds what chunk lines and trailers may take beyond what an
// honest sender needs, as net/http bounds it: 16 bytes a line and one for each
// two bytes of data are free.
const maxChunkExcess = 16 << 10

// chunkReader decodes a chunked body (RFC 9112 section 7.1) strictly: a size
// is 1 to 15 hexadecimal digits, followed by CR LF or by an extension that
// begins with ";" at once; no bare CR or LF anywhere; trailers are well-formed
// fields. Extensions and trailers are dropped. The body ends with io.EOF only
// where the last chunk and the trailers' empty line were read; every other end
// is an error, and after an error every Read returns it.
type chunkReader struct {
	br     *bufio.Reader
	left   int64 // of the current chunk
	within bool  // a chunk is open: its CR LF is still to come
	excess int64
	err    error
}

// Read implements io.Reader.
func (c *chunkReader) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if c.left == 0 {
		if c.err = c.next(); c.err != nil {
			return 0, c.err
		}
	}
	n, err := c.br.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if err != nil {
		c.err = unexpected(err)
		if n == 0 {
			return 0, c.err
		}
	}
	return n, nil
}

// next goes to the next chunk's data; io.EOF is the end of the body.
func (c *chunkReader) next() error {
	if c.within {
		c.within = false
		b, err := c.br.Peek(2)
		if len(b) > 0 && b[0] != '\r' || len(b) > 1 && b[1] != '\n' {
			return errChunkEnd
		}
		if err != nil {
			return unexpected(err)
		}
		_, _ = c.br.Discard(2)
	}
	line, err := c.line()
	if err != nil {
		return err
	}
	size, ok := parseChunkLine(line)
	if !ok {
		return errChunkSize
	}
	c.excess += int64(len(line)) + 2 - 16 - size/2
	c.excess = max(c.excess, 0)
	if c.excess > maxChunkExcess {
		return errChunkTooMuch
	}
	if size > 0 {
		c.left, c.within = size, true
		return nil
	}
	return c.trailers()
}

// trailers reads the fields behind the last chunk and drops them.
func (c *chunkReader) trailers() error {
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return io.EOF
		}
		if c.excess += int64(len(line)) + 2; c.excess > maxChunkExcess {
			return errChunkTooMuch
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		switch {
		case line[0] == ' ' || line[0] == '\t':
			return errFolded
		case !ok:
			return errNoColon
		case !isToken(name):
			return errBadName
		case !isText(value):
			return errBadValue
		}
	}
}

// line takes one line, without its CR LF. It is valid until the next read.
func (c *chunkReader) line() ([]byte, error) {
	b, err := c.br.ReadSlice('\n')
	if err != nil {
		if errors.Is(err, bufio.ErrBufferFull) {
			return nil, errChunkTooMuch
		}
		return nil, unexpected(err)
	}
	line, _, err := cutLine(b)
	return line, err
}

// parseChunkLine reads a chunk's size line without its CR LF.
func parseChunkLine(line []byte) (int64, bool) {
	digits, ext, hasExt := bytes.Cut(line, []byte(";"))
	if len(digits) == 0 || len(digits) > 15 || hasExt && !isText(ext) {
		return 0, false
	}
	var n int64
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		n = n<<4 | int64(c)
	}
	return n, true
}

// unexpected turns an end that comes too early into what it is.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
