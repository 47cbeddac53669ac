package wire

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/weighbridge/weighbridge/auth"
)

// outgoing is a request as it is going to be sent.
type outgoing struct {
	head []byte // valid until the request is touched
	body []byte
	// stream is the body where it is not in memory, length bytes of it, or
	// chunked with -1.
	stream io.Reader
	length int64
	isHead bool
	// repeatable requests have no body and a safe method: RFC 9110 section 9.2.1.
	repeatable bool
	bound      bool // see head
	// protocol is what the request asks to switch to, lower-case, or empty.
	protocol string
}

// newOutgoing fixes the framing of req and checks the very bytes that will
// leave by the rules that requests to us are checked by.
func newOutgoing(req *fasthttp.Request) (*outgoing, error) {
	h := &req.Header
	h.SetNoDefaultContentType(true)
	h.ResetConnectionClose()
	h.Del("Expect")
	out := &outgoing{length: -1, isHead: h.IsHead()}
	if req.IsBodyStream() {
		out.stream = req.BodyStream()
		out.length = int64(h.ContentLength())
		if out.length < 0 {
			out.length = -1
			h.SetContentLength(-1)
		}
	} else {
		out.body = req.Body()
		switch {
		case len(out.body) > 0 || h.IsPost() || h.IsPut() || h.IsPatch():
			h.SetContentLength(len(out.body))
		default:
			h.Del("Content-Length")
			h.Del("Transfer-Encoding")
		}
	}
	out.repeatable = out.stream == nil && len(out.body) == 0 && (h.IsGet() || h.IsHead() || h.IsOptions())
	out.head = h.Header()
	refuse := func(err error) (*outgoing, error) {
		return nil, auth.NewError(auth.CodeBadRequest, "the request cannot be sent on: "+err.Error(), nil)
	}
	if len(out.head) > MaxHeader {
		return refuse(errHeadTooLarge)
	}
	got, err := parseRequestHead(out.head)
	if err != nil {
		return refuse(err)
	}
	out.bound = got.bound
	if want := out.length; out.stream == nil {
		if got.chunked || max(got.length, 0) != int64(len(out.body)) {
			return refuse(errBadLength)
		}
	} else if got.length != want || got.chunked != (want < 0) {
		return refuse(errBadLength)
	}
	return out, nil
}

// send writes the head, and the body where it is in memory.
func (o *outgoing) send(u *upstream) error {
	bw := getWriter(u.net)
	defer putWriter(bw)
	if _, err := bw.Write(o.head); err != nil {
		return err
	}
	if _, err := bw.Write(o.body); err != nil {
		return err
	}
	return bw.Flush()
}

// upload sends a streaming body while the answer is awaited and read. The nil
// upload is one that is over.
type upload struct {
	u    *upstream
	out  *outgoing
	done chan struct{}
	// err is why the body could not be read from the worker; ok that all of
	// it was sent. Both are valid after done.
	err error
	ok  bool

	allRead atomic.Bool // the body was read to its end
}

// abandoner is a request body whose Read can be made to fail from outside.
type abandoner interface{ abandonBody() }

// startUpload starts it; over is called when nothing more is sent, because that
// was all of it or because the upstream takes no more.
func startUpload(u *upstream, out *outgoing, over func()) *upload {
	up := &upload{u: u, out: out, done: make(chan struct{})}
	go func() {
		buf := u.c.o.Buffers.get(smallCopy)
		werr, rerr := up.copy(*buf)
		u.c.o.Buffers.put(buf)
		up.err, up.ok = rerr, werr == nil && rerr == nil
		close(up.done)
		if rerr != nil {
			// What was sent must not look whole; who waits for the answer is
			// woken by it, and finds why.
			Reset(u.base)
			return
		}
		// An upstream that takes no more may still answer, and has as long for
		// it as any other.
		over()
	}()
	return up
}

// copy sends the body, framed. It tells the upstream's errors from the worker's.
func (up *upload) copy(buf []byte) (upstreamErr, workerErr error) {
	bw := getWriter(up.u.net)
	defer putWriter(bw)
	left := up.out.length
	for left != 0 {
		p := buf
		if left > 0 {
			p = buf[:min(int64(len(buf)), left)]
		}
		n, err := up.out.stream.Read(p)
		if n > 0 {
			if left > 0 {
				left -= int64(n)
				up.allRead.Store(left == 0)
				_, upstreamErr = bw.Write(p[:n])
			} else {
				upstreamErr = writeChunk(bw, p[:n])
			}
			if upstreamErr == nil {
				upstreamErr = bw.Flush()
			}
			if upstreamErr != nil {
				return upstreamErr, nil
			}
		}
		if errors.Is(err, io.EOF) {
			if left > 0 {
				return nil, io.ErrUnexpectedEOF
			}
			break
		}
		if err != nil {
			return nil, err
		}
	}
	up.allRead.Store(true)
	if up.out.length < 0 {
		if _, err := bw.WriteString("0\r\n\r\n"); err != nil {
			return err, nil
		}
		return bw.Flush(), nil
	}
	return nil, nil
}

// writeChunk frames p as one chunk. p is not empty.
func writeChunk(w io.Writer, p []byte) error {
	if _, err := fmt.Fprintf(w, "%x\r\n", len(p)); err != nil {
		return err
	}
	if _, err := w.Write(p); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\r\n")
	return err
}

// lastBytes is how long finished waits for bytes that were read already to be
// sent: an upstream that answers as soon as it has them may be faster than the
// goroutine that sent them.
const lastBytes = time.Second

// finished says whether the whole body was sent.
func (up *upload) finished() bool {
	if up == nil {
		return true
	}
	if up.allRead.Load() {
		timer := time.NewTimer(lastBytes)
		defer timer.Stop()
		select {
		case <-up.done:
		case <-timer.C:
		}
	}
	select {
	case <-up.done:
		return up.ok
	default:
		return false
	}
}

// failure is why the worker's body could not be read, once that is known.
func (up *upload) failure() error {
	if up == nil {
		return nil
	}
	select {
	case <-up.done:
		if up.err != nil {
			return auth.NewError(auth.CodeBadRequest, "the request's body could not be read", up.err)
		}
	default:
	}
	return nil
}

// abort ends the upload. The upstream connection must be closed. Where the
// body is a worker's own it waits for the end; where it is wrapped into
// something else the Server sees to it that nobody reads on.
func (up *upload) abort() {
	if up == nil {
		return
	}
	select {
	case <-up.done:
		return
	default:
	}
	if a, ok := up.out.stream.(abandoner); ok && !up.allRead.Load() {
		a.abandonBody()
		<-up.done
	}
}
