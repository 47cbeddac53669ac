package wire

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func newShares(t testing.TB, n int) *Shares {
	t.Helper()
	s, err := NewShares(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestSharesTakeTurnsByKey: one turn at a time, 64 streams of one key and one of
// another: the other comes every second time, and waits for one batch.
func TestSharesTakeTurnsByKey(t *testing.T) {
	s := newShares(t, 1)
	first, rival := s.of("first"), s.of("rival")
	first.take()
	var mu sync.Mutex
	var order []string
	var wg sync.WaitGroup
	start := func(key string, n int32) {
		wg.Go(func() {
			turn := s.of(key)
			defer turn.end()
			for range 2 {
				turn.take()
				mu.Lock()
				order = append(order, key)
				mu.Unlock()
				turn.give()
			}
		})
		eventually(t, "it waits", func() bool { return s.waiting.Load() == n })
	}
	for i := range 64 {
		start("many", int32(i+1))
	}
	start("one", 65)
	first.give()
	wg.Wait()
	if len(order) != 130 || !slices.Contains(order[:2], "one") || !slices.Contains(order[2:5], "one") {
		t.Errorf("%v", order)
	}
	first.end()
	rival.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free != 1 || len(s.keys) != 0 || len(s.order) != 0 || s.waiting.Load() != 0 {
		t.Errorf("%d free, %d keys, %d in order", s.free, len(s.keys), len(s.order))
	}
}

// TestSharesAreTakenWhileKeysCompete: a key alone takes no turns; a request of
// another begins them for a second, and a stream of another for as long as it
// lasts.
func TestSharesAreTakenWhileKeysCompete(t *testing.T) {
	s := newShares(t, 1)
	s.Seen("b") // there is nothing to compete with
	a := s.of("a")
	takes := func() bool {
		a.take()
		defer a.give()
		return a.held
	}
	if takes() {
		t.Error("a turn was taken without need")
	}
	s.Seen("a")
	if takes() {
		t.Error("a key competes with itself")
	}
	s.Seen("b")
	if !takes() {
		t.Error("a request of another key begins no turns")
	}
	s.rivals.Store(int64(time.Since(s.epoch))) // a second later
	if takes() {
		t.Error("turns go on")
	}
	b := s.of("b")
	if !takes() {
		t.Error("a stream of another key begins no turns")
	}
	b.end()
	if takes() {
		t.Error("turns go on behind the stream")
	}
	a.end()
	if s.all.Load() != 0 || len(s.streams) != 0 {
		t.Errorf("%d streams are left", s.all.Load())
	}
}

// TestSharesLeaveOneTurnToRequests: for a second after a request of a rival one
// of several turns is nobody's.
func TestSharesLeaveOneTurnToRequests(t *testing.T) {
	s := newShares(t, 3)
	streams := []*turn{s.of("a"), s.of("a"), s.of("b"), s.of("b")}
	s.Seen("b")
	s.rivals.Store(int64(time.Hour)) // for as long as the test looks
	streams[0].take()
	streams[1].take()
	got := make(chan struct{})
	for _, w := range streams[2:] {
		go func() { w.take(); got <- struct{}{} }()
	}
	eventually(t, "they wait", func() bool { return s.waiting.Load() == 2 })
	streams[0].give()
	<-got
	s.mu.Lock()
	if s.free != 1 || s.waiting.Load() != 1 {
		t.Errorf("%d free, %d wait", s.free, s.waiting.Load())
	}
	s.mu.Unlock()
	// A second later all of them may be had.
	s.rivals.Store(0)
	streams[1].give()
	<-got
	for _, w := range streams {
		w.take()
		w.give()
		w.end()
	}
}

// TestSharesPassOnAfterABatch, and only where somebody waits.
func TestSharesPassOnAfterABatch(t *testing.T) {
	s := newShares(t, 1)
	a, b := s.of("a"), s.of("b")
	a.step()
	a.count(turnBytes)
	a.step() // nobody waits
	if !a.held {
		t.Fatal("given up without need")
	}
	got := make(chan struct{})
	go func() { b.take(); close(got) }()
	eventually(t, "it waits", func() bool { return s.waiting.Load() == 1 })
	a.count(turnBytes - 1)
	a.step()
	select {
	case <-got:
		t.Fatal("passed on too early")
	default:
	}
	a.count(1)
	back := make(chan struct{})
	go func() { a.step(); close(back) }()
	<-got
	b.give()
	<-back
	a.give()
	a.give() // more than once
}

// TestSharesCloseLetsEverybodyGo.
func TestSharesCloseLetsEverybodyGo(t *testing.T) {
	s, err := NewShares(1)
	if err != nil {
		t.Fatal(err)
	}
	s.of("b")
	s.of("a").take()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			turn := s.of("b")
			turn.take()
			turn.give()
			turn.take()
		})
	}
	eventually(t, "they wait", func() bool { return s.waiting.Load() == 3 })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	var none *Shares
	none.of("x").step()
	if err := none.Close(); err != nil {
		t.Error(err)
	}
}

