//go:build realclients

package realstores

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/internal/house"
)

// Three weighbridges are replaced one after another while workers download from
// those that are ready: no download fails, also not those that run where one
// ends.
func TestR31_RollingUpgradeOfThreeFailsNoDownload(t *testing.T) {
	t.Parallel()
	f := newFleet(t, shared.schema(t), 3, nil)
	key := f.worker(0, "worker-1")
	for i := range 3 {
		f.houses[i].Eventually("all know the key", func() bool { status, _ := f.download(i, key.Key); return status == 200 })
	}
	ready := []int{0, 1, 2}
	var served atomic.Int64
	for n := range 3 {
		old := ready[0]
		running := f.begin(t, old, key.Key)
		ready = ready[1:] // no new work for it
		drained := make(chan error, 1)
		go func() {
			ctx, stop := context.WithTimeout(context.Background(), time.Minute)
			defer stop()
			drained <- f.houses[old].Bridge.Drain(ctx)
		}()
		for _, i := range ready {
			if status, code := f.download(i, key.Key); status != 200 {
				t.Fatalf("round %d: a download at house %d answered %d %s", n, i, status, code)
			}
			served.Add(1)
		}
		running.end()
		check(t, <-drained)
		dir := f.houses[old].DataDir
		f.houses[old].Close()
		f.join(house.Options{DataDir: dir})
		ready = append(ready, len(f.houses)-1)
	}
	for _, i := range ready {
		status, _ := f.download(i, key.Key)
		equal(t, "status", status, 200)
		f.verified(i)
	}
	t.Logf("%d downloads while others were replaced", served.Load())
}
