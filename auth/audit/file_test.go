package audit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

func TestRecordIsDurableAndReadBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	f := openTest(t, dir, FileOptions{})
	if err := f.Record(used("req_1")).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Another process would see it now.
	var other []auth.Event
	if err := ReadDir(t.Context(), dir, time.Time{}, func(e auth.Event) bool { other = append(other, e); return true }); err != nil {
		t.Fatal(err)
	}
	events := all(t, f)
	if len(events) != 1 || len(other) != 1 || events[0] != other[0] {
		t.Fatalf("got %+v and %+v", events, other)
	}
	got := events[0]
	if !auth.IsID(got.ID) || got.Time.IsZero() {
		t.Errorf("ID %q and Time %v were not filled in", got.ID, got.Time)
	}
	want := used("req_1")
	want.ID, want.Time, want.Outcome = got.ID, got.Time, auth.OutcomeAllowed
	if got = unchained(got); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for path, mode := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, filepath.Join(dir, fileName(time.Now())): 0o600} {
		if st, err := os.Stat(path); err != nil || st.Mode() != mode {
			t.Errorf("%s: %v, %v; want mode %v", path, st.Mode(), err, mode)
		}
	}
}

func TestT55_EncoderWritesNoQuery(t *testing.T) {
	e := used("req_1")
	e.Host = "user:CANARY@huggingface.co?CANARY"
	e.Path = "/a/b?X-Amz-Signature=CANARY#CANARY"
	e.Reason = `upstream said Get "https://bucket.example/key?sig=CANARY": refused, then (http://h/p#CANARY) and https://h/q`
	e.Rule = "https://h/p?CANARY"
	line := string(appendEvent(nil, &e))
	if strings.Contains(line, "CANARY") {
		t.Errorf("a query got through: %s", line)
	}
	for _, want := range []string{`"host":"huggingface.co"`, `"path":"/a/b"`, `https://bucket.example/key\": refused, then (http://h/p) and https://h/q`} {
		if !strings.Contains(line, want) {
			t.Errorf("%s lacks %s", line, want)
		}
	}
}

// R1: a broken audit file lets no request through, is told at once, and heals
// by itself.
func TestR01_BrokenFileAdmitsNothingAndHeals(t *testing.T) {
	for _, fault := range faults {
		for _, where := range []string{"write", "sync"} {
			for _, memory := range []bool{false, true} {
				t.Run(fmt.Sprint(where, " ", fault, " ", memory), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { brokenFile(t, where, fault, memory) })
				})
			}
		}
	}
}

func brokenFile(t *testing.T, where string, fault error, memory bool) {
	dir := t.TempDir()
	disk := &faultyDisk{memory: memory}
	var told []error
	f := openTest(t, dir, FileOptions{Disk: disk, Notify: func(err error) { told = append(told, err) }})
	if err := f.Record(used("req_before")).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	disk.set(func(d *faultyDisk) {
		if where == "write" {
			d.write = fault
		} else {
			d.sync = fault
		}
	})

	const n = 10_000
	begun := time.Now()
	admitted := 0
	for i := range n {
		if err := f.Record(used(fmt.Sprint("req_", i))).Wait(t.Context()); err == nil {
			admitted++
		} else {
			wantCode(t, err, auth.CodeAuditUnavailable)
		}
	}
	if admitted != 0 {
		t.Errorf("%d of %d requests were admitted", admitted, n)
	}
	if d := time.Since(begun); d > time.Second {
		t.Errorf("the refusals took %v", d)
	}
	wantCode(t, f.Err(), auth.CodeAuditUnavailable)
	// Reports of what had happened before are kept for later.
	wantCode(t, f.Record(finished("req_before")).Wait(t.Context()), auth.CodeAuditUnavailable)

	time.Sleep(30 * time.Second)
	wantCode(t, f.Err(), auth.CodeAuditUnavailable)
	disk.set(func(d *faultyDisk) { d.write, d.sync = nil, nil })
	time.Sleep(2 * time.Second)
	synctest.Wait()
	if err := f.Err(); err != nil {
		t.Fatalf("not healed after two seconds: %v", err)
	}
	if err := f.Record(used("req_after")).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}

	events := all(t, f)
	got := count(events)
	if got[auth.ActionUsed] != 2 || got[auth.ActionFinished] != 1 || got[ActionResumed] != 1 {
		t.Errorf("on record are %v, want two used (before, after), one finished, one resumed", got)
	}
	i := slices.IndexFunc(events, func(e auth.Event) bool { return e.Action == ActionResumed })
	if i < 0 || events[i].Count != n || events[i].Duration < 30*time.Second {
		t.Errorf("the outage is on record as %+v, want %d refused", events[i], n)
	}
	if len(told) != 2 || told[0] == nil || told[1] != nil {
		t.Errorf("told %v, want the trip and the healing", told)
	}
}

