package wire

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"

	"github.com/valyala/fasthttp"

	"github.com/weighbridge/weighbridge/auth"
)

// Body is an upstream's answer body, still on its connection, or in memory
// where it is at most 64 KiB of known length. It belongs to one goroutine.
type Body struct {
	// mem is what is left of a body in memory; buf is where it came from.
	mem []byte
	buf *[]byte

	// The rest belongs to a body on its connection; u is nil after it was
	// given back or closed.
	u          *upstream
	br         *bufio.Reader // nil once what it held was taken and it is not needed
	chunks     *chunkReader  // nil where the body is not chunked
	left       int64         // of a known length; -1 is "until the upstream closes"
	reusable   bool
	upload     *upload
	leash      leash
	ctx        context.Context
	generation uint64

	host  string
	len   int64
	count int64
	whole bool
	err   error
	limit stallLimits

	client   net.Conn
	progress func(n int64)
	key      string
	pace     *Pace
}

var (
	_ io.ReadCloser         = (*Body)(nil)
	_ fasthttp.BodyWriterTo = (*Body)(nil)
)

// body decides how the answer's body is framed (RFC 9112 section 6.3) and
// takes the exchange's resources over.
func (x *exchange) body(h head) (*Body, error) {
	b := &Body{
		u: x.u, br: x.br, upload: x.upload, leash: x.leash, ctx: x.ctx, generation: x.generation,
		host: x.u.d.Host, reusable: h.persists() && !x.cut && !h.bound && !x.out.bound,
		limit: stallLimits{upstream: x.u.c.o.StallTimeout, worker: x.u.c.o.WorkerStallTimeout},
	}
	x.u.base.setReadIdle(b.limit.upstream)
	switch {
	case x.out.isHead || h.status == fasthttp.StatusNoContent || h.status == fasthttp.StatusNotModified:
		if h.status == fasthttp.StatusNoContent && (h.length > 0 || h.chunked) {
			b.reusable = false // a body may follow that must not be there
		}
		b.finish()
	case h.chunked:
		b.len, b.left = -1, -1
		b.br = grown(b.br, b.u.net) // small chunks are many in one read
		b.chunks = &chunkReader{br: b.br}
	case h.length >= 0:
		b.len, b.left = h.length, h.length
		if h.length <= smallBody {
			if err := b.load(); err != nil {
				return nil, err
			}
		}
	default:
		b.len, b.left, b.reusable = -1, -1, false
	}
	return b, nil
}

// load reads a small body into memory, so that its connection is free. As the
// worker has seen nothing yet, a body that breaks is an error of the exchange.
func (b *Body) load() error {
	if b.left > 0 {
		b.buf = getMemory(b.left)
		b.mem = (*b.buf)[:b.left]
		if _, err := io.ReadFull(b.source(), b.mem); err != nil {
			b.fail(unexpected(err))
			_ = b.Close()
			return b.err
		}
		b.left = 0
	}
	b.finish()
	return nil
}

// ahead is how many bytes the head's reader holds.
func (b *Body) ahead() int {
	if b.br == nil {
		return 0
	}
	return b.br.Buffered()
}

// dropReader gives the head's reader back once it is empty and not needed to
// decode: a long body holds none of it.
func (b *Body) dropReader() {
	if b.chunks == nil && b.br != nil && b.br.Buffered() == 0 {
		putReader(b.br)
		b.br = nil
	}
}

// source is where undecoded bytes come from: what the head's reader still
// holds, then the connection itself.
func (b *Body) source() io.Reader {
	if b.ahead() > 0 {
		return b.br
	}
	return b.u.net
}

// finish is called when the body was read whole: the connection is given
// back where it may be.
func (b *Body) finish() {
	b.whole = true
	if b.u == nil {
		return
	}
	// What the upstream sent beyond its answer makes the connection useless.
	reusable := b.reusable && b.upload.finished() && b.ahead() == 0 && b.u.base.buffered() == 0
	b.release(reusable)
}

