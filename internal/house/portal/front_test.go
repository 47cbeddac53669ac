//go:build realclients

package portal

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"

	"github.com/weighbridge/weighbridge/internal/house"
)

// front is the proxy that one browser is told to use: its only way out. It
// leads to the portal and nowhere else, and everything that comes back is
// searched.
type front struct {
	server *httptest.Server
	own    string // the portal's host and port
	seen   *house.Watch
	// bytes counts what came back: header fields and bodies, as compressed as
	// they were.
	bytes atomic.Int64
	// streams are the streams of events that the browser has open.
	streams atomic.Int64
	// refused is set while a test asks for what it may not have.
	refused atomic.Bool
	// down is a path at which nothing is served for a while.
	down atomic.Value

	mu      sync.Mutex
	trouble []string
	held    chan struct{} // nil where answers to forms go on at once
}

func newFront(own string, seen *house.Watch) *front {
	f := &front{own: own, seen: seen}
	to := &http.Transport{DisableCompression: true}
	through := &httputil.ReverseProxy{
		Rewrite:        func(*httputil.ProxyRequest) {}, // exactly as it came
		Transport:      seen.Transport(to),
		ModifyResponse: f.look,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil {
				f.note("%s %s: %v", r.Method, r.URL.Path, err)
			}
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	f.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect || r.URL.Host != f.own {
			f.note("a request to another origin: %s %s", r.Method, r.Host)
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if r.URL.Path == f.down.Load() {
			http.Error(w, "down for a while", http.StatusServiceUnavailable)
			return
		}
		through.ServeHTTP(w, r)
	}))
	f.server.Config.RegisterOnShutdown(to.CloseIdleConnections)
	return f
}

// look counts what comes, and notes what a page loads in vain. What a person
// asks for may be refused: that is a page like any other.
func (f *front) look(r *http.Response) error {
	f.mu.Lock()
	held := f.held
	f.mu.Unlock()
	if held != nil && r.Request.Method == http.MethodPost {
		select {
		case <-held:
		case <-r.Request.Context().Done():
		}
	}
	for name, values := range r.Header {
		for _, value := range values {
			f.bytes.Add(int64(len(name) + len(value) + 4))
		}
	}
	r.Body = counted{r.Body, &f.bytes}
	if r.Header.Get("Content-Type") == "text/event-stream" {
		f.streams.Add(1)
		r.Body = &streamed{ReadCloser: r.Body, left: func() { f.streams.Add(-1) }}
	}
	if dest := r.Request.Header.Get("Sec-Fetch-Dest"); r.StatusCode >= 400 && dest != "document" && !f.refused.Load() || r.StatusCode >= 500 {
		f.note("%s %s (%s): %s", r.Request.Method, r.Request.URL.Path, dest, r.Status)
	}
	return nil
}

func (f *front) note(format string, in ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trouble = append(f.trouble, fmt.Sprintf(format, in...))
}

// troubles returns what was noted since it was called last.
func (f *front) troubles() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.trouble
	f.trouble = nil
	return out
}

// hold keeps the answers to forms until release is called, once or more.
func (f *front) hold() (release func()) {
	held := make(chan struct{})
	set := func(to chan struct{}) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.held = to
	}
	set(held)
	return sync.OnceFunc(func() {
		set(nil)
		close(held)
	})
}

// refusals says whether scripts may be refused from here on.
func (f *front) refusals(may bool) { f.refused.Store(may) }

// host of a URL.
func host(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	return u.Host
}

type counted struct {
	io.ReadCloser
	n *atomic.Int64
}

// Read implements io.Reader.
func (c counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// streamed is a body that says when it is left.
type streamed struct {
	io.ReadCloser
	once sync.Once
	left func()
}

// Close implements io.Closer.
func (s *streamed) Close() error {
	s.once.Do(s.left)
	return s.ReadCloser.Close()
}