func TestR01_StallTripsAfterASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &faultyDisk{}
		f := openTest(t, t.TempDir(), FileOptions{Disk: disk})
		if err := f.Record(used("req_before")).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		stall := make(chan struct{})
		disk.set(func(d *faultyDisk) { d.stall = stall })

		begun := time.Now()
		first := f.Record(used("req_1"))
		synctest.Wait() // the writer is in the stalled sync
		second := f.Record(used("req_2"))
		for _, ticket := range []auth.Ticket{first, second} {
			wantCode(t, ticket.Wait(t.Context()), auth.CodeAuditUnavailable)
		}
		if d := time.Since(begun); d != time.Second {
			t.Errorf("the waiting requests were refused after %v, want 1s", d)
		}
		wantCode(t, f.Err(), auth.CodeAuditUnavailable)
		wantCode(t, f.Record(used("req_3")).Wait(t.Context()), auth.CodeAuditUnavailable)
		_ = f.Record(finished("req_before"))

		time.Sleep(29 * time.Second)
		disk.set(func(d *faultyDisk) { d.stall = nil })
		close(stall)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if err := f.Err(); err != nil {
			t.Fatalf("not healed: %v", err)
		}
		got := count(all(t, f))
		if got[auth.ActionUsed] != 1 || got[auth.ActionFinished] != 1 {
			t.Errorf("on record are %v; what was refused must not be, what finished must", got)
		}
	})
}

// A commit that fails while the file cannot be cut either leaves whole lines.
func TestR01_HealsWithoutTruncate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		disk := &faultyDisk{truncate: syscall.EPERM}
		f := openTest(t, dir, FileOptions{Disk: disk})
		if err := f.Record(used("req_1")).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		disk.set(func(d *faultyDisk) { d.write = syscall.ENOSPC })
		wantCode(t, f.Record(used("req_2")).Wait(t.Context()), auth.CodeAuditUnavailable)
		disk.set(func(d *faultyDisk) { d.write = nil })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if err := f.Record(used("req_3")).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		var ids []string
		err := f.Events(t.Context(), time.Time{}, func(e auth.Event) bool {
			if e.Action == auth.ActionUsed {
				ids = append(ids, e.RequestID)
			}
			return true
		})
		if err == nil || !strings.Contains(err.Error(), "damaged lines") {
			t.Errorf("got %v, want the torn line reported", err)
		}
		if !slices.Equal(ids, []string{"req_1", "req_3"}) {
			t.Errorf("read %v", ids)
		}
	})
}

func TestR01_FullDiskAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &faultyDisk{open: syscall.ENOSPC}
		f := openTest(t, t.TempDir(), FileOptions{Disk: disk})
		wantCode(t, f.Record(used("req_1")).Wait(t.Context()), auth.CodeAuditUnavailable)
		disk.set(func(d *faultyDisk) { d.open = nil })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if err := f.Record(used("req_2")).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := OpenFile(t.TempDir(), FileOptions{Keys: testKeys(t), Disk: &faultyDisk{open: syscall.EACCES}}); err == nil {
		t.Error("a file that may not be opened gave a sink")
	}
}

// R2: rows in are requests served, exactly, and each has one outcome.
func TestR02_EveryRequestHasItsRows(t *testing.T) {
	f := openTest(t, t.TempDir(), FileOptions{})
	const workers, each = 64, 40
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				req := fmt.Sprintf("req_%d_%d", w, i)
				if err := f.Record(used(req)).Wait(context.Background()); err != nil {
					t.Error(err)
				}
				f.Record(finished(req))
			}
		})
	}
	wg.Wait()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	state := map[string]int{}
	for _, e := range all(t, f) {
		switch e.Action {
		case auth.ActionUsed:
			if state[e.RequestID]++; state[e.RequestID] != 1 {
				t.Fatalf("%s: used out of order", e.RequestID)
			}
		case auth.ActionFinished:
			if state[e.RequestID]++; state[e.RequestID] != 2 {
				t.Fatalf("%s: finished out of order", e.RequestID)
			}
		}
	}
	if len(state) != workers*each {
		t.Errorf("%d requests on record, want %d", len(state), workers*each)
	}
	if s := f.Stats(); s.Events != 2*workers*each || s.Commits >= s.Events {
		t.Errorf("stats %+v: want %d events in fewer commits", s, 2*workers*each)
	}
}

