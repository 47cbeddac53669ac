package load

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weighbridge/weighbridge/bench/internal/batch"
	"github.com/weighbridge/weighbridge/bench/internal/body"
)

// dialer connects as the plan says.
type dialer struct {
	p   *Plan
	tls *tls.Config
}

func newDialer(p *Plan) (*dialer, error) {
	d := &dialer{p: p}
	if !p.TLS {
		return d, nil
	}
	pem, err := os.ReadFile(p.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New(p.CA + " holds no certificate")
	}
	// No session cache: each handshake is a full one.
	d.tls = &tls.Config{RootCAs: pool, ServerName: p.Name, MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}}
	return d, nil
}

// conn is one connection through the peer.
type conn struct {
	p     *Plan
	c     net.Conn
	batch *batch.Conn // below TLS
	br    *bufio.Reader
}

// dialTime bounds connecting, CONNECT and the handshake together.
const dialTime = 20 * time.Second

func (d *dialer) dial() (*conn, error) {
	raw, err := net.DialTimeout("tcp", d.p.Addr, dialTime)
	if err != nil {
		return nil, err
	}
	c := &conn{p: d.p, c: raw}
	_ = raw.SetDeadline(time.Now().Add(dialTime))
	if err := c.open(d.tls); err != nil {
		_ = raw.Close()
		return nil, err
	}
	_ = raw.SetDeadline(time.Time{})
	return c, nil
}

func (c *conn) open(config *tls.Config) error {
	if c.p.Connect != "" {
		var b strings.Builder
		fmt.Fprintf(&b, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", c.p.Connect, c.p.Connect)
		for _, f := range c.p.ConnectFields {
			b.WriteString(f + "\r\n")
		}
		if _, err := io.WriteString(c.c, b.String()+"\r\n"); err != nil {
			return err
		}
		// Nothing may follow the head before the handshake begins.
		br := bufio.NewReader(c.c)
		h, err := readHead(br)
		if err != nil {
			return fmt.Errorf("CONNECT: %w", err)
		}
		if h.status != 200 || br.Buffered() > 0 {
			return fmt.Errorf("CONNECT was answered %d", h.status)
		}
	}
	if config != nil {
		c.batch = batch.New(c.c)
		t := tls.Client(c.batch, config)
		if err := t.Handshake(); err != nil {
			return err
		}
		c.c = t
	}
	c.br = bufio.NewReader(c.c)
	return nil
}

func (c *conn) close() { _ = c.c.Close() }

// request is the text of a GET.
func (p *Plan) request(path string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAccept: */*\r\n", p.Prefix, path, p.Host)
	for _, f := range p.Fields {
		b.WriteString(f + "\r\n")
	}
	b.WriteString("\r\n")
	return []byte(b.String())
}

// copies are the buffers of streams.
var copies = sync.Pool{New: func() any { return new([batch.CopySize]byte) }}

// small gets the small object. first is when its first byte was there.
func (c *conn) small(request []byte, scratch *[body.SmallSize]byte) (first time.Time, err error) {
	if _, err := c.c.Write(request); err != nil {
		return first, err
	}
	if _, err := c.br.Peek(1); err != nil {
		return first, fmt.Errorf("no answer: %w", err)
	}
	first = time.Now()
	h, err := readHead(c.br)
	if err != nil {
		return first, err
	}
	r, err := c.body(h)
	if err != nil {
		return first, err
	}
	n, err := io.ReadFull(r, scratch[:])
	if err != nil {
		return first, fmt.Errorf("the small object ended after %d bytes: %w", n, err)
	}
	if *scratch != [body.SmallSize]byte(body.Small()) {
		return first, errors.New("the small object is not what the origin sent")
	}
	return first, end(r)
}

// stream gets a body of n bytes.
func (c *conn) stream(n int64) error {
	if c.batch != nil {
		c.batch.Lend(true, false)
	}
	if _, err := c.c.Write(c.p.request(body.Path(n))); err != nil {
		return err
	}
	h, err := readHead(c.br)
	if err != nil {
		return err
	}
	r, err := c.body(h)
	if err != nil {
		return err
	}
	buf := copies.Get().(*[batch.CopySize]byte)
	defer copies.Put(buf)
	var check body.Checker
	for {
		m, err := r.Read(buf[:])
		if cerr := check.Check(buf[:m]); cerr != nil {
			return cerr
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("after %d bytes: %w", check.Count(), err)
		}
	}
	if check.Count() != n {
		return fmt.Errorf("%d bytes came where %d were asked for", check.Count(), n)
	}
	return nil
}

// body is the body behind the head.
func (c *conn) body(h head) (io.Reader, error) {
	switch {
	case h.status != 200:
		return nil, fmt.Errorf("the answer is %d", h.status)
	case h.chunked:
		return httputil.NewChunkedReader(c.br), nil
	case h.length < 0:
		return nil, errors.New("the answer has no length")
	default:
		return io.LimitReader(c.br, h.length), nil
	}
}

// end reads what has to be the end of a body.
func end(r io.Reader) error {
	var one [1]byte
	if n, err := r.Read(one[:]); n != 0 || err != io.EOF {
		return errors.New("the body does not end where it has to")
	}
	return nil
}

// head is of an answer.
type head struct {
	status  int
	length  int64 // -1 where it is not told
	chunked bool
}

func readHead(br *bufio.Reader) (head, error) {
	h := head{length: -1}
	for first := true; ; first = false {
		b, err := br.ReadSlice('\n')
		if err != nil {
			return h, fmt.Errorf("the head: %w", err)
		}
		line := strings.TrimRight(string(b), "\r\n")
		if first {
			version, rest, _ := strings.Cut(line, " ")
			code, _, _ := strings.Cut(rest, " ")
			if h.status, err = strconv.Atoi(code); err != nil || !strings.HasPrefix(version, "HTTP/1.") {
				return h, fmt.Errorf("not an answer: %.40q", line)
			}
			continue
		}
		if line == "" {
			return h, nil
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "content-length":
			if h.length, err = strconv.ParseInt(value, 10, 64); err != nil {
				return h, err
			}
		case "transfer-encoding":
			h.chunked = strings.EqualFold(value, "chunked")
		}
	}
}
