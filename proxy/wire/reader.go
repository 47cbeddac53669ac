package wire

import (
	"bufio"
	"errors"
	"io"
	"sync"
)

// shortHead is the size of the reader that a head is read with at first, in
// bytes: most heads fit, and a thousand requests at once hold 4 MiB so, where
// readers of MaxHeader are 32.
const shortHead = 4 << 10

// Readers of a head, of shortHead and MaxHeader bytes. They are held for a head
// and what follows it in the same read, never by an idle connection.
var (
	shortReaders = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, shortHead) }}
	longReaders  = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, MaxHeader) }}
)

func getReader(r io.Reader) *bufio.Reader {
	br := shortReaders.Get().(*bufio.Reader)
	br.Reset(r)
	return br
}

func putReader(br *bufio.Reader) {
	br.Reset(nil)
	if br.Size() < MaxHeader {
		shortReaders.Put(br)
	} else {
		longReaders.Put(br)
	}
}

// grown is br, or, where that is short, a reader of MaxHeader that holds what
// br held and reads on from r. br is given back then.
func grown(br *bufio.Reader, r io.Reader) *bufio.Reader {
	if br.Size() >= MaxHeader {
		return br
	}
	held, _ := br.Peek(br.Buffered())
	long := longReaders.Get().(*bufio.Reader)
	long.Reset(&heldThen{held: held, r: r})
	_, _ = long.Peek(len(held)) // copies it, before br is somebody else's
	putReader(br)
	return long
}

// heldThen is held, whole in one Read of a large enough buffer, and then r.
type heldThen struct {
	held []byte
	r    io.Reader
}

func (h *heldThen) Read(p []byte) (int, error) {
	if len(h.held) == 0 {
		return h.r.Read(p)
	}
	n := copy(p, h.held)
	if h.held = h.held[n:]; len(h.held) == 0 {
		h.held = nil
	}
	return n, nil
}

// readHeadFrom is readHead of *br, which reads from r, and which it replaces
// where the head is longer than what *br can hold.
func readHeadFrom(br **bufio.Reader, r io.Reader) ([]byte, error) {
	raw, err := readHead(*br)
	if errors.Is(err, errHeadTooLarge) && (*br).Size() < MaxHeader {
		*br = grown(*br, r)
		return readHead(*br)
	}
	return raw, err
}
