package wire

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// TestUploadThroughTheServer: streaming, with both framings, never held whole.
func TestUploadThroughTheServer(t *testing.T) {
	var got atomic.Int64
	s := newScript(t, nil, func(c net.Conn, br *bufio.Reader) {
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			n, err := io.Copy(io.Discard, req.Body)
			if err != nil {
				return
			}
			got.Store(n)
			_, _ = io.WriteString(c, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
		}
	})
	r := newRig(t, rigOptions{origin: s.addr})
	const size = 20 << 20
	for _, known := range []bool{true, false} {
		body := io.Reader(io.LimitReader(zeros{}, size))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, r.url("/x"), body)
		if err != nil {
			t.Fatal(err)
		}
		if known {
			req.ContentLength = size
		}
		resp, err := r.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 201 || got.Load() != size {
			t.Errorf("known=%v: %d, %d bytes", known, resp.StatusCode, got.Load())
		}
	}
	if n := s.conns.Load(); n != 1 {
		t.Errorf("%d upstream connections", n)
	}
	eventually(t, "buffers are back", func() bool { return r.buffers.Lent() == 0 })
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestT43_AbortedUpload: a worker that leaves in the middle of its body; what the
// upstream gets ends by a reset and never looks whole.
func TestT43_AbortedUpload(t *testing.T) {
	for _, form := range []string{"Content-Length: 1000000", "Transfer-Encoding: chunked"} {
		t.Run(form, func(t *testing.T) {
			ended := make(chan error, 1)
			s := newScript(t, nil, func(_ net.Conn, br *bufio.Reader) {
				req, err := http.ReadRequest(br)
				if err == nil {
					_, err = io.Copy(io.Discard, req.Body)
				}
				ended <- err
			})
			r := newRig(t, rigOptions{origin: s.addr})
			c := r.raw(t)
			_, _ = io.WriteString(c, "PUT / HTTP/1.1\r\nHost: x\r\n"+form+"\r\n\r\n5\r\nabcde\r\n")
			time.Sleep(10 * time.Millisecond)
			_ = c.Close()
			if err := <-ended; err == nil {
				t.Error("the upstream saw a whole body")
			}
			eventually(t, "everything ends", func() bool { return r.server.Conns() == 0 && r.buffers.Lent() == 0 })
		})
	}
}
