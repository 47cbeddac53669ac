package origin

import (
	"bytes"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// FaultKind is a way in which an upstream misbehaves.
type FaultKind int

// The kinds of faults. The zero value does nothing.
const (
	NoFault FaultKind = iota
	// Slow waits Delay after every After bytes of the body.
	Slow
	// Reset breaks the connection with a TCP reset after After bytes.
	Reset
	// Short ends the connection cleanly after After bytes, whatever
	// Content-Length promised.
	Short
	// Stall sends nothing more after After bytes and keeps the connection
	// until the client or the server ends it.
	Stall
	// IgnoreRange answers as if no Range had been asked for.
	IgnoreRange
	// Answer answers Status, Header and Body instead of the real thing.
	Answer
)

// Fault is one misbehaviour and the requests it is for.
type Fault struct {
	Kind FaultKind
	// Host, Method and Path (a part of the escaped path) select; an empty one
	// selects everything.
	Host, Method, Path string
	// Times bounds how many requests it hits; zero means every one.
	Times int
	After int64
	Delay time.Duration
	// Until ends the waiting of Slow once it is closed; nil never is.
	Until <-chan struct{}
	// Head holds the head of the answer back until it is closed; nil holds
	// nothing back.
	Head <-chan struct{}
	// Status, Header and Body belong to Answer.
	Status int
	Header http.Header
	Body   string
}

func (f *Fault) selects(host string, r *http.Request) bool {
	return (f.Host == "" || f.Host == host) &&
		(f.Method == "" || f.Method == r.Method) &&
		(f.Path == "" || strings.Contains(r.URL.EscapedPath(), f.Path))
}

// Faults are the misbehaviours in force. The first that selects a request is
// the one it meets.
type Faults struct {
	mu  sync.Mutex
	set []*Fault
}

// Add puts f in force, after those that are.
func (s *Faults) Add(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set = append(s.set, &f)
}

// Clear ends every fault for requests to come.
func (s *Faults) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set = nil
}

// Remove ends the faults that were added for exactly this Path.
func (s *Faults) Remove(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set = slices.DeleteFunc(s.set, func(f *Fault) bool { return f.Path == path })
}

// take returns the fault that r meets, and ends it where it has had its times.
func (s *Faults) take(host string, r *http.Request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.set {
		if !f.selects(host, r) {
			continue
		}
		taken := *f
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				s.set = slices.Delete(s.set, i, i+1)
			}
		}
		return taken
	}
	return Fault{}
}

func (s *Faults) serve(w http.ResponseWriter, r *http.Request, host string, h http.Handler, closing <-chan struct{}) {
	f := s.take(host, r)
	if f.Head != nil {
		select {
		case <-f.Head:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		case <-closing:
			panic(http.ErrAbortHandler)
		}
	}
	switch f.Kind {
	case NoFault:
	case IgnoreRange:
		r.Header.Del("Range")
	case Answer:
		for name, values := range f.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(f.Status)
		_, _ = bytes.NewBufferString(f.Body).WriteTo(w)
		return
	default:
		w = &faultyWriter{ResponseWriter: w, fault: f, request: r, left: f.After, closing: closing}
	}
	h.ServeHTTP(w, r)
}

// faultyWriter lets After bytes of a body pass and then misbehaves.
type faultyWriter struct {
	http.ResponseWriter
	fault   Fault
	request *http.Request
	left    int64
	closing <-chan struct{}
}

// Unwrap lets http.ResponseController reach the connection.
func (w *faultyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Write implements http.ResponseWriter.
func (w *faultyWriter) Write(b []byte) (int, error) {
	done := 0
	for {
		n := int(min(int64(len(b)-done), w.left))
		m, err := w.ResponseWriter.Write(b[done : done+n])
		done += m
		w.left -= int64(m)
		if err != nil || (done == len(b) && w.left > 0) {
			return done, err
		}
		_ = http.NewResponseController(w.ResponseWriter).Flush()
		w.act()
	}
}

// act returns only for Slow; the others end the handler.
func (w *faultyWriter) act() {
	switch w.fault.Kind {
	case Slow:
		w.left = max(1, w.fault.After)
		timer := time.NewTimer(w.fault.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
			return
		case <-w.fault.Until:
			return
		case <-w.request.Context().Done():
		case <-w.closing:
		}
	case Stall:
		select {
		case <-w.request.Context().Done():
		case <-w.closing:
		}
	case Reset, Short:
		if conn, _, err := http.NewResponseController(w.ResponseWriter).Hijack(); err == nil {
			end(conn, w.fault.Kind == Reset)
		}
	}
	panic(http.ErrAbortHandler)
}

// end closes conn, by a reset or, with TLS, by a clean close_notify and FIN.
func end(conn net.Conn, reset bool) {
	if !reset {
		_ = conn.Close()
		return
	}
	raw := conn
	if secure, ok := conn.(*tls.Conn); ok {
		raw = secure.NetConn()
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		// A linger of zero discards what is queued and sends RST (RFC 9293,
		// section 3.6; socket(7), SO_LINGER).
		_ = tcp.SetLinger(0)
	}
	_ = raw.Close()
}
