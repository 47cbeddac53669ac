package wire

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// respond writes ctx.Response. kept is keep, or false where the end of the
// body had to be told by the end of the connection. After an error the
// connection must be reset: the response is not whole.
func (x *serving) respond(ctx *fasthttp.RequestCtx, http10, keep bool) (kept bool, err error) {
	resp := &ctx.Response
	stream := resp.BodyStream()
	defer func() {
		if cerr := closeStream(resp, err); err == nil {
			err = cerr
		}
	}()
	fine := true
	func() {
		defer x.recovered(&fine)
		kept, err = x.write(ctx, stream, http10, keep)
	}()
	if !fine {
		return false, errors.New("wire: a panic while the response was written")
	}
	return kept, err
}

// Told is a body stream that hears why its response did not go out whole, before
// its Close: also where nothing of the stream was asked for, because the head
// could not be written or another response took its place.
type Told interface{ Fail(err error) }

// closeStream closes the body stream of resp, if there is one. err is nil where
// the response went out whole.
func closeStream(resp *fasthttp.Response, err error) error {
	if s, ok := resp.BodyStream().(Told); ok && err != nil {
		s.Fail(err)
	}
	return resp.CloseBodyStream()
}

// Prompt is a body stream that has its first bytes at hand: the head of the
// response waits for its first Write, even one of nothing, and leaves with it.
// Its WriteTo must write to the writer that it is given and nowhere else.
type Prompt interface {
	fasthttp.BodyWriterTo
	Prompt()
}

func (x *serving) write(ctx *fasthttp.RequestCtx, stream io.Reader, http10, keep bool) (bool, error) {
	resp := &ctx.Response
	status := resp.StatusCode()
	var body []byte
	length := int64(-1)
	if stream == nil {
		body = resp.Body()
		length = int64(len(body))
	} else if n := resp.Header.ContentLength(); n >= 0 {
		length = int64(n)
	}
	bodyless := status < 200 || status == fasthttp.StatusNoContent
	skip := bodyless || status == fasthttp.StatusNotModified || ctx.IsHead() || resp.SkipBody
	chunked := !skip && length < 0 && !http10
	if !skip && length < 0 && http10 {
		keep = false
	}
	bw := getWriter(x.c)
	defer putWriter(bw)

	writeStatus(bw, status, resp.Header.StatusMessage())
	given := false // Content-Length where there is no body
	for k, v := range resp.Header.All() {
		switch {
		case equalFold(k, "content-length"):
			if !skip || bodyless || len(body) > 0 || given {
				continue
			}
			given = true
		case equalFold(k, "connection"), equalFold(k, "transfer-encoding"):
			continue
		}
		writeField(bw, k, v)
	}
	switch {
	case chunked:
		_, _ = bw.WriteString("Transfer-Encoding: chunked\r\n")
	case !skip && length >= 0, skip && !bodyless && len(body) > 0:
		_, _ = bw.WriteString("Content-Length: ")
		_, _ = bw.Write(strconv.AppendInt(bw.AvailableBuffer(), length, 10))
		_, _ = bw.WriteString("\r\n")
	}
	if !keep {
		_, _ = bw.WriteString("Connection: close\r\n")
	} else if http10 {
		_, _ = bw.WriteString("Connection: keep-alive\r\n")
	}
	_, _ = bw.WriteString("\r\n")

	switch {
	case skip:
		return keep, bw.Flush()
	case stream == nil:
		_, _ = bw.Write(body)
		return keep, bw.Flush()
	default:
		if _, ok := stream.(Prompt); !ok {
			// Errors of a bufio.Writer stay: Flush tells.
			if err := bw.Flush(); err != nil {
				return false, err
			}
		}
		return keep, x.writeStream(bw, stream, length, chunked)
	}
}

