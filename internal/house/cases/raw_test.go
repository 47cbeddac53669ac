package cases

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/internal/house"
)

// raw is a bare connection to the proxy's listener, or the inside of a tunnel
// that was opened over one: what is said on it goes out byte for byte.
type raw struct {
	t testing.TB
	net.Conn
	br  *bufio.Reader
	tcp *net.TCPConn
}

// dial opens a connection to the listener. What it receives is searched.
func dial(t testing.TB, h *house.House) *raw {
	t.Helper()
	return dialTo(t, h, strings.TrimPrefix(h.Bridge.ProxyURL(), "http://"))
}

func dialTo(t testing.TB, h *house.House, addr string) *raw {
	t.Helper()
	return dialWith(t, h, net.Dialer{Timeout: patience}, addr)
}

// dialFrom dials from one of this machine's addresses.
func dialFrom(t testing.TB, h *house.House, from string) *raw {
	t.Helper()
	d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	return dialWith(t, h, d, strings.TrimPrefix(h.Bridge.ProxyURL(), "http://"))
}

func dialWith(t testing.TB, h *house.House, d net.Dialer, addr string) *raw {
	t.Helper()
	c, err := d.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	tcp := c.(*net.TCPConn)
	c = h.Watch.Conn("worker: raw", c)
	return &raw{t, c, bufio.NewReader(c), tcp}
}

func basicKey(key string) string {
	return "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("weighbridge:"+key)) + "\r\n"
}

// connect asks for a tunnel and returns the status.
func (c *raw) connect(key, authority string) reply {
	c.t.Helper()
	c.say("CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n" + basicKey(key) + "\r\n")
	return c.answer(http.MethodConnect)
}

// openTunnel opens a tunnel and TLS inside it.
func openTunnel(t testing.TB, h *house.House, key, authority string) *raw {
	t.Helper()
	return openTunnelAt(t, h, key, authority, time.Now)
}

// openTunnelAt is openTunnel by the clock of the house.
func openTunnelAt(t testing.TB, h *house.House, key, authority string, now func() time.Time) *raw {
	t.Helper()
	c := dial(t, h)
	if r := c.connect(key, authority); r.status != 200 {
		t.Fatalf("CONNECT %s: %d %s", authority, r.status, r.code())
	}
	host, _, err := net.SplitHostPort(authority)
	if err != nil {
		t.Fatal(err)
	}
	return c.inside(h, &tls.Config{ServerName: host, RootCAs: h.Roots(), MinVersion: tls.VersionTLS12, Time: now})
}

// inside shakes hands in a tunnel.
func (c *raw) inside(h *house.House, cfg *tls.Config) *raw {
	c.t.Helper()
	s := tls.Client(c.Conn, cfg)
	if err := s.HandshakeContext(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	w := h.Watch.Conn("worker: tunnel", s)
	return &raw{c.t, w, bufio.NewReader(w), c.tcp}
}

// say writes; an end that the other side made shows when reading.
func (c *raw) say(text string) { _, _ = io.WriteString(c.Conn, text) }

// closeWrite ends our side of the connection.
func (c *raw) closeWrite() { _ = c.tcp.CloseWrite() }

// get says a GET and reads the answer. header lines end in CR LF.
func (c *raw) get(host, target, header string) reply {
	c.t.Helper()
	c.say("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + header + "\r\n")
	return c.answer(http.MethodGet)
}

// answer reads one answer to its end; err says what was met instead.
func (c *raw) answer(method string) reply {
	answer, err := http.ReadResponse(c.br, &http.Request{Method: method})
	if err != nil {
		return reply{err: err}
	}
	r := reply{status: answer.StatusCode, header: answer.Header}
	if method != http.MethodConnect || answer.StatusCode != 200 {
		r.body, r.err = io.ReadAll(answer.Body)
	}
	r.trailer = answer.Trailer
	return r
}

// rest reads until the connection ends and says how: io.EOF is a clean end.
func (c *raw) rest() ([]byte, error) {
	b, err := io.ReadAll(c.br)
	if err == nil {
		err = io.EOF
	}
	return b, err
}

// ends fails the test unless the connection ends without another byte.
func (c *raw) ends(what string) {
	c.t.Helper()
	b, err := c.rest()
	var timeout net.Error
	if len(b) > 0 || errors.As(err, &timeout) && timeout.Timeout() {
		c.t.Errorf("%s: the connection goes on: %d bytes (%.80q), %v", what, len(b), b, err)
	}
}

// tap is an upstream that keeps every byte that reaches it, before and after
// TLS, and answers each request head with the same text.
type tap struct {
	listener net.Listener
	cert     *tls.Certificate
	answer   func(head string) string
	served   sync.WaitGroup

	mu     sync.Mutex
	open   []net.Conn
	cipher bytes.Buffer
	plain  bytes.Buffer
	conns  int
}

// ok is an answer to anything.
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/octet-stream\r\n\r\nok"

// newTap listens on loopback; without a certificate it speaks no TLS.
func newTap(t testing.TB, cert *tls.Certificate, answer func(head string) string) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{listener: l, cert: cert, answer: answer}
	if answer == nil {
		p.answer = func(string) string { return ok }
	}
	p.served.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *tap) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	for _, c := range p.open {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.served.Wait()
}

func (p *tap) addr() string { return p.listener.Addr().String() }

func (p *tap) port() string {
	_, port, _ := net.SplitHostPort(p.addr())
	return port
}

func (p *tap) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.conns++
		p.open = append(p.open, c)
		p.mu.Unlock()
		p.served.Go(func() { p.serve(c) })
	}
}

func (p *tap) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	c = listening{c, p, &p.cipher}
	if p.cert != nil {
		s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*p.cert}, MinVersion: tls.VersionTLS12})
		if s.Handshake() != nil {
			return
		}
		c = s
	}
	br := bufio.NewReader(listening{c, p, &p.plain})
	for {
		var head strings.Builder
		for !strings.HasSuffix(head.String(), "\r\n\r\n") {
			line, err := br.ReadString('\n')
			if err != nil {
				return
			}
			head.WriteString(line)
		}
		if !readBody(br, head.String()) {
			return
		}
		answer := p.answer(head.String())
		if _, err := io.WriteString(c, answer); err != nil || answer == "" {
			return
		}
	}
}

// readBody reads a request's body, if its head announces one, and reports
// whether it was whole.
func readBody(br *bufio.Reader, head string) bool {
	r, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(head), br)))
	if err != nil {
		return true // a request for the answer to judge
	}
	_, err = io.Copy(io.Discard, r.Body)
	return err == nil
}

// listening keeps what is read.
type listening struct {
	net.Conn
	tap *tap
	to  *bytes.Buffer
}

func (l listening) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	l.tap.mu.Lock()
	defer l.tap.mu.Unlock()
	l.to.Write(b[:n])
	return n, err
}

// heard is what arrived inside TLS so far, or at all where there is none.
func (p *tap) heard() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.plain.String()
}

// onTheWire is what arrived at all.
func (p *tap) onTheWire() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Clone(p.cipher.Bytes())
}

// accepted counts connections.
func (p *tap) accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conns
}

func (p *tap) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plain.Reset()
	p.cipher.Reset()
	p.conns = 0
}
