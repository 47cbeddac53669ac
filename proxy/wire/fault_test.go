package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

// TestR18_RandomFaults: random sizes, framings, pieces and faults on both
// sides; a worker gets exactly the right bytes or sees an error, never a part
// that looks whole.
func TestR18_RandomFaults(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, nil)
	content := make([]byte, 3<<20)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(content)
	runs := 60
	if raceEnabled {
		runs = 24
	}
	for _, upTLS := range []bool{false, true} {
		for _, downTLS := range []bool{false, true} {
			t.Run(fmt.Sprintf("up=%v down=%v", upTLS, downTLS), func(t *testing.T) {
				t.Parallel()
				plans := make(chan plan, 1)
				s := newScript(t, serverTLS(t, ca, upTLS), func(c net.Conn, br *bufio.Reader) {
					for {
						if _, err := readRequest(br); err != nil {
							return
						}
						p := <-plans
						if !p.serve(c, content) {
							return
						}
					}
				})
				r := newRig(t, rigOptions{origin: s.addr, upTLS: upTLS, downTLS: downTLS, ca: ca})
				url := r.url("/")
				whole, broken := 0, 0
				for range runs {
					p := newPlan(len(content))
					plans <- p
					resp, err := r.http.Get(url)
					if err != nil || resp.StatusCode != 200 {
						if err == nil {
							_ = resp.Body.Close()
						}
						broken++
						select {
						case <-plans: // the connection broke before it was taken
						default:
						}
						if !p.faulty() {
							t.Errorf("%+v: %v", p, err)
						}
						continue
					}
					got, err := io.ReadAll(resp.Body)
					_ = resp.Body.Close()
					switch {
					case err != nil:
						broken++
						if !p.faulty() {
							t.Errorf("%+v: %v after %d bytes", p, err, len(got))
						}
						if !bytes.HasPrefix(content, got) {
							t.Errorf("%+v: wrong bytes", p)
						}
					case !bytes.Equal(got, content[:p.size]):
						t.Errorf("%+v: %d bytes that look whole and are not right", p, len(got))
					default:
						whole++
					}
				}
				t.Logf("%d whole, %d visibly broken", whole, broken)
				eventually(t, "buffers are back", func() bool { return r.buffers.Lent() == 0 })
			})
		}
	}
}

// plan is one answer of an upstream.
type plan struct {
	size    int
	chunked bool
	cut     int // after so many bytes; -1 is never
	reset   bool
	piece   int
	pause   bool
}

func newPlan(limit int) plan {
	p := plan{size: rand.IntN(limit), chunked: rand.IntN(2) == 0, cut: -1, piece: 1 + rand.IntN(300_000), pause: rand.IntN(4) == 0}
	if rand.IntN(4) == 0 {
		p.size = rand.IntN(70_000) // around the limit of bodies in memory
	}
	if rand.IntN(2) == 0 && p.size > 0 {
		p.cut, p.reset = rand.IntN(p.size), rand.IntN(2) == 0
	}
	p.piece = max(p.piece, p.size/50)
	return p
}

func (p plan) faulty() bool { return p.cut >= 0 }

// serve reports whether the connection goes on.
func (p plan) serve(c net.Conn, content []byte) bool {
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", p.size)
	if p.chunked {
		head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	}
	if _, err := io.WriteString(c, head); err != nil {
		return false
	}
	end := p.size
	if p.cut >= 0 {
		end = p.cut
	}
	for at := 0; at < end; {
		n := min(p.piece, end-at)
		var err error
		if p.chunked {
			err = writeChunk(c, content[at:at+n])
		} else {
			_, err = c.Write(content[at : at+n])
		}
		if err != nil {
			return false
		}
		at += n
		if p.pause {
			time.Sleep(time.Millisecond)
		}
	}
	if p.cut >= 0 {
		if p.reset {
			Reset(c)
		}
		return false
	}
	if p.chunked {
		_, err := io.WriteString(c, "0\r\n\r\n")
		return err == nil
	}
	return true
}
