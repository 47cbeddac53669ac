package origin

import (
	"bufio"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Request is one request as it arrived. Status and Bytes are what was
// answered; Status is zero while the answer has not begun.
type Request struct {
	Time   time.Time
	Secure bool
	Host   string
	Method string
	// Path is the escaped path and Query what followed "?", byte for byte.
	Path  string
	Query string
	Proto string
	// Header holds every field except Host.
	Header http.Header
	Status int
	Bytes  int64
}

// Authorization is the request's Authorization, or "".
func (r *Request) Authorization() string { return r.Header.Get("Authorization") }

// Record holds the requests that reached a Server: the main thing that a test
// asserts on. It may be read at any time.
type Record struct {
	keep int

	mu      sync.Mutex
	rows    []*Request
	total   int
	observe []func(Request)
	ignore  func(*Request) bool
}

func newRecord(keep int) *Record { return &Record{keep: keep} }

func (c *Record) open(now time.Time, host string, r *http.Request) *Request {
	row := &Request{
		Time: now, Secure: r.TLS != nil, Host: host, Method: r.Method,
		Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Proto: r.Proto, Header: r.Header.Clone(),
	}
	c.mu.Lock()
	if c.ignore == nil || !c.ignore(row) {
		if len(c.rows) >= c.keep {
			c.rows = slices.Delete(c.rows, 0, max(1, c.keep/8))
		}
		c.rows = append(c.rows, row)
		c.total++
	}
	observe, copied := c.observe, *row
	c.mu.Unlock()
	for _, see := range observe {
		see(copied)
	}
	return row
}

// Observe shows every request from here on to see, as it arrives and before it
// is answered; a Reset does not lose it.
func (c *Record) Observe(see func(Request)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.observe = append(slices.Clone(c.observe), see)
}

// All returns a copy of the kept requests, oldest first.
func (c *Record) All() []Request {
	return c.Where(func(*Request) bool { return true })
}

// On returns the kept requests to host.
func (c *Record) On(host string) []Request {
	return c.Where(func(r *Request) bool { return r.Host == host })
}

// Where returns copies of the kept requests that keep accepts, oldest first.
func (c *Record) Where(keep func(*Request) bool) []Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Request
	for _, row := range c.rows {
		if keep(row) {
			out = append(out, *row)
		}
	}
	return out
}

// Authorizations lists every different Authorization seen on host, in order
// of first arrival; a request without one counts as "".
func (c *Record) Authorizations(host string) []string {
	var out []string
	for _, row := range c.On(host) {
		if a := row.Authorization(); !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// Total counts every request since the start or the last Reset, also those
// that are no longer kept.
func (c *Record) Total() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// Reset forgets everything.
func (c *Record) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows, c.total = nil, 0
}

// Ignore keeps and counts no request from here on that which picks; Observe
// sees it all the same.
func (c *Record) Ignore(which func(*Request) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ignore = which
}

// recorder notes in its row what is answered.
type recorder struct {
	http.ResponseWriter
	row    *Request
	record *Record
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	w.note(status, 0)
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.note(http.StatusOK, n)
	return n, err
}

// Hijack implements http.Hijacker, for handlers of WebSockets.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.note(http.StatusSwitchingProtocols, 0)
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

func (w *recorder) note(status, n int) {
	w.record.mu.Lock()
	defer w.record.mu.Unlock()
	if w.row.Status == 0 {
		w.row.Status = status
	}
	if w.row.Method != http.MethodHead {
		w.row.Bytes += int64(n)
	}
}
