package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

const (
	// followBatch and followBytes bound what a follower is given at once.
	followBatch = 500
	followBytes = 1 << 20
	// followEvery is how soon acts are looked for: the store tells of none.
	followEvery = time.Second
	// followRetry is the first pause after a failure; it doubles up to
	// followRetryMost.
	followRetry     = time.Second
	followRetryMost = time.Minute
	// DefaultFollowLag is how far a follower may fall behind.
	DefaultFollowLag = 256 << 20
)

// Sink takes events somewhere else, as lines with their newlines. An error says
// that none, or only some, arrived: all are sent again.
type Sink interface {
	Send(ctx context.Context, lines []byte) error
}

// Acts yields the lines of acts behind a place, with their own.
type Acts func(ctx context.Context, behind uint64, yield func(at uint64, line []byte) bool) error

// FollowerOptions of a Follower.
type FollowerOptions struct {
	// Name is that of its file, and in the log.
	Name string
	// Record and Acts are what it follows; ActsOnly leaves the first out.
	Record   *File
	Acts     Acts
	ActsOnly bool
	Sink     Sink
	// MaxLag is how many bytes of the record of use may wait for it; zero is
	// DefaultFollowLag. What is beyond is dropped for it, and stays on record. A
	// record in memory, which is no record beside it, drops nothing.
	MaxLag int64
	// Now defaults to time.Now.
	Now func() time.Time
	// Report is told when it begins to fail, nil when it goes on, and what was
	// dropped. It must not block.
	Report func(error)

	retry time.Duration // followRetry, for tests
}

// Follower sends what is on record to a sink, in order, each event at least
// once. The record itself is its queue: it keeps nothing but its place in it,
// and nobody waits for it.
type Follower struct {
	o       FollowerOptions
	stop    context.CancelFunc
	done    chan struct{}
	dropped atomic.Int64
	gaps    atomic.Int64
	sent    atomic.Int64

	at place // the goroutine's own
	// has is at.Use for the record.
	has atomic.Pointer[Cursor]
	// failing says that the last attempt failed.
	failing bool
}

// place is up to where everything was sent, or dropped.
type place struct {
	Use  Cursor `json:"use"`
	Acts uint64 `json:"acts"`
	// Dropped counts all events that were dropped ever, and Gaps how often
	// retention was ahead.
	Dropped int64 `json:"dropped"`
	Gaps    int64 `json:"gaps,omitempty"`
}

// NewFollower begins to follow: from where the follower of that name ended, or
// from now on where there was none. A record in memory it follows from its
// beginning.
func NewFollower(o FollowerOptions) (*Follower, error) {
	if o.MaxLag == 0 {
		o.MaxLag = DefaultFollowLag
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.retry == 0 {
		o.retry = followRetry
	}
	f := &Follower{o: o, done: make(chan struct{})}
	if err := f.load(); err != nil {
		return nil, fmt.Errorf("the place of the follower %s: %w", o.Name, err)
	}
	f.at.Use = o.Record.within(f.at.Use)
	use := f.at.Use
	f.has.Store(&use)
	if o.Record.memory && !o.ActsOnly {
		o.Record.hold(func() Cursor { return *f.has.Load() })
	}
	f.dropped.Store(f.at.Dropped)
	f.gaps.Store(f.at.Gaps)
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	go func() {
		defer close(f.done)
		f.run(ctx)
	}()
	return f, nil
}

// Name is the follower's.
func (f *Follower) Name() string { return f.o.Name }

// Dropped is how many events were dropped for it, since it was first made.
func (f *Follower) Dropped() int64 { return f.dropped.Load() }

// Gaps is how often retention removed files of the record before the follower
// had all of them, since it was first made. How many events that were tells the
// follower itself: their numbers are missing in what it got.
func (f *Follower) Gaps() int64 { return f.gaps.Load() }

// Sent is how many events it was sent since the start.
func (f *Follower) Sent() int64 { return f.sent.Load() }

// Close ends it; what was not sent is sent after the next start. A sink that
// does not let go is left behind. What is on record in memory has no next
// start: it is sent now, as far as the sink takes it within five seconds, and
// the error says where it did not.
func (f *Follower) Close() error {
	f.stop()
	select {
	case <-f.done:
	case <-time.After(followRetry):
		return fmt.Errorf("the follower %s does not end", f.o.Name)
	}
	if !f.o.Record.memory {
		return nil
	}
	ctx, stop := context.WithTimeout(context.Background(), closeGrace)
	defer stop()
	for more := true; more; {
		var err error
		if more, err = f.step(ctx); err != nil {
			return fmt.Errorf("the follower %s did not get the end of the record: %w", f.o.Name, err)
		}
	}
	return nil
}

func (f *Follower) path() string {
	return filepath.Join(f.o.Record.Dir(), "follower-"+f.o.Name+".json")
}

// load finds the place where it goes on.
func (f *Follower) load() error {
	if f.o.Record.memory {
		return nil
	}
	b, err := os.ReadFile(f.path())
	if errors.Is(err, fs.ErrNotExist) {
		f.at = place{Use: f.o.Record.End(), Acts: uint64(f.o.Now().UnixMicro())} //nolint:gosec // after 1970
		return f.save()
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &f.at); err != nil {
		// Whatever became of it, to send everything again is better than to miss
		// something, and than not to start.
		f.at = place{}
		f.o.Report(fmt.Errorf("the follower %s: its place in %s cannot be read, and it begins with all that there is: %w", f.o.Name, f.path(), err))
	}
	return nil
}

func (f *Follower) save() error {
	if f.o.Record.memory {
		f.o.Record.look() // there may be what nobody wants any more
		return nil
	}
	b, err := json.Marshal(f.at)
	if err != nil {
		return err
	}
	return replaceFile(f.path(), b)
}

func (f *Follower) run(ctx context.Context) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	pause := f.o.retry
	for {
		changed := f.o.Record.Changed()
		more, err := f.step(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if !f.failing {
				f.o.Report(fmt.Errorf("the follower %s: %w", f.o.Name, err))
			}
			f.failing = true
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			pause = min(2*pause, followRetryMost)
			continue
		case f.failing:
			f.failing = false
			f.o.Report(nil)
		}
		pause = f.o.retry
		if more {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
			// What comes together is sent together.
			select {
			case <-ctx.Done():
				return
			case <-time.After(f.o.retry / 10):
			}
		case <-tick.C:
		}
	}
}