// R2: what a crash leaves without outcome is marked aborted by the next start,
// once, also across months and checkpoints.
func TestR02_CrashMarksAborted(t *testing.T) {
	clock := newClock(time.Date(2026, 10, 31, 23, 59, 0, 0, time.UTC))
	dir := t.TempDir()
	f := openTest(t, dir, FileOptions{Now: clock.Now})
	record := func(f *File, e auth.Event) {
		t.Helper()
		if err := f.Record(e).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	record(f, used("req_october"))
	record(f, used("req_done"))
	clock.Advance(time.Hour)
	record(f, used("req_november"))
	record(f, finished("req_done"))

	crashed := t.TempDir() // as the disk is at this moment, with a torn line
	if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	last := filepath.Join(crashed, fileName(clock.Now()))
	tear(t, last, `{"id":"evt_torn","time":"2026-`)

	for range 2 { // the second start has nothing left to mark
		g := openTest(t, crashed, FileOptions{Now: clock.Now})
		record(g, auth.Event{Action: auth.ActionConfigReload})
		outcomes := map[string][]auth.Event{}
		for _, e := range all(t, g) {
			if e.Action == auth.ActionFinished {
				outcomes[e.RequestID] = append(outcomes[e.RequestID], e)
			}
		}
		for _, req := range []string{"req_october", "req_november"} {
			o := outcomes[req]
			if len(o) != 1 || !strings.HasPrefix(o[0].Reason, "aborted") || o[0].KeyID != "key_a" || o[0].CredentialID != "cred_a" {
				t.Errorf("%s ended as %+v, want one aborted outcome with its ids", req, o)
			}
		}
		if o := outcomes["req_done"]; len(o) != 1 || o[0].Status != 200 {
			t.Errorf("req_done ended as %+v", o)
		}
		for _, line := range rawLines(t, crashed, fileName(clock.Now())) {
			if !strings.HasPrefix(line, "{") || !strings.HasSuffix(line, "}") {
				t.Errorf("not a whole line: %q", line)
			}
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func tear(t *testing.T, path, text string) {
	t.Helper()
	end, err := wholeAt(osDisk{}, path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteAt([]byte(text), end); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestMovedFileIsMadeAnew(t *testing.T) {
	dir := t.TempDir()
	f := openTest(t, dir, FileOptions{})
	for i := range 3 {
		if err := f.Record(used(fmt.Sprint("req_", i))).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Record(used("req_last")).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := count(all(t, f)); got[auth.ActionUsed] != 1 {
		t.Errorf("got %v", got)
	}
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stall := make(chan struct{})
		disk := &faultyDisk{}
		f := openTest(t, t.TempDir(), FileOptions{Disk: disk, QueueBytes: 10_000})
		if err := f.Record(used("req_0")).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		disk.set(func(d *faultyDisk) { d.stall = stall })
		f.Record(finished("req_0"))
		synctest.Wait()
		var refused error
		for i := 0; refused == nil && i < 100; i++ {
			if s, ok := f.Record(used(fmt.Sprint("req_", i))).(settled); ok {
				refused = s.err
			}
		}
		wantCode(t, refused, auth.CodeAuditUnavailable)
		if err := f.Err(); err != nil {
			t.Errorf("a full queue tripped the sink: %v", err)
		}
		// Outcomes still find room, and denials do not take it from them.
		if _, ok := f.Record(finished("req_0")).(settled); ok {
			t.Error("no room for an outcome")
		}
		if q := f.Stats().QueuedBytes; q > 20_000 {
			t.Errorf("%d bytes are queued", q)
		}
		close(stall)
		disk.set(func(d *faultyDisk) { d.stall = nil })
	})
}

func TestCloseRefusesAndIsIdempotent(t *testing.T) {
	f := openTest(t, t.TempDir(), FileOptions{})
	ticket := f.Record(finished("req_1"))
	for range 2 {
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := ticket.Wait(t.Context()); err != nil {
		t.Errorf("what was queued before Close: %v", err)
	}
	wantCode(t, f.Record(used("req_2")).Wait(t.Context()), auth.CodeAuditUnavailable)
}

func TestCloseSaysWhatWasNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &faultyDisk{}
		f := openTest(t, t.TempDir(), FileOptions{Disk: disk})
		synctest.Wait()
		disk.set(func(d *faultyDisk) { d.write = syscall.ENOSPC })
		_ = f.Record(finished("req_1")).Wait(t.Context())
		if err := f.Close(); err == nil || !strings.Contains(err.Error(), "1 reports") {
			t.Errorf("got %v", err)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stall := make(chan struct{})
		disk := &faultyDisk{}
		f := openTest(t, t.TempDir(), FileOptions{Disk: disk})
		synctest.Wait()
		disk.set(func(d *faultyDisk) { d.stall = stall })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		wantCode(t, f.Record(used("req_1")).Wait(ctx), auth.CodeAuditUnavailable)
		disk.set(func(d *faultyDisk) { d.stall = nil })
		close(stall)
	})
}
