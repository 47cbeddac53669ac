package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestPaceIsThatOfAllStreamsTogether, and each has its part of it, however
// many there are and whatever they would like to move at once.
func TestPaceIsThatOfAllStreamsTogether(t *testing.T) {
	for _, streams := range []int{1, 4, 64} {
		synctest.Test(t, func(t *testing.T) {
			const rate, seconds = 4 << 20, 8
			p := NewPace(rate)
			began := time.Now()
			moved := make([]int64, streams)
			longest := make([]time.Duration, streams)
			var all sync.WaitGroup
			for i := range streams {
				p.begin()
				all.Go(func() {
					defer p.end()
					last := began
					for time.Since(began) < seconds*time.Second {
						n, err := p.take(t.Context(), 1<<30)
						if err != nil {
							t.Error(err)
							return
						}
						moved[i] += n
						longest[i] = max(longest[i], time.Since(last))
						last = time.Now()
					}
				})
			}
			all.Wait()
			var sum int64
			for i, n := range moved {
				sum += n
				if fair := int64(rate * seconds / streams); n < fair*9/10 || n > fair*12/10+rate/10 { // what is made up for is whose who asks first
					t.Errorf("stream %d of %d moved %d, a fair part is %d", i, streams, n, fair)
				}
				if longest[i] > time.Second {
					t.Errorf("stream %d of %d rested for %v", i, streams, longest[i])
				}
			}
			if took := time.Since(began); float64(sum) > rate*(took.Seconds()+1) || float64(sum) < rate*(took.Seconds()-1) {
				t.Errorf("%d streams moved %d bytes in %v", streams, sum, took)
			}
		})
	}
}

// TestPaceGivesNoCreditForRest beyond a moment, and takes back what was not
// moved.
func TestPaceGivesNoCreditForRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(1 << 20)
		time.Sleep(time.Hour)
		began := time.Now()
		var moved int64
		for moved < 2<<20 {
			n, _ := p.take(t.Context(), 1<<20)
			p.giveBack(n / 2)
			moved += n - n/2
		}
		if took := time.Since(began); took < 1700*time.Millisecond || took > 2*time.Second {
			t.Errorf("2 MiB took %v at 1 MiB/s", took)
		}
		p.SetRate(8 << 20)
		began = time.Now()
		for moved < 10<<20 {
			n, _ := p.take(t.Context(), 1<<20)
			moved += n
		}
		if took := time.Since(began); took < 800*time.Millisecond || took > 1300*time.Millisecond {
			t.Errorf("8 MiB took %v at 8 MiB/s", took)
		}
	})
}

// TestPaceEndsWithItsContext, however long the wait would be.
func TestPaceEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(minPiece)
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		time.AfterFunc(3*time.Second, cancel)
		var sink bytes.Buffer
		n, err := p.Writer(ctx, &sink).Write(make([]byte, 1<<20))
		if !errors.Is(err, context.Canceled) || time.Since(began) > 4*time.Second || n != sink.Len() || n < 2*minPiece || n > 5*minPiece {
			t.Errorf("%d bytes, %v, after %v", n, err, time.Since(began))
		}
		if p.streams != 0 {
			t.Errorf("%d streams are left", p.streams)
		}
	})
}

// TestPacedReadersAndWritersKeepEveryByte.
func TestPacedReadersAndWritersKeepEveryByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := strings.Repeat("0123456789", 100_000)
		p := NewPace(200_000)
		var got bytes.Buffer
		began := time.Now()
		n, err := io.Copy(p.Writer(t.Context(), &got), p.Reader(t.Context(), strings.NewReader(text)))
		if err != nil || int(n) != len(text) || got.String() != text {
			t.Errorf("%d bytes, %v", n, err)
		}
		// Both ways count: twice a million bytes at 200,000 a second.
		if took := time.Since(began); took < 9*time.Second || took > 11*time.Second {
			t.Errorf("it took %v", took)
		}
	})
	var none *Pace
	if w := none.Writer(t.Context(), io.Discard); w != io.Discard {
		t.Error("no pace, and the writer is another one")
	}
}