// step sends one batch. more says that there may be more.
func (f *Follower) step(ctx context.Context) (more bool, err error) {
	if err := f.shed(ctx); err != nil {
		return false, err
	}
	var out bytes.Buffer
	n, next := 0, f.at
	room := func() bool { return n < followBatch && out.Len() < followBytes }
	err = f.o.Acts(ctx, next.Acts, func(at uint64, line []byte) bool {
		add(&out, line)
		next.Acts = at
		n++
		return room()
	})
	if err == nil && room() && !f.o.ActsOnly {
		err = f.o.Record.From(ctx, next.Use, func(line []byte, behind Cursor) bool {
			add(&out, line)
			next.Use = behind
			n++
			return room()
		})
	}
	if err != nil || next == f.at {
		return false, err
	}
	if out.Len() > 0 {
		if err := f.o.Sink.Send(ctx, out.Bytes()); err != nil {
			return false, err
		}
	}
	f.at = next
	f.has.Store(&next.Use)
	f.sent.Add(int64(n))
	return !room(), f.save()
}

// add appends a line that is one.
func add(out *bytes.Buffer, line []byte) {
	line = bytes.TrimRight(line, "\r\n")
	if len(line) > 0 {
		out.Write(line)
		out.WriteByte('\n')
	}
}

// shed drops what is further behind than MaxLag, and tells what retention
// took before it was sent.
func (f *Follower) shed(ctx context.Context) error {
	if f.o.Record.memory || f.o.ActsOnly {
		return nil
	}
	names, err := files(f.o.Record.o.Disk, f.o.Record.dir)
	if err != nil {
		return err
	}
	if len(names) > 0 && f.at.Use.File != "" && names[0] > f.at.Use.File {
		lost := !f.o.Record.had(f.at.Use)
		f.at.Use = Cursor{File: names[0]}
		if lost {
			f.at.Gaps++
			f.gaps.Store(f.at.Gaps)
			f.tell(0, "retention removed files of the record before all of them was sent")
			if err := f.save(); err != nil {
				return err
			}
		}
	}
	lag, err := f.o.Record.behind(f.at.Use)
	if err != nil || lag <= f.o.MaxLag {
		return err
	}
	next, n := f.at, int64(0)
	err = f.o.Record.From(ctx, next.Use, func(line []byte, behind Cursor) bool {
		if lag <= f.o.MaxLag/2 {
			return false
		}
		lag -= int64(len(line))
		next.Use = behind
		n++
		return true
	})
	if err != nil {
		return err
	}
	next.Dropped += n
	f.at = next
	f.dropped.Store(next.Dropped)
	f.tell(n, fmt.Sprintf("%d events were dropped for it; they are on record", n))
	return f.save()
}

// tell says, and puts on record, what the follower does not get.
func (f *Follower) tell(n int64, what string) {
	what = fmt.Sprintf("the follower %s fell behind: %s", f.o.Name, what)
	f.o.Report(errors.New(what))
	// A record that takes nothing now takes it once it does.
	f.o.Record.Record(auth.Event{Action: auth.ActionFollowerLost, Actor: "system", Count: n, Outcome: auth.OutcomeFailed, Reason: what})
}

// behind is how many bytes are durable behind at.
func (f *File) behind(at Cursor) (n int64, err error) {
	end := f.position()
	names, err := files(f.o.Disk, f.dir)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		if name < at.File || name > end.name {
			continue
		}
		size := end.to
		if name != end.name {
			size, err = sizeOf(f.o.Disk, f.path(name))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return 0, err
			}
		}
		if name == at.File {
			size -= at.Offset
		}
		n += max(size, 0)
	}
	return n, nil
}

// Followers are several.
type Followers []*Follower

// Close ends all of them at once.
func (all Followers) Close() error {
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, f := range all {
		wg.Go(func() { errs[i] = f.Close() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// CheckFollowerName says whether a follower may be called so: it is part of
// the name of a file.
func CheckFollowerName(name string) error {
	if name == "" || len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}) {
		return errors.New("it consists of up to 64 letters, digits, - and _")
	}
	return nil
}
