package bridge

import (
	"context"
	"time"
)

// Every calls fn each d until ctx ends, never twice at a time.
func Every(ctx context.Context, d time.Duration, fn func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			fn()
		}
	}
}