// TestSharesAreNotHeldByWhoWaits: with a single turn, a worker that takes
// nothing and an upstream that sends nothing hold nobody up.
func TestSharesAreNotHeldByWhoWaits(t *testing.T) {
	for _, c := range []struct {
		name          string
		upTLS, downTL bool
	}{{"plain-plain", false, false}, {"tls-plain", true, false}, {"plain-tls", false, true}, {"tls-tls", true, true}} {
		t.Run(c.name, func(t *testing.T) {
			ca := newAuthority(t, nil)
			var cfg *tls.Config
			if c.upTLS {
				cfg = &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}}
			}
			const size = 16 << 20 // more than the sockets between take
			hold := make(chan struct{})
			origin := newScript(t, cfg, func(conn net.Conn, br *bufio.Reader) {
				req, err := readRequest(br)
				if err != nil {
					return
				}
				_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", size)
				piece := []byte(strings.Repeat("w", 1<<20))
				for i := range size / len(piece) {
					if i == 1 && req.URL.Path == "/stalls" {
						<-hold
					}
					if _, err := conn.Write(piece); err != nil {
						return
					}
				}
			})
			s := newShares(t, 1)
			r := newRig(t, rigOptions{origin: origin.addr, upTLS: c.upTLS, downTLS: c.downTL, ca: ca, client: func(o *ClientOptions) { o.Shares = s }})
			r.onBody = func(b *Body) { b.Share("key") }
			url := r.url("")
			stalled := make(chan error, 1)
			go func() {
				resp, err := r.http.Get(url + "/stalls")
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
				stalled <- err
			}()
			// One that reads the head and nothing of the body.
			idle, err := r.http.Get(url + "/idle")
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				resp, err := r.http.Get(url + "/whole")
				if err != nil {
					t.Fatal(err)
				}
				n, err := io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if n != size || err != nil {
					t.Errorf("%d bytes, %v", n, err)
				}
			}
			close(hold)
			if err := <-stalled; err != nil {
				t.Error(err)
			}
			if n, err := io.Copy(io.Discard, idle.Body); n != size || err != nil {
				t.Errorf("the idle one: %d bytes, %v", n, err)
			}
			_ = idle.Body.Close()
			eventually(t, "all turns are given back", func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.free == 1 && len(s.order) == 0
			})
		})
	}
}

// TestT73_InTurnsAStallEndsAsWell: the deadlines of progress hold for reading
// and writing in turns.
func TestT73_InTurnsAStallEndsAsWell(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	defer close(hold)
	origin := newScript(t, nil, func(conn net.Conn, br *bufio.Reader) {
		if _, err := readRequest(br); err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nabc")
		<-hold
	})
	ca := newAuthority(t, nil)
	s := newShares(t, 1)
	ended := make(chan error, 1)
	r := newRig(t, rigOptions{origin: origin.addr, downTLS: true, ca: ca, client: func(o *ClientOptions) {
		o.Shares, o.StallTimeout = s, 200*time.Millisecond
	}})
	r.onBody = func(b *Body) { b.Share("key") }
	resp, err := r.http.Get(r.url("/"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	go func() {
		_, err := io.Copy(io.Discard, resp.Body)
		ended <- err
	}()
	if err := <-ended; err == nil {
		t.Error("a stalled body ended well")
	}
}

// While a rival may ask, a stream rings and sleeps after each turn, although
// nobody else waits: else nobody might look at the network for as long as it
// can go on. Without a rival it goes on.
func TestAStreamSleepsAfterItsTurnWhileARivalMayAsk(t *testing.T) {
	s := newShares(t, 2)
	listened := s.bell
	ear, bell, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ear.Close() }()
	s.bell = bell // which nobody hears but the test
	defer func() { _ = bell.Close(); s.bell = listened }()

	stream := s.of("streams")
	defer stream.end()
	stream.count(turnBytes)
	stream.step()
	if stream.held {
		t.Error("it takes turns although nobody competes")
	}
	s.Seen("rival")
	stream.step()
	stream.count(turnBytes)
	went := make(chan struct{})
	go func() { stream.step(); close(went) }()
	if _, err := ear.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-went:
		t.Error("it goes on before the next turn is its own")
	default:
	}
	s.mu.Lock()
	s.free--
	s.first().granted <- struct{}{}
	s.mu.Unlock()
	<-went
	if !stream.held || stream.moved != 0 {
		t.Errorf("held %v, moved %d", stream.held, stream.moved)
	}
}
