package wire

import (
	"crypto/tls"
	"errors"
	"io"
	"time"
)

// recordHandshake is the first byte of TLS (RFC 8446, section 5.1). No method
// of HTTP begins with it.
const recordHandshake = 22

var errTLS = errors.New("the worker speaks TLS, and this listener does not: its address begins with http://")

// speakTLS answers a request without TLS, in the one way that its client reads.
const speakTLS = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nX-Weighbridge-Error: bad_request\r\n" +
	"Cache-Control: no-store\r\nConnection: close\r\n\r\n" +
	"This listener of weighbridge speaks TLS: its address begins with https://\n"

// tellOfTLS answers a worker that speaks HTTP to a listener with TLS, where err
// says that it did. Its request, a key perhaps in it, has crossed the network in
// the clear by then.
func (x *serving) tellOfTLS(err error) {
	var not tls.RecordHeaderError
	if !errors.As(err, &not) || not.Conn == nil || not.RecordHeader[0] < 'A' || not.RecordHeader[0] > 'Z' {
		return
	}
	_ = not.Conn.SetDeadline(time.Now().Add(lingerTime))
	if _, err := io.WriteString(not.Conn, speakTLS); err == nil {
		x.linger()
	}
}
