package wire

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// TestPeek: a body that is looked at is still there for whoever reads next,
// whole, whether it was shown or too long; one that breaks is an error.
func TestPeek(t *testing.T) {
	const limit = 4 << 10
	framed := func(text string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(text), text) }
	chunked := func(text string) string {
		out := "Transfer-Encoding: chunked\r\n\r\n"
		for rest := text; rest != ""; {
			n := min(700, len(rest))
			out += fmt.Sprintf("%x\r\n%s\r\n", n, rest[:n])
			rest = rest[n:]
		}
		return out + "0\r\n\r\n"
	}
	short, full, long := "refused", strings.Repeat("f", limit), strings.Repeat("l", limit+1)
	huge := strings.Repeat("h", 1<<20)
	for name, c := range map[string]struct {
		answer, whole string
		shown, broken bool
	}{
		"none":            {framed(""), "", true, false},
		"short":           {framed(short), short, true, false},
		"as long as may":  {framed(full), full, true, false},
		"longer":          {framed(long), long, false, false},
		"huge":            {framed(huge), huge, false, false},
		"chunked":         {chunked(short), short, true, false},
		"chunked, full":   {chunked(full), full, true, false},
		"chunked, longer": {chunked(long), long, false, false},
		"chunked, huge":   {chunked(huge), huge, false, false},
		"until the end":   {"\r\n" + short, short, true, false},
		"cut":             {"Content-Length: 2000\r\n\r\n" + short, "", false, true},
		"chunked, cut":    {"Transfer-Encoding: chunked\r\n\r\n7\r\nrefused\r\n", "", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, nil, func(conn net.Conn, br *bufio.Reader) {
				if _, err := readRequest(br); err == nil {
					_, _ = io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n"+c.answer)
				}
				_ = conn.Close()
			})
			client := newClient(t, s.addr, nil)
			var req fasthttp.Request
			var resp fasthttp.Response
			req.Header.SetMethod("GET")
			req.Header.SetRequestURI("/")
			req.Header.SetHost("origin.test")
			b, err := client.Do(t.Context(), plainDest, &req, &resp)
			if err != nil {
				if !c.broken {
					t.Fatal(err)
				}
				return // so short that it was read at once
			}
			defer func() { _ = b.Close() }()
			for range 2 { // looking twice is looking once
				seen, err := b.Peek(limit)
				if (err != nil) != c.broken {
					t.Fatalf("%d bytes, %v", len(seen), err)
				}
				if c.broken {
					return
				}
				if c.shown && string(seen) != c.whole || !c.shown && seen != nil {
					t.Errorf("%d bytes of %d are shown", len(seen), len(c.whole))
				}
			}
			rest, err := io.ReadAll(b)
			if err != nil || string(rest) != c.whole {
				t.Errorf("%d bytes of %d are left, %v", len(rest), len(c.whole), err)
			}
		})
	}
}
