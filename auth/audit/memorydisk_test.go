package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
)

// outlet is a standard output that can be closed, by an error after half of
// what is written.
type outlet struct {
	mu   sync.Mutex
	fail error
	text bytes.Buffer
}

func (o *outlet) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fail != nil {
		n, _ := o.text.Write(p[:len(p)/2])
		return n, o.fail
	}
	return o.text.Write(p)
}

func (o *outlet) set(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fail = err
}

func (o *outlet) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func openMemory(t testing.TB, o MemoryOptions) *File {
	t.Helper()
	o.Keys, o.retry, o.CommitLimit = testKeys(t), time.Millisecond, time.Minute
	f, err := OpenMemory(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func verified(t testing.TB, read func(*chain.Verifier) error) chain.Verdict {
	t.Helper()
	v := chain.NewVerifier(testKeys(t))
	if err := read(v); err != nil {
		t.Fatal(err)
	}
	r := v.Verdict(true)
	wantWhole(t, r)
	return r
}

// A record in memory is chained, signed and bounded, and what is left of it
// verifies.
func TestAMemoryRecordIsBoundedAndVerifies(t *testing.T) {
	const size = 1 << 20
	f := openMemory(t, MemoryOptions{size: size})
	disk := f.o.Disk.(*memoryDisk)
	held := func() (bytes int64, files int) {
		f.look()
		disk.mu.Lock()
		defer disk.mu.Unlock()
		return disk.size, len(disk.files)
	}
	long := strings.Repeat("a long path ", 300)
	for i := range 1000 { // some 4 MiB
		e := used(fmt.Sprint("req_", i))
		e.Path = long
		ticket := f.Record(e)
		if i%50 == 0 {
			if err := ticket.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			// So small a record is full before a slow machine removes anything.
			eventually(t, "there is room", func() bool { n, _ := held(); return n <= size*3/2 })
		}
	}
	eventually(t, "the oldest is removed", func() bool { n, files := held(); return n <= size && files > 1 })
	r := verified(t, func(v *chain.Verifier) error { return f.Verify(t.Context(), v) })
	if n := count(all(t, f)); r.Events == 0 || r.Heads == 0 || n[auth.ActionUsed] >= 1000 || n[auth.ActionUsed] < 100 || n[chain.ActionPruned] == 0 {
		t.Errorf("%+v, %v", r, n)
	}
}

// What the ticket confirms was written out before; what could not be written
// out is refused, and what is out verifies as a whole.
func TestAMemoryRecordIsWrittenOutFirst(t *testing.T) {
	out := &outlet{}
	f := openMemory(t, MemoryOptions{Out: NewLineWriter(out)})
	for i := range 20 {
		id := fmt.Sprint("req_", i)
		if err := f.Record(used(id)).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), id) {
			t.Fatalf("%s was let through before it was out", id)
		}
		if i%2 == 0 {
			f.Record(finished(id))
		}
	}
	out.set(errors.New("closed"))
	err := f.Record(used("req_refused")).Wait(t.Context())
	if e := auth.AsError(err); err == nil || e.Code != auth.CodeAuditUnavailable {
		t.Fatalf("it was let through: %v", err)
	}
	if f.Err() == nil || f.Record(used("req_refused_too")).Wait(t.Context()) == nil {
		t.Fatal("the sink is not tripped")
	}
	out.set(nil)
	eventually(t, "it heals", func() bool { return f.Err() == nil })
	if err := f.Record(used("req_after")).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	// Lines that were broken off are no lines.
	whole := ""
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "{") && strings.HasSuffix(line, "}\n") {
			whole += line
		}
	}
	if n := strings.Count(whole, `"action":"used"`); n < 21 || strings.Contains(whole, "req_refused_too") {
		t.Errorf("%d are out", n)
	}
	r := verified(t, func(v *chain.Verifier) error {
		n := 0
		v.Section("out", true)
		for line := range strings.Lines(whole) {
			n++
			v.Line(n, []byte(line))
		}
		return nil
	})
	if r.Events < 30 || r.Heads < 2 {
		t.Errorf("%+v", r)
	}
}

// What a follower has not had is not removed: while it is down there is an end
// to what is served, and nothing is lost.
func TestAMemoryRecordWaitsForItsFollower(t *testing.T) {
	const size = 1 << 20
	f := openMemory(t, MemoryOptions{size: size})
	sink := &collected{fail: errors.New("down")}
	to := follow(t, f, FollowerOptions{Sink: sink, MaxLag: 1})
	long := strings.Repeat("a long path ", 300)
	taken, refused := 0, 0
	for i := 0; refused == 0 && i < 2_000; i++ { // some 8 MiB
		e := used(fmt.Sprint("req_", i))
		e.Path = long
		switch err := f.Record(e).Wait(t.Context()); {
		case err == nil:
			taken++
		case auth.AsError(err).Code == auth.CodeAuditUnavailable && strings.Contains(err.Error(), "does not keep up"):
			refused++
		default:
			t.Fatal(err)
		}
	}
	if refused == 0 {
		t.Fatal("there is no end to what is kept")
	}
	sink.set(nil)
	eventually(t, "it goes on", func() bool { return f.Err() == nil })
	if err := f.Record(used("req_last")).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the follower has the last", func() bool {
		ids := sink.requests(auth.ActionUsed)
		return len(ids) > 0 && ids[len(ids)-1] == "req_last"
	})
	ids := sink.requests(auth.ActionUsed)
	for i := range taken {
		if ids[i] != fmt.Sprint("req_", i) {
			t.Fatalf("event %d is of %s", i, ids[i])
		}
	}
	if len(ids) != taken+1 || to.Dropped() != 0 || to.Gaps() != 0 {
		t.Errorf("%d of %d, %d dropped, %d gaps", len(ids), taken+1, to.Dropped(), to.Gaps())
	}
}

// What is left at the end is sent before the process ends.
func TestAMemoryRecordIsSentAtTheEnd(t *testing.T) {
	f := openMemory(t, MemoryOptions{})
	sink := &collected{fail: errors.New("down")}
	to := follow(t, f, FollowerOptions{Sink: sink})
	recordAll(t, f, 1, 0, 5)
	eventually(t, "it fails", func() bool { sink.mu.Lock(); defer sink.mu.Unlock(); return sink.tries > 0 })
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	sink.set(nil)
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(sink.requests(auth.ActionUsed)); n != 5 || !strings.Contains(sink.newest(), chain.ActionCheckpoint) {
		t.Errorf("%d are sent, the last is %.100s", n, sink.newest())
	}
}

// A line that was broken off is ended before another begins.
func TestLineWriterEndsWhatWasBrokenOff(t *testing.T) {
	out := &outlet{fail: io.ErrClosedPipe}
	w := NewLineWriter(out)
	if n, err := w.Write([]byte("12345678\n")); n != 4 || err == nil {
		t.Fatalf("%d, %v", n, err)
	}
	out.set(nil)
	if _, err := w.Write([]byte("next\n")); err != nil || out.String() != "1234\nnext\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}
