package wire

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/weighbridge/weighbridge/auth"
)

// upgrade asks for a WebSocket.
func upgrade(t *testing.T, c *Client, d Dest, resp *fasthttp.Response) (*Body, *Switched, error) {
	t.Helper()
	var req fasthttp.Request
	req.Header.DisableNormalizing()
	req.Header.SetMethod("GET")
	req.Header.SetRequestURI("/ws")
	req.Header.SetHost("origin.test")
	req.Header.Add("Sec-WebSocket-Key", "x")
	return c.Upgrade(t.Context(), d, &req, resp, "websocket")
}

// TestUpgradeSwitches over TLS and without, with what came behind the head,
// and leaves no deadline behind.
func TestUpgradeSwitches(t *testing.T) {
	asked := make(chan string, 2)
	echo := func(c net.Conn, br *bufio.Reader) {
		raw, err := readHead(bufio.NewReaderSize(br, MaxHeader))
		if err != nil {
			return
		}
		asked <- string(raw)
		_, _ = io.WriteString(c, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade, X-Hop\r\nX-Hop: 1\r\nX-Kept: 2\r\n\r\nearly")
		_, _ = io.Copy(c, c)
	}
	s := newScript(t, nil, echo)
	c := newClient(t, s.addr, nil)
	for range 2 { // each on a connection of its own
		var resp fasthttp.Response
		b, sw, err := upgrade(t, c, plainDest, &resp)
		if err != nil || b != nil || string(sw.Early) != "early" {
			t.Fatalf("%v, %+v, %v", b, sw, err)
		}
		if raw := <-asked; !strings.Contains(raw, "\r\nConnection: Upgrade\r\n") || !strings.Contains(raw, "\r\nUpgrade: websocket\r\n") {
			t.Errorf("asked %q", raw)
		}
		h := &resp.Header
		if resp.StatusCode() != 101 || string(h.Peek("X-Kept")) != "2" || len(h.Peek("X-Hop"))+len(h.Peek("Upgrade"))+len(h.Peek("Connection")) != 0 {
			t.Errorf("%d: %s", resp.StatusCode(), h)
		}
		got := make([]byte, 4)
		if _, err := io.WriteString(sw.Conn, "ping"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(sw.Conn, got); err != nil || string(got) != "ping" {
			t.Errorf("%q, %v", got, err)
		}
		_ = sw.Conn.Close()
	}
	if n := s.conns.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

// TestUpgradeIsRefusedLikeAnyRequest: what does not switch is an answer, and
// what switches to something else none.
func TestUpgradeIsRefusedLikeAnyRequest(t *testing.T) {
	var resp fasthttp.Response
	s := newScript(t, nil, answers("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"))
	b, sw, err := upgrade(t, newClient(t, s.addr, nil), plainDest, &resp)
	if err != nil || sw != nil || resp.StatusCode() != 403 || b.Len() != 2 {
		t.Errorf("%v, %v, %v", b, sw, err)
	}
	_ = b.Close()
	for _, head := range []string{"Upgrade: h2c\r\nConnection: Upgrade\r\n", "Connection: Upgrade\r\n"} {
		s := newScript(t, nil, answers("HTTP/1.1 101 Switching Protocols\r\n"+head+"\r\n"))
		if _, sw, err := upgrade(t, newClient(t, s.addr, nil), plainDest, &resp); codeOf(err) != auth.CodeUpstreamProtocol || sw != nil {
			t.Errorf("%q: %v, %v", head, sw, err)
		}
	}
}

// TestErrUnsent tells what never left from what may have arrived.
func TestErrUnsent(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	if a := do(t, newClient(t, ln.Addr().String(), nil), plainDest, "GET", "/", nil); !errors.Is(a.err, ErrUnsent) || a.code != auth.CodeUpstreamUnreachable {
		t.Errorf("nobody listens: %v", a.err)
	}
	s := newScript(t, nil, func(_ net.Conn, br *bufio.Reader) { _, _ = readRequest(br) })
	if a := do(t, newClient(t, s.addr, nil), plainDest, "POST", "/", nil); errors.Is(a.err, ErrUnsent) || a.code != auth.CodeUpstreamUnreachable {
		t.Errorf("it broke off: %v", a.err)
	}
}