// endUnseen reports whether the worker could not tell the end of the answer
// from its breaking off: where the end of the connection is all that tells it,
// and the connection can neither be reset nor end without close_notify.
func (x *serving) endUnseen(ctx *fasthttp.RequestCtx, h *head) bool {
	resp := &ctx.Response
	if !h.http10 || x.base.bottom != nil || x.c != net.Conn(x.base) || !resp.IsBodyStream() || resp.Header.ContentLength() >= 0 {
		return false
	}
	status := resp.StatusCode()
	return !ctx.IsHead() && !resp.SkipBody && status >= 200 && status != fasthttp.StatusNoContent && status != fasthttp.StatusNotModified
}

// writeStream writes a body that is a stream, framed by what the head said.
func (x *serving) writeStream(bw *bufio.Writer, stream io.Reader, length int64, chunked bool) error {
	var sink io.Writer = flusher{bw}
	if chunked {
		sink = chunker{bw}
	}
	var n int64
	var err error
	if w, ok := stream.(fasthttp.BodyWriterTo); ok && w.SupportsBodyWriteTo() {
		n, err = w.WriteTo(sink)
	} else {
		n, err = copyStream(sink, stream)
	}
	switch {
	case err != nil:
		return err
	case length >= 0 && n != length:
		return io.ErrUnexpectedEOF
	case chunked:
		_, _ = bw.WriteString("0\r\n\r\n")
	}
	return bw.Flush()
}

// copyStream copies a stream that is not of this package.
func copyStream(w io.Writer, r io.Reader) (int64, error) {
	buf := memories.Get().(*[]byte)
	defer memories.Put(buf)
	var total int64
	for {
		n, err := r.Read(*buf)
		if n > 0 {
			m, werr := w.Write((*buf)[:n])
			total += int64(m)
			if werr != nil {
				return total, werr
			}
		}
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// flusher sends each Write at once.
type flusher struct{ bw *bufio.Writer }

func (f flusher) Write(p []byte) (int, error) {
	n, err := f.bw.Write(p)
	if err == nil {
		if err = f.bw.Flush(); err != nil {
			n = max(n-f.bw.Buffered(), 0) // it is behind what else is left, such as the head
		}
	}
	return n, err
}

// chunker frames each Write as a chunk and sends it at once.
type chunker struct{ bw *bufio.Writer }

func (c chunker) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil // an empty chunk would be the end
	}
	if err := writeChunk(c.bw, p); err != nil {
		return 0, err
	}
	if err := c.bw.Flush(); err != nil {
		return 0, err
	}
	return len(p), nil
}

func writeStatus(bw *bufio.Writer, status int, reason []byte) {
	_, _ = bw.WriteString("HTTP/1.1 ")
	_, _ = bw.Write(strconv.AppendInt(bw.AvailableBuffer(), int64(status), 10))
	_ = bw.WriteByte(' ')
	if len(reason) > 0 {
		_, _ = bw.Write(reason)
	} else {
		_, _ = bw.WriteString(fasthttp.StatusMessage(status))
	}
	_, _ = bw.WriteString("\r\n")
}

func writeField(bw *bufio.Writer, name, value []byte) {
	_, _ = bw.Write(name)
	_, _ = bw.WriteString(": ")
	_, _ = bw.Write(value)
	_, _ = bw.WriteString("\r\n")
}

// The most that linger reads, and for how long.
const (
	lingerBytes = 256 << 10
	lingerTime  = time.Second
)

// linger ends the sending side and reads on for a moment: closing a socket
// with unread bytes resets it, and a worker that is still sending would lose
// the answer (RFC 9112 section 9.6).
func (x *serving) linger() {
	if t, ok := x.c.(*tls.Conn); ok {
		_ = t.CloseWrite()
	}
	if x.base.tcp == nil {
		return
	}
	_ = x.base.tcp.CloseWrite()
	x.base.setReadIdle(0)
	_ = x.base.tcp.SetReadDeadline(time.Now().Add(lingerTime))
	buf := memories.Get().(*[]byte)
	defer memories.Put(buf)
	for left := lingerBytes; left > 0; {
		n, err := x.base.tcp.Read(*buf)
		if err != nil {
			return
		}
		left -= n
	}
}
