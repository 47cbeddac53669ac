// Package origin is the server behind every peer: bodies of any length, whole
// or ranged, and a 1 KiB object, over TLS 1.3 and in the clear, at as little
// cost as Go allows, so that what is measured is the peer.
package origin

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weighbridge/weighbridge/bench/internal/batch"
	"github.com/weighbridge/weighbridge/bench/internal/body"
)

// Options of an origin.
type Options struct {
	// Cert and Key are for the TLS listener.
	Cert, Key string
	// Token is what every request has to carry as Bearer; others get 401. It
	// shows that a credential was put on, or passed on.
	Token string
}

// Server is an origin.
type Server struct {
	o   Options
	tls *tls.Config
	fd  int // body.Block in memory, for sendfile(2)
}

// New makes an origin.
func New(o Options) (*Server, error) {
	cert, err := tls.LoadX509KeyPair(o.Cert, o.Key)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("weights", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	for rest := body.Block(); len(rest) > 0; {
		n, err := unix.Write(fd, rest)
		if err != nil {
			return nil, errors.Join(err, unix.Close(fd))
		}
		rest = rest[n:]
	}
	return &Server{o: o, fd: fd, tls: &tls.Config{
		Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"},
	}}, nil
}

// Serve accepts from ln until ctx ends; with TLS where secure says so.
func (s *Server) Serve(ctx context.Context, ln net.Listener, secure bool) error {
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()
	for {
		c, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		go s.conn(c, secure)
	}
}

// conn serves one connection; whatever goes wrong ends it.
func (s *Server) conn(raw net.Conn, secure bool) {
	defer func() { _ = raw.Close() }()
	l := &link{s: s, raw: raw, w: raw}
	if secure {
		l.batch = batch.New(raw)
		t := tls.Server(l.batch, s.tls)
		if err := t.Handshake(); err != nil {
			return
		}
		defer func() { _ = t.Close() }()
		l.w, l.br = t, bufio.NewReader(t)
	} else {
		l.br = bufio.NewReader(raw)
	}
	for l.request() == nil {
	}
}

// link is one connection.
type link struct {
	s     *Server
	raw   net.Conn
	w     io.Writer
	br    *bufio.Reader
	batch *batch.Conn // below TLS, nil in the clear
}

var errClose = errors.New("the client wants the connection closed")

// request reads one request and answers it.
func (l *link) request() error {
	line, err := l.line()
	if err != nil {
		return err
	}
	method, rest, _ := strings.Cut(line, " ")
	path, _, ok := strings.Cut(rest, " HTTP/1.")
	if !ok {
		return errors.New("not a request")
	}
	var ranges string
	authorized, closing := l.s.o.Token == "", false
	for {
		line, err = l.line()
		if err != nil {
			return err
		}
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "range":
			ranges = value
		case "authorization":
			authorized = authorized || value == "Bearer "+l.s.o.Token
		case "connection":
			closing = strings.EqualFold(value, "close")
		}
	}
	if method != "GET" && method != "HEAD" {
		return errors.New("no such method here")
	}
	if err := l.answer(method, path, ranges, authorized); err != nil {
		return err
	}
	if closing {
		return errClose
	}
	return nil
}

func (l *link) line() (string, error) {
	b, err := l.br.ReadSlice('\n')
	return strings.TrimRight(string(b), "\r\n"), err
}

func (l *link) answer(method, path, ranges string, authorized bool) error {
	length, sized := body.Length(path)
	switch {
	case !authorized:
		return l.text(401, "Unauthorized", nil)
	case path == body.SmallPath:
		content := body.Small()
		if method == "HEAD" {
			content = nil
		}
		return l.text(200, "OK", content)
	case !sized:
		return l.text(404, "Not Found", nil)
	}
	from, n, status := int64(0), length, "200 OK"
	head := make([]byte, 0, 512)
	if ranges != "" {
		var ok bool
		if from, n, ok = parseRange(ranges, length); !ok {
			return l.text(416, "Range Not Satisfiable", nil)
		}
		status = "206 Partial Content"
	}
	head = fmt.Appendf(head, "HTTP/1.1 %s\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\nAccept-Ranges: bytes\r\nETag: \"%d\"\r\n", status, n, length)
	if ranges != "" {
		head = fmt.Appendf(head, "Content-Range: bytes %d-%d/%d\r\n", from, from+n-1, length)
	}
	head = append(head, "\r\n"...)
	if _, err := l.w.Write(head); err != nil || method == "HEAD" {
		return err
	}
	return l.send(from, n)
}

// text answers with a small body in one write.
func (l *link) text(status int, reason string, content []byte) error {
	out := make([]byte, 0, 512+len(content))
	out = fmt.Appendf(out, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nETag: \"small\"\r\n\r\n", status, reason, len(content))
	_, err := l.w.Write(append(out, content...))
	return err
}

// send sends n bytes of a body from its byte from on.
func (l *link) send(from, n int64) error {
	block := body.Block()
	size := int64(len(block))
	if l.batch == nil {
		for n > 0 {
			at := from % size
			m, err := l.sendfile(at, min(n, size-at))
			if err != nil {
				return err
			}
			from, n = from+m, n-m
		}
		return nil
	}
	l.batch.Lend(false, true)
	defer l.batch.GiveBack()
	for n > 0 {
		at := from % size
		m := min(n, size-at, batch.CopySize)
		if _, err := l.w.Write(block[at : at+m]); err != nil {
			return err
		}
		if err := l.batch.Flush(); err != nil {
			return err
		}
		from, n = from+m, n-m
	}
	return nil
}

// sendfile sends n bytes of the block from at on, without copying them to
// this process.
func (l *link) sendfile(at, n int64) (sent int64, err error) {
	sys, err := l.raw.(*net.TCPConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var m int
	var serr error
	err = sys.Write(func(fd uintptr) bool {
		off := at
		m, serr = unix.Sendfile(int(fd), l.s.fd, &off, int(n))
		return serr != unix.EAGAIN
	})
	if err == nil && serr != nil && serr != unix.EINTR {
		err = os.NewSyscallError("sendfile", serr)
	}
	return int64(max(m, 0)), err
}

// parseRange reads "bytes=a-b", "bytes=a-" and "bytes=-n" (RFC 9110, section
// 14.1.2), one range.
func parseRange(v string, length int64) (from, n int64, ok bool) {
	spec, ok := strings.CutPrefix(v, "bytes=")
	if !ok {
		return 0, 0, false
	}
	a, b, ok := strings.Cut(spec, "-")
	if !ok {
		return 0, 0, false
	}
	last := length - 1
	if b != "" {
		x, err := strconv.ParseInt(b, 10, 64)
		if err != nil {
			return 0, 0, false
		}
		if a == "" {
			from = max(length-x, 0)
			return from, length - from, x > 0
		}
		last = min(x, last)
	}
	from, err := strconv.ParseInt(a, 10, 64)
	return from, last - from + 1, err == nil && from >= 0 && from <= last
}
