package soak

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/weighbridge/weighbridge/internal/house/origin"
)

func readSeeker(c origin.Content) io.ReadSeeker { return io.NewSectionReader(c, 0, c.Size()) }

// comparer compares what is written to it with content from at on.
type comparer struct {
	content origin.Content
	at      int64
	want    []byte
	wrong   error
}

// Write implements io.Writer.
func (c *comparer) Write(p []byte) (int, error) {
	if cap(c.want) < len(p) {
		c.want = make([]byte, len(p))
	}
	want := c.want[:len(p)]
	n, _ := c.content.ReadAt(want, c.at)
	if n < len(p) || !bytes.Equal(p, want) {
		c.wrong = fmt.Errorf("wrong bytes between %d and %d", c.at, c.at+int64(len(p)))
		return 0, c.wrong
	}
	c.at += int64(len(p))
	return len(p), nil
}

// hesitant reads little at a time, and rests now and then.
type hesitant struct {
	io.Reader
	n int
}

// Read implements io.Reader.
func (h *hesitant) Read(p []byte) (int, error) {
	if h.n++; h.n%50 == 0 {
		time.Sleep(time.Millisecond)
	}
	return h.Reader.Read(p[:min(len(p), 1+h.n*7919%(16<<10))])
}
