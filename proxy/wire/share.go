package wire

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Shares gives streams turns at the processors, so that one key with many
// streams leaves others what is theirs: a turn is a batch of bytes, keys take
// turns one after the other however many streams they have, and there are no
// more turns at a time than processors.
//
// What has no turn sleeps. That is the point as much as the order: the Go
// scheduler looks at the network only when nothing else can run, or every
// 10 ms (runtime.sysmon). While 64 streams can run, a new request waits for
// all of them several times over; while they sleep, for a batch.
//
// Turns cost something: a stream that is alone with its processor has its bytes
// in the cache. So they are taken while keys compete and at no other time:
// while streams of more than one key are in progress, and for a second after a
// key asked for something beside the streams of another. For that second one
// turn is nobody's, where there are several, so that a processor is there for a
// request, and who ends a turn sleeps before the next one even where nobody
// else waits, so that the request is noticed.
//
// A turn is never held by who waits for a network. All methods may be called
// by any number of goroutines; a nil *Shares gives nobody turns, and nobody
// waits.
type Shares struct {
	mu    sync.Mutex
	n     int // turns in all
	free  int
	keys  map[string]*queue
	order []*queue // of the keys that wait, whose turn it is first
	// streams are how many are in progress, by key, and all of them together.
	streams map[string]int
	all     atomic.Int32
	// several says that there are streams of more than one key; rivals is until
	// when there are rivals because of requests, in time since epoch.
	several atomic.Bool
	rivals  atomic.Int64
	epoch   time.Time
	// waiting is how many streams wait.
	waiting atomic.Int32
	// bell is rung where a turn is free and somebody waits. It is a pipe, so
	// that who comes next is found by looking at the network, and with it
	// whoever else the network has something for.
	bell, ear *os.File
	over      bool
	rung      sync.WaitGroup
}

// queue is the streams of a key that wait.
type queue struct {
	key     string
	waiting []*turn
}

// NewShares makes Shares with n turns at a time; zero or less means as many as
// Go uses processors. Close ends it.
func NewShares(n int) (*Shares, error) {
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	s := &Shares{n: n, free: n, keys: map[string]*queue{}, streams: map[string]int{}, epoch: time.Now()}
	var err error
	if s.ear, s.bell, err = os.Pipe(); err != nil {
		return nil, err
	}
	s.rung.Go(s.listen)
	return s, nil
}

// Close lets everybody go on at once.
func (s *Shares) Close() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	s.over = true
	for _, q := range s.order {
		for _, t := range q.waiting {
			t.granted <- struct{}{}
		}
	}
	s.order, s.keys = nil, map[string]*queue{}
	s.waiting.Store(0)
	s.mu.Unlock()
	err := s.bell.Close()
	s.rung.Wait()
	return errors.Join(err, s.ear.Close())
}

// rivalry is how long turns are taken after a request of a key that has rivals.
const rivalry = time.Second

// Seen tells of a request of key, or of anything else that it wants soon.
func (s *Shares) Seen(key string) {
	if s == nil || s.all.Load() == 0 {
		return
	}
	s.mu.Lock()
	rival := int(s.all.Load()) > s.streams[key]
	s.mu.Unlock()
	if rival {
		s.rivals.Store(int64(time.Since(s.epoch) + rivalry))
	}
}

// asked reports whether a key asked for something lately that has rivals.
func (s *Shares) asked() bool { return int64(time.Since(s.epoch)) < s.rivals.Load() }

// contended reports whether keys compete.
func (s *Shares) contended() bool {
	return s.several.Load() || s.all.Load() > 0 && s.asked()
}

// vacant reports whether a turn may be had. s.mu is held.
func (s *Shares) vacant() bool {
	if s.n > 1 && s.asked() {
		return s.free > 1
	}
	return s.free > 0
}

// begin and end count a stream of key.
func (s *Shares) begin(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[key]++
	s.all.Add(1)
	s.several.Store(len(s.streams) > 1)
}

