package wire

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestAPausedStreamDoesNotStall: a pause that is longer than what either side
// may rest for is nobody's fault. The bytes are all there before it.
func TestAPausedStreamDoesNotStall(t *testing.T) {
	t.Parallel()
	const rest, pause, size = 2 * time.Second, 2500 * time.Millisecond, 3 * minPiece
	body := strings.Repeat("x", size)
	for _, framed := range []string{"chunked", "long"} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprint(framed, " tls=", secure), func(t *testing.T) {
				t.Parallel()
				raw, want := fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", size, body), body
				if framed == "long" {
					want = strings.Repeat(body, 1+smallBody/size) // what is shorter is in memory
					raw = fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(want), want)
				}
				o := rigOptions{upTLS: secure, downTLS: secure, client: func(o *ClientOptions) { o.StallTimeout, o.WorkerStallTimeout = rest, rest }}
				var cfg *tls.Config
				if secure {
					o.ca = newAuthority(t, nil)
					cfg = &tls.Config{Certificates: []tls.Certificate{o.ca.issue(t, nil)}}
				}
				o.origin = newScript(t, cfg, answers(raw)).addr
				r := newRig(t, o)
				p := NewPace(minPiece)
				var pauses atomic.Int64
				p.sleep = func(ctx context.Context, _ time.Duration) error {
					if pauses.Add(1) > 1 {
						return nil
					}
					return Sleep(ctx, pause)
				}
				r.onBody = func(b *Body) { b.Pace(p) }
				resp, err := r.http.Get(r.url("/"))
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = resp.Body.Close() }()
				got, err := io.ReadAll(resp.Body)
				if err != nil || string(got) != want || pauses.Load() == 0 {
					t.Errorf("%d bytes, %v, after %d pauses", len(got), err, pauses.Load())
				}
			})
		}
	}
}
