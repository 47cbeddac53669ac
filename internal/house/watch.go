package house

import (
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Watch looks for canaries in everything that it is shown: log lines, audit
// files, metrics, error bodies, API answers, files, every byte that a worker
// received. Streams of any length are searched as they pass.
type Watch struct {
	canaries []*Canary

	mu    sync.Mutex
	hits  []Hit
	seen  map[string]int64
	total int64
}

// NewWatch looks for the given canaries.
func NewWatch(canaries ...*Canary) *Watch {
	return &Watch{canaries: canaries, seen: map[string]int64{}}
}

// Add looks for another canary in what comes from now on.
func (w *Watch) Add(c *Canary) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.canaries = append(w.canaries, c)
}

// See searches data, which where names.
func (w *Watch) See(where string, data []byte) {
	s := w.Stream(where)
	_, _ = s.Write(data)
}

// Stream searches what is written to it as one text. It may be written to by
// many at once, and never fails.
func (w *Watch) Stream(where string) io.Writer { return &stream{watch: w, where: where} }

// Tee is Stream for a writer that exists: everything goes to it as well.
func (w *Watch) Tee(where string, to io.Writer) io.Writer {
	return io.MultiWriter(to, w.Stream(where))
}

type stream struct {
	watch *Watch
	where string

	mu     sync.Mutex
	tail   []byte
	offset int64 // of tail in the text
}

// Write implements io.Writer.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	text := append(s.tail, p...)
	keep := 0
	for _, c := range s.watch.canaries {
		for _, h := range c.Search(s.where, text) {
			h.Offset += s.offset
			s.watch.note(h)
		}
		keep = max(keep, c.longest()-1)
	}
	s.watch.seen[s.where] += int64(len(p))
	s.watch.total += int64(len(p))
	cut := max(0, len(text)-keep)
	s.offset += int64(cut)
	s.tail = slices.Clone(text[cut:])
	return len(p), nil
}

// note keeps a hit once; w.mu is held.
func (w *Watch) note(h Hit) {
	if !slices.Contains(w.hits, h) {
		w.hits = append(w.hits, h)
	}
}

// Bytes says how many bytes were searched under a name that begins with
// where: a watch that saw nothing proves nothing.
func (w *Watch) Bytes(where string) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	var n int64
	for name, seen := range w.seen {
		if strings.HasPrefix(name, where) {
			n += seen
		}
	}
	return n
}

// Walk searches every file below dir now, its name included. A file that
// cannot be read is an error: unread is not clean.
func (w *Watch) Walk(dir string) error {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		w.See("file name", []byte(path))
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		_, err = io.Copy(w.Stream(path), f)
		return err
	})
	if err != nil {
		return fmt.Errorf("searching %s: %w", dir, err)
	}
	return nil
}

// Hits returns everything found so far, without repetition.
func (w *Watch) Hits() []Hit {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.hits)
}

// Transport searches everything that a client receives: status, header
// fields, trailers and body, of every answer.
func (w *Watch) Transport(next http.RoundTripper) http.RoundTripper {
	return watchedTransport{w, next}
}

type watchedTransport struct {
	watch *Watch
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t watchedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	where := "worker: " + r.Method + " " + r.URL.Host + r.URL.EscapedPath()
	answer, err := t.next.RoundTrip(r)
	if err != nil {
		t.watch.See(where+" (error)", []byte(err.Error()))
		return nil, err
	}
	t.watch.See(where+" (status)", []byte(answer.Status))
	t.watch.fields(where, answer.Header)
	answer.Body = &watchedBody{ReadCloser: answer.Body, to: t.watch.Stream(where + " (body)"), answer: answer, watch: t.watch, where: where}
	return answer, nil
}

func (w *Watch) fields(where string, header http.Header) {
	for name, values := range header {
		w.See(where+" (header "+name+")", []byte(name+": "+strings.Join(values, "\n")))
	}
}

type watchedBody struct {
	io.ReadCloser
	to     io.Writer
	answer *http.Response
	watch  *Watch
	where  string
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	_, _ = b.to.Write(p[:n])
	if err != nil {
		b.watch.fields(b.where+" trailer", b.answer.Trailer)
	}
	return n, err
}

// Conn searches what is read from c.
func (w *Watch) Conn(where string, c net.Conn) net.Conn {
	return watchedConn{c, w.Stream(where)}
}

type watchedConn struct {
	net.Conn
	to io.Writer
}

// Read implements net.Conn.
func (c watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	_, _ = c.to.Write(p[:n])
	return n, err
}