func (s *Shares) end(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams[key]--; s.streams[key] == 0 {
		delete(s.streams, key)
	}
	s.all.Add(-1)
	s.several.Store(len(s.streams) > 1)
}

// listen hands out turns when the bell is rung.
func (s *Shares) listen() {
	var b [64]byte
	for {
		if _, err := s.ear.Read(b[:]); err != nil {
			return
		}
		// First those for whom the network had something.
		runtime.Gosched()
		s.mu.Lock()
		for s.vacant() && len(s.order) > 0 {
			s.free--
			s.first().granted <- struct{}{}
		}
		s.mu.Unlock()
	}
}

// first takes out whose turn it is. s.mu is held.
func (s *Shares) first() *turn {
	q := s.order[0]
	t := q.waiting[0]
	q.waiting[0] = nil
	q.waiting = q.waiting[1:]
	copy(s.order, s.order[1:])
	s.order[len(s.order)-1] = q
	if len(q.waiting) == 0 {
		delete(s.keys, q.key)
		s.order = s.order[:len(s.order)-1]
	}
	s.waiting.Add(-1)
	return t
}

// turn is one stream's. The nil turn is always had.
type turn struct {
	s       *Shares
	key     string
	held    bool
	granted chan struct{}
	moved   int64 // in this turn
}

// turnBytes is how much a turn moves: a read batch.
const turnBytes = fullRead

// of makes the turn of a stream of key, which is not held; end ends it.
func (s *Shares) of(key string) *turn {
	if s == nil {
		return nil
	}
	s.begin(key)
	return &turn{s: s, key: key, granted: make(chan struct{}, 1)}
}

// end ends the stream.
func (t *turn) end() {
	if t == nil {
		return
	}
	t.give()
	t.s.end(t.key)
}

// take waits for the turn, while keys compete.
func (t *turn) take() {
	if t == nil || t.held || !t.s.contended() {
		return
	}
	s := t.s
	t.held, t.moved = true, 0
	s.mu.Lock()
	if s.over || s.vacant() && len(s.order) == 0 {
		s.free--
		s.mu.Unlock()
		return
	}
	s.queue(t)
	s.mu.Unlock()
	<-t.granted
}

// queue lets t wait as the last of its key. s.mu is held.
func (s *Shares) queue(t *turn) {
	q := s.keys[t.key]
	if q == nil {
		q = &queue{key: t.key}
		s.keys[t.key] = q
		s.order = append(s.order, q)
	}
	q.waiting = append(q.waiting, t)
	s.waiting.Add(1)
}

// pass gives the turn up and waits for the next one. It sleeps also where
// nobody else waits: for as long as a stream can go on, nobody may be looking
// at the network, even with a processor to spare. Go's scheduler leaves that to
// the last one that finds nothing to do, who may have found this stream.
func (t *turn) pass() {
	s := t.s
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return
	}
	s.free++
	s.queue(t)
	s.mu.Unlock()
	t.moved = 0
	_, _ = s.bell.Write([]byte{0})
	<-t.granted
}

// give ends the turn, if it is held.
func (t *turn) give() {
	if t == nil || !t.held {
		return
	}
	s := t.s
	t.held = false
	s.mu.Lock()
	s.free++
	ring := len(s.order) > 0 && !s.over
	s.mu.Unlock()
	if ring {
		_, _ = s.bell.Write([]byte{0})
	}
}

// step is called before each part of the work: it takes the turn, and passes
// it on after its bytes where somebody waits, or may be about to ask.
func (t *turn) step() {
	switch {
	case t == nil:
	case !t.held:
		t.take()
	case t.moved < turnBytes:
	case t.s.waiting.Load() > 0 || t.s.asked():
		t.pass()
	default:
		t.moved = 0
	}
}

// count counts bytes that were moved in the turn.
func (t *turn) count(n int) {
	if t != nil {
		t.moved += int64(n)
	}
}
