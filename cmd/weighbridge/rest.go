package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/weighbridge/weighbridge/internal/bridge"
)

const (
	// restLook is how often it is looked whether there is nothing to do.
	restLook = 2 * time.Second
	// restQuiet is how much may be allocated between two looks where there is
	// nothing to do: a small request takes 7 KiB, the ticks of a house at rest
	// a tenth of this.
	restQuiet = 128 << 10
	// restWorth is how much must have been allocated since memory was given
	// back for it to be worth another collection, which takes some 5 ms.
	restWorth = 1 << 20
)

// rest gives memory back to the system when there is nothing to do: the heap
// of a start, or of an hour of work, stays with the process otherwise, up to
// twice what is live.
type rest struct {
	// lent is the memory that bodies stream through now.
	lent func() int64
	// allocated is everything that was allocated ever, in bytes.
	allocated func() uint64
	// free gives back.
	free func()

	seen, freed uint64 // allocated, at the last look and after the last free
}

func newRest(lent func() int64) *rest {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	return &rest{
		lent: lent,
		allocated: func() uint64 {
			metrics.Read(sample)
			return sample[0].Value.Uint64()
		},
		free: debug.FreeOSMemory,
	}
}

// now gives back whatever is going on.
func (r *rest) now() {
	r.free()
	r.seen = r.allocated()
	r.freed = r.seen
}

// look gives back where nothing went on since the last look, and something has
// since memory was given back.
func (r *rest) look() {
	allocated := r.allocated()
	quiet := allocated-r.seen < restQuiet && r.lent() == 0
	r.seen = allocated
	if quiet && allocated-r.freed >= restWorth {
		r.now()
	}
}

// run looks until ctx ends.
func (r *rest) run(ctx context.Context) { bridge.Every(ctx, restLook, r.look) }
