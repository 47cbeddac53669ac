package admin

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// Inside is the API for the pages of the portal, which run in this process and
// hold no right of their own: what Remote serves, without its rules about what
// browsers send. Those are AdmitPage's.
func (a *API) Inside() http.Handler { return a.served() }

// NewInsideClient calls the API in h as whoever sent r, with the JWT of a
// session, about a team. Nothing of r but its address, its agent and whether it
// came over TLS is passed on.
func NewInsideClient(h http.Handler, r *http.Request, team string, token auth.Secret) *Client {
	t := &inside{api: h, address: r.RemoteAddr, agent: r.UserAgent(), tls: r.TLS}
	return &Client{
		http: &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		base: "http://weighbridge", where: "this weighbridge", token: token, team: team,
	}
}

// inside is a transport that calls a handler.
type inside struct {
	api            http.Handler
	address, agent string
	tls            *tls.ConnectionState
}

// RoundTrip implements http.RoundTripper. The handler runs until its answer is
// read, its body closed or the request's context ended.
func (t *inside) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, stop := context.WithCancel(r.Context())
	in := r.Clone(ctx)
	in.RequestURI, in.RemoteAddr, in.TLS = in.URL.RequestURI(), t.address, t.tls
	if in.Body == nil {
		in.Body = http.NoBody // as a server has it
	}
	in.Header.Set("User-Agent", t.agent)
	body, w := io.Pipe()
	answer := &answering{header: http.Header{}, body: w, begun: make(chan struct{})}
	go func() {
		defer stop()
		defer func() {
			err := error(nil)
			if v := recover(); v != nil {
				err = fmt.Errorf("the API broke its answer off: %w", io.ErrUnexpectedEOF)
			}
			answer.failed = err
			answer.WriteHeader(http.StatusOK) // nothing where there was one
			_ = w.CloseWithError(err)         // nil ends the body cleanly
		}()
		t.api.ServeHTTP(answer, in)
	}()
	select {
	case <-answer.begun:
	case <-ctx.Done():
		select {
		case <-answer.begun: // it ended, and stop was called
		default:
			_ = body.CloseWithError(ctx.Err())
			return nil, ctx.Err()
		}
	}
	return &http.Response{
		Status: http.StatusText(answer.status), StatusCode: answer.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: answer.sent, Body: &reading{PipeReader: body, stop: stop}, ContentLength: -1, Request: r,
	}, nil
}

// answering hands on what a handler writes.
type answering struct {
	header, sent http.Header
	body         *io.PipeWriter
	status       int
	failed       error
	once         sync.Once
	begun        chan struct{}
}

// Header implements http.ResponseWriter.
func (a *answering) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answering) WriteHeader(status int) {
	a.once.Do(func() {
		if a.failed != nil {
			status = http.StatusInternalServerError
		}
		a.status, a.sent = status, a.header.Clone()
		close(a.begun)
	})
}

// Write implements http.ResponseWriter.
func (a *answering) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

// Flush implements http.Flusher: what is written has gone.
func (a *answering) Flush() { a.WriteHeader(http.StatusOK) }

// SetWriteDeadline takes any: what is written waits for a reader of this
// program, who ends the handler by closing the answer.
func (*answering) SetWriteDeadline(time.Time) error { return nil }

// reading ends the handler when its answer is closed.
type reading struct {
	*io.PipeReader
	stop context.CancelFunc
}

// Close implements io.Closer.
func (r *reading) Close() error {
	r.stop()
	return r.PipeReader.Close()
}
