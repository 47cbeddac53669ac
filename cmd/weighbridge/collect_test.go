package main

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

func TestASmallHeapHasRoomForGarbage(t *testing.T) {
	for live, want := range map[uint64]int{0: 400, 1 << 20: 400, 2 << 20: 400, 4 << 20: 200, 6 << 20: 130, 8 << 20: 100, 1 << 30: 100} {
		if got := gcPercent(live); got != want {
			t.Errorf("%d KiB live: %d %%, not %d", live>>10, got, want)
		}
	}
}

// GOGC follows what is live, both ways.
func TestGCPercentFollowsTheHeap(t *testing.T) {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	becomes := func(ok func(percent uint64) bool) bool {
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			runtime.GC()
			if metrics.Read(sample); ok(sample[0].Value.Uint64()) {
				return true
			}
		}
		return false
	}
	big := make([]byte, 2*roomForGarbage)
	stop := leaveRoom()
	if !becomes(func(p uint64) bool { return p == leastGCPercent }) {
		t.Error("a large heap has room beyond what is live")
	}
	runtime.KeepAlive(big)
	big = nil
	if !becomes(func(p uint64) bool { return p > leastGCPercent }) {
		t.Error("a small heap has no room")
	}
	stop()
	if !becomes(func(p uint64) bool { return p == leastGCPercent }) {
		t.Error("GOGC is not what it was")
	}
}
