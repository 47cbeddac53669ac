package audit

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

func BenchmarkEncode(b *testing.B) {
	e := used("req_01k0000000000000000000000")
	e.ID, e.Time = "evt_01k0000000000000000000000", time.Now()
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = appendEvent(buf[:0], &e)
	}
	b.SetBytes(int64(len(buf)))
}

// BenchmarkRecord is what the hot path pays: no waiting.
func BenchmarkRecord(b *testing.B) {
	f := openTest(b, b.TempDir(), FileOptions{QueueBytes: 1 << 30})
	e := finished("req_01k0000000000000000000000")
	b.ReportAllocs()
	for b.Loop() {
		f.Record(e)
	}
}

// BenchmarkWait is admissions with one and with 64 requests in flight, each
// waiting for its own to be durable.
func BenchmarkWait(b *testing.B) {
	for _, workers := range []int{1, 64} {
		b.Run(fmt.Sprint(workers), func(b *testing.B) { waiting(b, workers) })
	}
}

func waiting(b *testing.B, workers int) {
	f := openTest(b, b.TempDir(), FileOptions{})
	took := make([][]time.Duration, workers)
	var wg sync.WaitGroup
	begun, cpu := time.Now(), processorTime(b)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < b.N; i += workers {
				t := time.Now()
				req := fmt.Sprint("req_", i)
				if err := f.Record(used(req)).Wait(context.Background()); err != nil {
					b.Error(err)
					return
				}
				took[w] = append(took[w], time.Since(t))
				f.Record(finished(req))
			}
		})
	}
	wg.Wait()
	all := slices.Concat(took...)
	slices.Sort(all)
	if n := len(all); n > 0 {
		b.ReportMetric(float64((processorTime(b)-cpu).Nanoseconds())/1e3/float64(n), "cpu-µs/op")
		b.ReportMetric(float64(n)/time.Since(begun).Seconds(), "admissions/s")
		b.ReportMetric(float64(all[n/2].Microseconds()), "p50-µs")
		b.ReportMetric(float64(all[n*99/100].Microseconds()), "p99-µs")
	}
}

// processorTime is what this process has taken of the processors.
func processorTime(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkSeal is what the writer goroutine pays for one event's place in its
// chain, in batches of 64.
func BenchmarkSeal(b *testing.B) {
	c := newChains(testKeys(b), recovered{})
	e := used("req_01k0000000000000000000000")
	e.ID, e.Time = "evt_01k0000000000000000000000", time.Now()
	line := appendEvent(nil, &e)
	batch := newBatch(nil)
	for range 64 {
		batch.add(line, e.TeamID, "req")
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%64 == 0 {
			c.seal(batch)
			c.confirm()
		}
	}
	b.SetBytes(int64(len(line)))
}