// fail notes why the body ended early and closes its connection. The error is
// the upstream's.
func (b *Body) fail(err error) {
	if b.err == nil {
		b.err = b.explain(err)
	}
	b.release(false)
}

// explain says in public words why the body broke.
func (b *Body) explain(err error) error {
	if f := b.upload.failure(); f != nil {
		return f
	}
	var why string
	code := auth.CodeUpstreamUnreachable
	switch {
	case b.ctx.Err() != nil:
		return auth.NewError(code, "the transfer from "+b.host+" was given up", errors.Join(context.Cause(b.ctx), err))
	case isMalformed(err):
		return auth.NewError(auth.CodeUpstreamProtocol, "the answer of "+b.host+" is not valid: "+err.Error(), err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		code, why = auth.CodeUpstreamTimeout, b.host+" stopped sending"
	case errors.Is(err, io.ErrUnexpectedEOF):
		why = b.host + " ended its answer early"
	default:
		why = b.host + " broke its answer off"
	}
	return auth.NewError(code, why, &brokenBody{err})
}

// ErrBroken is in the error of a body that ended early, or stalled, after the
// head of the answer had come: the same could be asked for again. It is not in
// the errors of answers that break the rules, nor of transfers that were given
// up on our side.
var ErrBroken = errors.New("wire: the upstream broke its answer off")

// brokenBody is what reading met, and ErrBroken.
type brokenBody struct{ error }

func (e *brokenBody) Unwrap() error        { return e.error }
func (e *brokenBody) Is(target error) bool { return target == ErrBroken }

// release lets go of the connection and everything that belongs to it.
func (b *Body) release(reusable bool) {
	u := b.u
	if u == nil {
		return
	}
	b.u = nil
	// The leash is gone where the context ended: the connection is closed.
	reusable = b.leash.free(u) && reusable
	if u.base.turn != nil { // a request that is still being sent never has one
		u.base.turn = nil
	}
	// The read batch is taken away before anybody else may get the connection;
	// its buffer goes back where it was lent.
	reusable = u.base.endRead() && reusable
	if !reusable {
		u.close()
	}
	b.upload.abort()
	if b.br != nil {
		putReader(b.br)
	}
	b.br, b.chunks = nil, nil
	if reusable {
		u.c.keep(u, b.generation)
	}
}

// Len is the length in bytes, or -1 where it is known only at the end. For an
// answer without a body (HEAD, 204, 304) it is 0, whatever Content-Length says.
func (b *Body) Len() int64 { return b.len }

// Count is how many bytes have been taken so far: read, or written to the
// worker.
func (b *Body) Count() int64 { return b.count }

// Whole says whether the body was read to its end and nothing was missing.
func (b *Body) Whole() bool { return b.whole && len(b.mem) == 0 }

// Err is the error that ended the body early: a *auth.Error
// (CodeUpstreamTimeout, CodeUpstreamUnreachable, CodeUpstreamProtocol) where
// the upstream is at fault, anything else where the worker is. It is nil while
// all is well and after a whole body.
func (b *Body) Err() error { return b.err }

// Bind says which connection a WriteTo goes to, and who wants to know of
// progress: onProgress (may be nil) is called by WriteTo's goroutine with the
// bytes moved since its last call. Without Bind a WriteTo goes to its writer.
func (b *Body) Bind(client net.Conn, onProgress func(n int64)) {
	b.client, b.progress = client, onProgress
}

// Memory is a body that is whole in memory, of which nothing was read. It may
// be changed in place, and holds until Close.
func (b *Body) Memory() ([]byte, bool) {
	if b.buf == nil || b.count > 0 {
		return nil, false
	}
	return b.mem, true
}

// Share says whose stream it is: see Shares. Without it the stream is one of a
// key that is nobody's.
func (b *Body) Share(key string) { b.key = key }

// Pace sets the pace of WriteTo; nil is none.
func (b *Body) Pace(p *Pace) { b.pace = p }

// Attach hands b to resp: in memory it becomes resp's body and b is closed;
// otherwise it becomes resp's body stream, which the Server streams and
// closes. For an answer without a body the fields of resp, its Content-Length
// among them, stay as the upstream sent them. Call Bind first.
func (b *Body) Attach(resp *fasthttp.Response) {
	switch {
	case b.u != nil:
		if b.len >= 0 {
			resp.SetBodyStream(b, int(b.len))
		} else {
			resp.SetBodyStream(b, -1)
		}
		resp.ImmediateHeaderFlush = true
	case len(b.mem) > 0:
		resp.SetBody(b.mem)
		b.count += int64(len(b.mem))
		b.mem = nil
		_ = b.Close()
	}
}

// moved counts bytes that were taken.
func (b *Body) moved(n int64) {
	b.count += n
	if b.progress != nil && n > 0 {
		b.progress(n)
	}
}

// Peek returns the whole body where it has at most limit bytes, and keeps it
// for whoever reads next; nil where it has more, of which nothing is lost. The
// bytes are b's. As the worker has seen nothing yet, a body that breaks is an
// error of the exchange.
func (b *Body) Peek(limit int) ([]byte, error) {
	if b.len > int64(limit) {
		return nil, nil
	}
	for b.u != nil && len(b.mem) <= limit {
		if len(b.mem) == cap(b.mem) {
			b.mem = append(make([]byte, 0, 2*cap(b.mem)+2048), b.mem...)
		}
		n, err := b.next(b.mem[len(b.mem):cap(b.mem)])
		b.mem = b.mem[:len(b.mem)+n]
		if err != nil && err != io.EOF {
			return nil, err
		}
	}
	if len(b.mem) > limit {
		return nil, nil
	}
	return b.mem, b.err
}

// Read reads decoded bytes. A body that breaks ends with an error and never
// with io.EOF.
func (b *Body) Read(p []byte) (int, error) {
	if len(b.mem) > 0 {
		n := copy(p, b.mem)
		b.mem = b.mem[n:]
		b.count += int64(n)
		return n, nil
	}
	if b.u == nil {
		switch {
		case b.err != nil:
			return 0, b.err
		case b.whole:
			return 0, io.EOF
		default:
			return 0, net.ErrClosed
		}
	}
	n, err := b.next(p)
	b.count += int64(n)
	if n > 0 && err == io.EOF {
		return n, nil
	}
	return n, err
}

// next reads decoded bytes from the connection. At the body's end, which may
// come with the last bytes, the connection is given back and err is io.EOF;
// any other error is b.err.
func (b *Body) next(p []byte) (int, error) {
	switch {
	case b.chunks != nil:
		n, err := b.chunks.Read(p)
		if err == io.EOF {
			b.finish()
			return n, io.EOF
		}
		if err != nil {
			b.fail(err)
			return n, b.err
		}
		return n, nil
	case b.left < 0:
		n, err := b.source().Read(p)
		if err == io.EOF && b.u.net != b.u.base && b.u.base.fin {
			// No close_notify came (RFC 8446, section 6.1): anybody on the way
			// could have cut it here (RFC 9112, section 9.8).
			err = io.ErrUnexpectedEOF
		}
		if err == io.EOF {
			b.finish()
			return n, io.EOF
		}
		if err != nil {
			b.fail(err)
			return n, b.err
		}
		return n, nil
	default:
		if b.left == 0 {
			b.finish()
			return 0, io.EOF
		}
		n, err := b.source().Read(p[:min(int64(len(p)), b.left)])
		b.left -= int64(n)
		if b.left == 0 {
			b.finish()
			return n, io.EOF
		}
		if err != nil {
			b.fail(unexpected(err))
			return n, b.err
		}
		return n, nil
	}
}

// Close gives the connection back where the body was read whole, and closes
// it otherwise. It may be called more than once.
func (b *Body) Close() error {
	b.release(false)
	b.mem = nil
	if b.buf != nil {
		putMemory(b.buf)
		b.buf = nil
	}
	return nil
}
