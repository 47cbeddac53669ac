package wire

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestT71_BrokenBodies: whatever breaks upstream, the worker sees a broken
// connection, in every framing and with every combination of sides.
func TestT71_BrokenBodies(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, nil)
	big := strings.Repeat("x", 200_000)
	for name, raw := range map[string]string{
		"99 % of the length":    "HTTP/1.1 200 OK\r\nContent-Length: 202000\r\n\r\n" + big,
		"no last chunk":         fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(big), big),
		"within a chunk":        fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s", len(big)+1, big),
		"a broken chunk":        fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\nxyz\r\n", len(big), big),
		"cut while until close": "reset",
	} {
		for _, upTLS := range []bool{false, true} {
			for _, downTLS := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s up=%v down=%v", name, upTLS, downTLS), func(t *testing.T) {
					t.Parallel()
					s := newScript(t, serverTLS(t, ca, upTLS), func(c net.Conn, br *bufio.Reader) {
						_, _ = readRequest(br)
						if raw == "reset" {
							_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"+big)
							time.Sleep(20 * time.Millisecond)
							Reset(c)
							return
						}
						_, _ = io.WriteString(c, raw)
					})
					r := newRig(t, rigOptions{origin: s.addr, upTLS: upTLS, downTLS: downTLS, ca: ca})
					resp, err := r.http.Get(r.url("/"))
					if err != nil {
						return // broken before the head was through: visible as well
					}
					defer func() { _ = resp.Body.Close() }()
					if n, err := io.Copy(io.Discard, resp.Body); err == nil {
						t.Errorf("a clean end after %d bytes", n)
					}
					eventually(t, "buffers are back", func() bool { return r.buffers.Lent() == 0 })
				})
			}
		}
	}
}
