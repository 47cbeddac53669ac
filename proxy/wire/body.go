package wire

import (
	"io"
	"net"

	"github.com/valyala/fasthttp"
)

// Body is an upstream's answer body, still on its connection, or in memory
// where it is at most 64 KiB of known length. It belongs to one goroutine.
type Body struct{}

var (
	_ io.ReadCloser         = (*Body)(nil)
	_ fasthttp.BodyWriterTo = (*Body)(nil)
)

// Len is the length in bytes, or -1 where it is known only at the end. For an
// answer without a body (HEAD, 204, 304) it is 0, whatever Content-Length says.
func (b *Body) Len() int64 { panic("being written") }

// Count is how many bytes have been taken so far: read, or written to the
// worker.
func (b *Body) Count() int64 { panic("being written") }

// Err is the error that ended the body early, with the upstream or the worker
// at fault: a *auth.Error (CodeUpstreamTimeout, CodeUpstreamUnreachable,
// CodeUpstreamProtocol) for the upstream, anything else for the worker. It is
// nil while all is well and after a whole body.
func (b *Body) Err() error { panic("being written") }

// Bind says which connection a WriteTo goes to, and who wants to know of
// progress: onProgress (may be nil) is called by the streaming goroutine with
// the bytes moved since its last call.
func (b *Body) Bind(client net.Conn, onProgress func(n int64)) { panic("being written") }

// Attach hands b to resp: in memory it becomes resp's body and b is closed;
// otherwise it becomes resp's body stream, which the Server streams and
// closes. Content-Length is set from Len where there is a body to send; for
// HEAD and 304 the answer's own field stays. Call Bind first.
func (b *Body) Attach(resp *fasthttp.Response) { panic("being written") }

// Read reads decoded bytes. A body that breaks ends with an error and never
// with io.EOF.
func (b *Body) Read(p []byte) (int, error) { panic("being written") }

// Close gives the connection back where the body was read whole, and closes
// it otherwise. It may be called more than once.
func (b *Body) Close() error { panic("being written") }

// SupportsBodyWriteTo tells fasthttp's writer to use WriteTo.
func (b *Body) SupportsBodyWriteTo() bool { return true }

// WriteTo streams what is left to the bound connection, past w, which must be
// empty; a body of unknown length goes through w, which frames it.
func (b *Body) WriteTo(w io.Writer) (int64, error) { panic("being written") }
