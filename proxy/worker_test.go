package proxy

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// worker is one connection of a worker, in raw bytes.
type worker struct {
	r  *rig
	c  net.Conn
	br *bufio.Reader
}

func (r *rig) worker() *worker {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	r.must(err)
	r.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return &worker{r, c, bufio.NewReaderSize(io.TeeReader(c, &r.seen), 64<<10)}
}

func (w *worker) send(s string) {
	w.r.t.Helper()
	if _, err := io.WriteString(w.c, s); err != nil {
		w.r.t.Fatalf("worker cannot send: %v", err)
	}
}

// reply is an answer as the worker saw it.
type workerReply struct {
	status int
	header fields
	body   []byte
	// err is how the body ended, nil for a clean end.
	err error
	raw string // the head
}

func (a *workerReply) code() string { return a.header.Get(headerError) }

// read reads one answer. method says whether there is a body.
func (w *worker) read(method string) *workerReply {
	w.r.t.Helper()
	a, err := w.tryRead(method)
	if err != nil {
		w.r.t.Fatalf("worker got no answer: %v", err)
	}
	return a
}

func (w *worker) tryRead(method string) (*workerReply, error) {
	a := &workerReply{}
	for {
		head, err := rawHead(w.br)
		if err != nil {
			return nil, err
		}
		a.raw = head
		if _, err := fmt.Sscanf(head, "HTTP/1.1 %d", &a.status); err != nil {
			return nil, fmt.Errorf("not an answer: %q", head)
		}
		a.header = parseTestFields(head)
		if a.status >= 200 {
			break
		}
	}
	a.body, a.err = readTestBody(w.br, method, a.status, a.header)
	return a, nil
}

// get sends a GET without more than host and key, and reads the answer.
func (w *worker) get(target, host string, extra ...string) *workerReply {
	w.r.t.Helper()
	w.send("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + strings.Join(append(extra, ""), "\r\n") + "\r\n")
	return w.read("GET")
}

// reverse asks in reverse mode with the worker's key.
func (r *rig) reverse(target string, extra ...string) *workerReply {
	r.t.Helper()
	return r.worker().get(target, r.addr, append([]string{"Authorization: Bearer " + r.key.Reveal()}, extra...)...)
}

// proxyAuth is the field that carries the worker's key in forward mode.
func (r *rig) proxyAuth() string {
	return "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(r.key.Reveal()+":"))
}

// connect opens a tunnel and returns what the CONNECT was answered.
func (w *worker) connect(hostPort string, extra ...string) *workerReply {
	w.r.t.Helper()
	w.send("CONNECT " + hostPort + " HTTP/1.1\r\nHost: " + hostPort + "\r\n" + strings.Join(append(extra, ""), "\r\n") + "\r\n")
	return w.read("CONNECT")
}

// inside starts TLS in a tunnel.
func (w *worker) inside(name string) (*worker, error) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(w.r.authority.RootsPEM())
	pool.AppendCertsFromPEM(testCA(w.r.t).CertPEM())
	c := tls.Client(w.c, &tls.Config{RootCAs: pool, ServerName: name, NextProtos: []string{"h2", "http/1.1"}})
	if err := c.Handshake(); err != nil {
		return nil, err
	}
	if p := c.ConnectionState().NegotiatedProtocol; p != "" && p != "http/1.1" {
		w.r.t.Errorf("negotiated %q", p)
	}
	return &worker{w.r, c, bufio.NewReaderSize(io.TeeReader(c, &w.r.seen), 64<<10)}, nil
}

// tunnel opens an intercepted tunnel with the worker's key.
func (r *rig) tunnel(host string) *worker {
	r.t.Helper()
	w := r.worker()
	if a := w.connect(host+":443", r.proxyAuth()); a.status != 200 {
		r.t.Fatalf("CONNECT %s: %d %s %s", host, a.status, a.code(), a.body)
	}
	in, err := w.inside(host)
	r.must(err)
	return in
}

// closed reports whether the connection ends without another byte, and
// whether it ended cleanly.
func (w *worker) closed() (ended, clean bool) {
	_ = w.c.SetReadDeadline(time.Now().Add(10 * time.Second))
	b, err := w.br.ReadByte()
	if err == nil {
		w.r.t.Logf("one more byte came: %q", b)
		return false, false
	}
	var ne net.Error
	if e, ok := err.(net.Error); ok {
		ne = e
	}
	return ne == nil || !ne.Timeout(), err == io.EOF
}

func (r *rig) expect(a *workerReply, status int, code auth.Code) {
	r.t.Helper()
	if a.status != status || a.code() != string(code) {
		r.t.Fatalf("got %d %q, want %d %q; body %s", a.status, a.code(), status, code, a.body)
	}
}

// rawHead reads up to and with the empty line.
func rawHead(br *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := br.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			if b.Len() > 0 && err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return b.String(), err
		}
		if line == "\r\n" {
			return b.String(), nil
		}
	}
}

func parseTestFields(head string) (f fields) {
	lines := strings.Split(strings.TrimSuffix(head, "\r\n\r\n"), "\r\n")
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ":")
		f = append(f, field{name, strings.TrimSpace(value)})
	}
	return f
}

// readTestBody reads a body by its framing. A body that breaks has an error.
func readTestBody(br *bufio.Reader, method string, status int, h fields) ([]byte, error) {
	switch {
	case method == "HEAD" || status == 204 || status == 304 || method == "CONNECT" && status == 200:
		return nil, nil
	case strings.EqualFold(h.Get("Transfer-Encoding"), "chunked"):
		return readTestChunks(br)
	case h.has("Content-Length"):
		var n int64
		if _, err := fmt.Sscan(h.Get("Content-Length"), &n); err != nil {
			return nil, err
		}
		b, err := io.ReadAll(io.LimitReader(br, n))
		if err == nil && int64(len(b)) < n {
			err = io.ErrUnexpectedEOF
		}
		return b, err
	}
	return io.ReadAll(br)
}

func readTestChunks(br *bufio.Reader) (out []byte, err error) {
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return out, unexpected(err)
		}
		var n int64
		if _, err := fmt.Sscanf(strings.TrimSpace(line), "%x", &n); err != nil {
			return out, fmt.Errorf("chunk size %q", line)
		}
		if n == 0 {
			_, err := rawTrailer(br)
			return out, unexpected(err)
		}
		b := make([]byte, n+2)
		k, err := io.ReadFull(br, b)
		out = append(out, b[:min(int64(k), n)]...)
		if err != nil {
			return out, unexpected(err)
		}
	}
}

func rawTrailer(br *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := br.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return b.String(), err
		}
	}
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
