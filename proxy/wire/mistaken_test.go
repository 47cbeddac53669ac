package wire

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
)

// TestHTTPToAListenerWithTLS: the answer says what is wrong, in the clear.
func TestHTTPToAListenerWithTLS(t *testing.T) {
	r := newRig(t, rigOptions{downTLS: true, ca: newAuthority(t, nil)})
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, "GET /"+strings.Repeat("x", 10_000)+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 400 ") || !strings.Contains(string(got), "https://") {
		t.Errorf("%q, %v", got, err)
	}
}

// TestTLSToAListenerWithout: the client learns at once that this is no TLS.
func TestTLSToAListenerWithout(t *testing.T) {
	r := newRig(t, rigOptions{})
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	err = tls.Client(c, &tls.Config{ServerName: "x"}).Handshake()
	if err == nil || !strings.Contains(err.Error(), "first record does not look like a TLS handshake") {
		t.Errorf("%v", err)
	}
}
