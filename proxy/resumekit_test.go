package proxy

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// shelf is an upstream with one file, which breaks off as it is told to.
type shelf struct {
	content []byte
	// head are the fields beside those of framing, the validators among them.
	head []string
	// turn, if not nil, is asked about each request by its number: it may
	// answer by itself (done), and says what is done to the answer otherwise.
	turn func(n int, q *request) (f turn, done bool)

	mu sync.Mutex
	n  int
}

// turn is what happens to one answer. The zero turn is none: everything comes.
type turn struct {
	// after bytes of the body it ends, in the way of how. Zero is never.
	after int
	how   string // "reset", "short", "stall"
	// hold is waited for by a stall.
	hold <-chan struct{}
	// span, if not nil, is what of first and last is sent.
	span func(first, last int) (int, int)
	// total is told where it is not zero, head are other fields, and whole
	// ignores Range.
	total int
	head  []string
	whole bool
}

const strongTag = `ETag: "v1"`

func newShelf(size int, turn func(n int, q *request) (turn, bool)) *shelf {
	s := &shelf{content: make([]byte, size), head: []string{strongTag}, turn: turn}
	_, _ = rand.NewChaCha8([32]byte{byte(size)}).Read(s.content)
	return s
}

// restart counts the requests from nought again.
func (s *shelf) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n = 0
}

func (s *shelf) answer(q *request) bool {
	s.mu.Lock()
	n := s.n
	s.n++
	s.mu.Unlock()
	var f turn
	if s.turn != nil {
		var done bool
		if f, done = s.turn(n, q); done {
			return false
		}
	}
	first, last, status := 0, len(s.content)-1, "200 OK"
	head := s.head
	if f.head != nil {
		head = f.head
	}
	extra := ""
	if rg := q.fields.Get("Range"); rg != "" && !f.whole {
		_, _ = fmt.Sscanf(rg, "bytes=%d-%d", &first, &last)
		if f.span != nil {
			first, last = f.span(first, last)
		}
		total := len(s.content)
		if f.total != 0 {
			total = f.total
		}
		status, extra = "206 Partial Content", fmt.Sprintf("Content-Range: bytes %d-%d/%d\r\n", first, last, total)
	}
	body := s.content[first : last+1]
	_, err := fmt.Fprintf(q.w, "HTTP/1.1 %s\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n%s%s\r\n",
		status, len(body), extra, strings.Join(append(append([]string{}, head...), ""), "\r\n"))
	if err != nil {
		return false
	}
	if f.after == 0 || f.after >= len(body) {
		_, err := q.w.Write(body)
		return err == nil
	}
	if _, err := q.w.Write(body[:f.after]); err != nil {
		return false
	}
	switch f.how {
	case "reset":
		// What was sent has to arrive: a reset may overtake it.
		time.Sleep(20 * time.Millisecond)
		_ = q.raw.(*net.TCPConn).SetLinger(0)
	case "stall":
		<-f.hold
	}
	return false
}

// first breaks the first answer and no other.
func first(f turn) func(int, *request) (turn, bool) {
	return func(n int, _ *request) (turn, bool) {
		if n == 0 {
			return f, false
		}
		return turn{}, false
	}
}

// status answers with a status and nothing else.
func status(q *request, line string, extra ...string) (turn, bool) {
	_, _ = io.WriteString(q.w, "HTTP/1.1 "+line+"\r\nContent-Length: 0\r\n"+strings.Join(append(extra, ""), "\r\n")+"\r\n")
	return turn{}, true
}

// waits keeps how long was waited, and does not wait.
type waits struct {
	mu  sync.Mutex
	all []time.Duration
	// during, if not nil, is called in each wait.
	during func()
}

func (w *waits) wait(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	w.all = append(w.all, d)
	w.mu.Unlock()
	if w.during != nil {
		w.during()
	}
	return ctx.Err()
}

// resumeRig is a rig that does not wait between requests.
func resumeRig(t testing.TB, o rigOptions) (*rig, *waits) {
	w := &waits{}
	change := o.options
	o.options = func(o *Options) {
		o.IdleTimeout, o.Wait = time.Second, w.wait // a second: longer than a busy machine keeps an origin from sending
		if change != nil {
			change(o)
		}
	}
	return newRig(t, o), w
}
