//go:build realclients

package s3servers

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	rangeSize  = 8 << 20
	rangeCount = 64
	// heapBound is how much the heap may grow while 64 ranges of 8 MiB pass
	// through: a fraction of the 512 MiB that they are together.
	heapBound = 96 << 20
)

// TestParallelRanges: boto3's transfer manager gets 64 ranges of 8 MiB side by
// side; every byte is right, and weighbridge holds no body in memory.
func TestParallelRanges(t *testing.T) {
	y := newFrontYard(t)
	content := make([]byte, rangeSize*rangeCount)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content)
	want := fmt.Sprintf("%x", sha256.Sum256(content))
	y.server.Put(t, "models", "sd/model.safetensors", content)
	content = nil
	before := heap()
	for range 100 { // what sent the content may hold it for a moment, and would hide what is held later
		if before < rangeSize*rangeCount/2 {
			break
		}
		time.Sleep(50 * time.Millisecond)
		before = heap()
	}
	if before >= rangeSize*rangeCount/2 {
		t.Fatalf("%d MiB are in use before anything was asked for", before>>20)
	}
	var peak uint64
	var watching sync.WaitGroup
	done := make(chan struct{})
	watching.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapInuse)
			}
		}
	})
	out := y.run(t, y.read, y.python(), script(t, "ranges.py"), y.Bridge.ProxyURL(), y.read.AccessKeyID, y.read.SecretAccessKey, fmt.Sprint(rangeSize), fmt.Sprint(rangeCount))
	close(done)
	watching.Wait()
	if !strings.Contains(out, want) {
		t.Errorf("got %s, want %s", out, want)
	}
	grown := int64(peak) - int64(before)
	t.Logf("heap in use: %d MiB before, %d MiB at most; %s", before>>20, peak>>20, out)
	if grown > heapBound {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	if n := strings.Count(y.Log.String(), `"status":206`); n < rangeCount {
		t.Errorf("%d ranges were asked for", n)
	}
}

// heap is what is in use once everything that is garbage is gone.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}
