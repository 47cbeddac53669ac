package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

const (
	// roomForGarbage is how much may be allocated between two collections
	// where little is live. By itself Go takes as much as is live, which is 2
	// MiB at work on small requests: a collection for each 300 of them.
	roomForGarbage = 8 << 20
	// Never less often than Go does by itself, nor more seldom than a heap of
	// five times of what is live.
	leastGCPercent, mostGCPercent = 100, 400
)

// gcPercent is how much may be allocated before the next collection, in
// percent of what is live.
func gcPercent(live uint64) int {
	if live == 0 {
		return mostGCPercent
	}
	percent := roomForGarbage * 100 / live
	percent -= percent % 10 // so that a heap which stays as it is changes nothing
	return int(min(max(percent, leastGCPercent), mostGCPercent))
}

// leaveRoom sets GOGC behind each collection by what is live, until stop is
// called: a small heap is looked through as often as a larger one would be.
// What it takes is given back at rest.
func leaveRoom() (stop func()) {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	set := leastGCPercent
	was := debug.SetGCPercent(set)
	var stopped atomic.Bool
	// A finalizer runs once behind the collection that finds its object dead.
	type collection struct{ _ *byte }
	var again func(*collection)
	again = func(c *collection) {
		if stopped.Load() {
			debug.SetGCPercent(was)
			return
		}
		metrics.Read(sample)
		if percent := gcPercent(sample[0].Value.Uint64()); percent != set {
			set = percent
			debug.SetGCPercent(set)
		}
		runtime.SetFinalizer(c, again)
	}
	runtime.SetFinalizer(&collection{}, again)
	return func() { stopped.Store(true) }
}
