package audit

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// commits opens a sink in a bubble, of which the start is over, and returns
// how many commits there were since.
func commits(t *testing.T, o FileOptions) (*File, func() int64) {
	t.Helper()
	f := openTest(t, t.TempDir(), o)
	synctest.Wait()
	begun := f.Stats().Commits
	return f, func() int64 {
		synctest.Wait()
		return f.Stats().Commits - begun
	}
}

func TestOutcomesShareTheCommitOfTheNextAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, made := commits(t, FileOptions{})
		for i := range 5 {
			req := fmt.Sprint("req_", i)
			if err := f.Record(used(req)).Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			f.Record(finished(req))
		}
		if n := made(); n != 5 {
			t.Errorf("%d commits for five requests, one after the other", n)
		}
		if n := count(all(t, f))[auth.ActionFinished]; n != 4 {
			t.Errorf("%d outcomes are durable before anything else came", n)
		}
		time.Sleep(lingerTime)
		if n := made(); n != 6 {
			t.Errorf("%d commits after the last outcome was left for a while", n)
		}
		if n := count(all(t, f))[auth.ActionFinished]; n != 5 {
			t.Errorf("%d outcomes are durable in the end", n)
		}
	})
}

func TestAReportThatIsWaitedForIsNotLeftToGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := commits(t, FileOptions{})
		at := time.Now()
		if err := f.Record(finished("req_1")).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(at); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}

// crowded brings f to where it leaves admissions to gather.
func crowded(t *testing.T, f *File, d *faultyDisk) {
	t.Helper()
	stall := make(chan struct{})
	d.set(func(d *faultyDisk) { d.stall = stall })
	f.Record(used("req_first"))
	synctest.Wait() // its commit stands
	for i := range crowd {
		f.Record(used(fmt.Sprint("req_crowd_", i)))
	}
	d.set(func(d *faultyDisk) { d.stall = nil })
	close(stall)
	synctest.Wait()
}

func TestAdmissionsOfACrowdGatherUntilOneIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &faultyDisk{}
		f, made := commits(t, FileOptions{Disk: d})
		crowded(t, f, d)
		before := made()
		var tickets []auth.Ticket
		for i := range 2 * crowd {
			tickets = append(tickets, f.Record(used(fmt.Sprint("req_", i))))
			synctest.Wait()
		}
		if n := made(); n != before {
			t.Errorf("%d commits before anybody waited", n-before)
		}
		at := time.Now()
		var wg sync.WaitGroup
		for i, ticket := range tickets {
			wg.Go(func() {
				if err := ticket.Wait(t.Context()); err != nil {
					t.Error(err)
				}
			})
			if n := made(); i < crowd/2-1 && n != before {
				t.Errorf("%d commits while %d wait", n-before, i+1)
			}
		}
		wg.Wait()
		if n, took := made(), time.Since(at); n != before+1 || took != 0 {
			t.Errorf("%d commits, which took %v", n-before, took)
		}
		// One alone is no crowd: the next is not left again.
		if err := f.Record(used("req_alone")).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		before = made()
		f.Record(used("req_at_once"))
		if n := made(); n != before+1 {
			t.Errorf("%d commits for an admission that is alone again", n-before)
		}
	})
}

func TestTheLastOfACrowdDoesNotWaitForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &faultyDisk{}
		f, made := commits(t, FileOptions{Disk: d})
		crowded(t, f, d)
		at := time.Now()
		if err := f.Record(used("req_last")).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(at); took != gatherTime {
			t.Errorf("it took %v, want %v", took, gatherTime)
		}
		crowded(t, f, d)
		time.Sleep(crowdTime + time.Nanosecond)
		before := made()
		f.Record(used("req_later"))
		if n := made(); n != before+1 {
			t.Errorf("%d commits for an admission long after the crowd", n-before)
		}
	})
}

func TestAdmissionsThatNobodyWaitsForAreWrittenAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &faultyDisk{}
		f, _ := commits(t, FileOptions{Disk: d})
		crowded(t, f, d)
		f.Record(used("req_left"))
		time.Sleep(lingerTime)
		synctest.Wait()
		found := false
		for _, e := range all(t, f) {
			found = found || e.RequestID == "req_left"
		}
		if !found {
			t.Error("the admission is not on record")
		}
	})
}

func TestARefusedAdmissionDoesNotStopTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := commits(t, FileOptions{TeamQuota: 1})
		wantCode(t, f.Record(used("req_1")).Wait(t.Context()), auth.CodeAuditUnavailable)
		synctest.Wait()
		other := finished("req_0")
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := f.Record(other).Wait(ctx); err != nil {
			t.Errorf("a report after it: %v", err)
		}
	})
}

// TestANewMonthBeginsWithALine: a look of the writer at nothing begins none.
func TestANewMonthBeginsWithALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := newClock(time.Date(2026, 9, 15, 0, 0, 0, 0, time.UTC))
		f, made := commits(t, FileOptions{Now: clock.Now})
		if err := f.Record(used("req_1")).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		clock.Advance(31 * 24 * time.Hour)
		f.mu.Lock()
		f.pending.hurry()
		f.mu.Unlock()
		if n := made(); n != 1 || f.position().name != "audit-2026-09.jsonl" {
			t.Errorf("%d commits, the last to %s", n, f.position().name)
		}
		if err := f.Record(used("req_2")).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := made(); n != 2 || f.position().name != "audit-2026-10.jsonl" {
			t.Errorf("%d commits, the last to %s", n, f.position().name)
		}
	})
}

func TestCloseWritesWhatGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := commits(t, FileOptions{})
		ticket := f.Record(finished("req_1"))
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err := ticket.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if n := count(all(t, f))[auth.ActionFinished]; n != 1 {
			t.Errorf("%d outcomes on record", n)
		}
	})
}
