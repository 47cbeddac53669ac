package admin

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// arriveTime is for how long the body of a request may be on its way. The
// longest that a page or an operation takes at once, a form or JSON of a
// mebibyte, needs a fifth of it over 1.5 Mbit/s.
const arriveTime = 30 * time.Second

// Arrive bounds for how long the body of r may be on its way, whoever sent it and
// whether or not anybody reads it: what a handler leaves, as one that refuses
// does, the server reads itself before it answers (net/http, up to 256 KiB). The
// bound ends with the body, because what was asked for may take longer: a
// deadline that is left behind ends the request's context.
func Arrive(w http.ResponseWriter, r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Now().Add(arriveTime)) // a writer that has none waits for nobody
	r.Body = &arriving{r.Body, conn}
}

// arriving is a body that frees its connection of the deadline when it has come.
type arriving struct {
	io.ReadCloser
	conn *http.ResponseController
}

// Read implements io.Reader.
func (a *arriving) Read(b []byte) (int, error) {
	n, err := a.ReadCloser.Read(b)
	if errors.Is(err, io.EOF) {
		_ = a.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}

// Steady reads a body of any length, which need only go on coming: each part has
// as long as a whole one has otherwise. deadline is that of the connection.
func Steady(body io.Reader, deadline func(time.Time) error) io.Reader {
	return &steady{body, deadline}
}

type steady struct {
	io.Reader
	deadline func(time.Time) error
}

// Read implements io.Reader.
func (s *steady) Read(b []byte) (int, error) {
	_ = s.deadline(time.Now().Add(arriveTime))
	return s.Reader.Read(b)
}
