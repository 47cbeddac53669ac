package wire

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// requestBody is the body of a worker's request: Content-Length bytes, or
// chunked, decoded strictly. One goroutine reads it; settle, stop and
// abandonBody may be called by another.
type requestBody struct {
	x      *serving
	length int64 // -1 is chunked
	left   int64
	chunks *chunkReader

	reading sync.Mutex // held by Read

	mu      sync.Mutex // guards the rest
	expect  bool       // 100 Continue is still to be sent
	started bool       // something was read
	over    bool       // the response is being written
	stopped bool       // nobody may read any more

	done atomic.Bool // the whole body was read
	err  error
}

var (
	_ io.Reader = (*requestBody)(nil)
	_ abandoner = (*requestBody)(nil)
)

// newBody returns nil for a request without a body.
func (x *serving) newBody(h *head) *requestBody {
	if !h.chunked && h.length <= 0 {
		return nil
	}
	b := &requestBody{x: x, length: h.length, left: h.length, expect: h.expect && !h.http10}
	if h.chunked {
		x.br = grown(x.br, x) // small chunks are many in one read
		b.chunks = &chunkReader{br: x.br}
	}
	return b
}

// errOver is what reading a body meets after the answer has begun.
var errOver = errors.New("wire: the request was answered before its body was read")

// Read implements io.Reader. A body that breaks ends with an error other than
// io.EOF.
func (b *requestBody) Read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := b.begin(); err != nil {
		b.err = err
		return 0, err
	}
	var n int
	var err error
	if b.chunks != nil {
		n, err = b.chunks.Read(p)
	} else {
		n, err = b.x.br.Read(p[:min(int64(len(p)), b.left)])
		b.left -= int64(n)
		if b.left == 0 {
			err = io.EOF
		} else if err != nil {
			err = unexpected(err)
		}
	}
	if err != nil {
		b.err = err
		b.x.base.setReadIdle(0)
		b.done.Store(err == io.EOF)
		if n > 0 {
			err = nil
		}
	}
	return n, err
}

// begin does what the first Read has to: it asks a worker that waits for 100
// Continue to send, and limits by how long the worker may stall.
func (b *requestBody) begin() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped || b.over && (!b.started || b.expect) {
		return errOver
	}
	if !b.started {
		b.x.base.setReadIdle(b.x.s.o.StallTimeout)
	}
	b.started = true
	if b.expect {
		b.expect = false
		if _, err := io.WriteString(b.x.c, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return err
		}
	}
	return nil
}

// settle is called before the response is written: from now on nothing else
// is sent. It reports whether the body was read whole, or is here whole and
// could be dropped; otherwise its bytes are still to come, and the connection
// can serve no other request. The nil body is whole.
func (b *requestBody) settle() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	if b.done.Load() {
		return true
	}
	if !b.started && b.chunks == nil && int64(b.x.br.Buffered()) >= b.left {
		_, _ = b.x.br.Discard(int(b.left))
		b.left = 0
		return true
	}
	return false
}

// stop returns when nobody reads the worker's connection any more: a Read that
// waits fails, and so does every later one.
func (b *requestBody) stop() {
	if b == nil {
		return
	}
	b.mu.Lock()
	b.stopped = true
	b.mu.Unlock()
	b.abandonBody()
	b.reading.Lock() // a Read that began before has to end
	defer b.reading.Unlock()
}

// abandonBody makes a Read that waits for the worker fail.
func (b *requestBody) abandonBody() {
	if !b.done.Load() {
		b.x.base.abandonRead()
	}
}
