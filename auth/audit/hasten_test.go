package audit

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
)

// Who hastens a batch in memory finds it durable; on a disk that could hold him
// up it is left to the goroutine that writes.
func TestHastenCommitsInMemoryAlone(t *testing.T) {
	for _, memory := range []bool{true, false} {
		t.Run(fmt.Sprint(memory), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := &faultyDisk{memory: memory}
				f, made := commits(t, FileOptions{Disk: disk})
				stall := make(chan struct{})
				if !memory {
					disk.set(func(d *faultyDisk) { d.stall = stall })
				}
				ticket := f.Record(used("req_1")).(auth.Hastened)
				ticket.Hasten()
				ctx, over := context.WithCancel(t.Context())
				over()
				if err := ticket.Wait(ctx); (err == nil) != memory {
					t.Errorf("what was hastened: %v", err)
				}
				close(stall)
				if n := made(); n != 1 {
					t.Errorf("%d commits", n)
				}
			})
		})
	}
}

// However many hasten at once, each event is on file once, in a chain that
// verifies, also those that nobody waited for.
func TestHastenedByManyAtOnce(t *testing.T) {
	f := openTest(t, t.TempDir(), FileOptions{Disk: &faultyDisk{memory: true}, CommitLimit: time.Minute})
	var wg sync.WaitGroup
	const workers, each = 8, 100
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				req := fmt.Sprint("req_", w, "_", i)
				ticket := f.Record(used(req))
				ticket.(auth.Hastened).Hasten()
				if err := ticket.Wait(t.Context()); err != nil {
					t.Error(err)
					return
				}
				f.Record(finished(req))
			}
		})
	}
	wg.Wait()
	if err := f.Record(auth.Event{Action: auth.ActionConfigReload}).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := count(all(t, f))
	if got[auth.ActionUsed] != workers*each || got[auth.ActionFinished] != workers*each {
		t.Errorf("on record are %v", got)
	}
	v := chain.NewVerifier(testKeys(t))
	if err := f.Verify(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, v.Verdict(true))
}

// An admission in memory that nobody waits for is written all the same.
func TestInMemoryNothingIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, made := commits(t, FileOptions{Disk: &faultyDisk{memory: true}})
		f.Record(used("req_1"))
		time.Sleep(lingerTime)
		if n := made(); n != 1 {
			t.Errorf("%d commits", n)
		}
	})
}
