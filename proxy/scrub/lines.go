package scrub

import (
	"bytes"
	"errors"
	"io"
)

const (
	// lineBuffer is how much of a text that is sent line by line is held at
	// most, in bytes.
	lineBuffer = 64 << 10
	// lineOverlap is how much of a line that does not fit is held back, so that
	// a value that is cut by the end of the buffer is seen whole. It is longer
	// than a header field with a secret in it, spelled with two characters for
	// each.
	lineOverlap = lineBuffer / 2
)

// Lines copies a text from src to dst with every value overwritten, and sends
// each line as soon as it is there. No value that can stand in a header field
// has a line feed in it, and base64 that is wrapped (RFC 2045, section 6.8) is
// no one line of such a text. What follows the last line feed is sent at the
// end. It holds lineBuffer bytes, whatever src brings; in a line longer than
// that a value is found if its spelling is no longer than lineOverlap.
//
// The error is src's or dst's; what was written then must not end cleanly.
func (m *Masker) Lines(dst io.Writer, src io.Reader) error {
	buf := make([]byte, 0, lineBuffer)
	send := func(n int) error {
		if n == 0 {
			return nil
		}
		_, err := dst.Write(buf[:n])
		buf = buf[:copy(buf, buf[n:])]
		return err
	}
	for {
		n, err := src.Read(buf[len(buf):cap(buf)])
		fresh := len(buf)
		buf = buf[:fresh+n]
		whole := bytes.LastIndexByte(buf[fresh:], '\n') + 1
		if whole > 0 {
			whole += fresh
		}
		switch {
		case errors.Is(err, io.EOF):
			m.Mask(buf)
			return send(len(buf))
		case err != nil:
			m.Mask(buf) // what came is sent, and the error says that it is not all
			return errors.Join(err, send(len(buf)))
		case whole > 0:
			m.Mask(buf[:whole])
			err = send(whole)
		case len(buf) == cap(buf):
			m.Mask(buf)
			err = send(len(buf) - lineOverlap)
		}
		if err != nil {
			return err
		}
	}
}
