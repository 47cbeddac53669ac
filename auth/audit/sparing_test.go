package audit

import (
	"testing"
	"time"
)

func TestSparing(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	s := NewSparing(func() time.Time { return now }, 2, 3)
	var on, of int64
	next := func(n int) {
		for range n {
			if count, ok := s.Next(); ok {
				on++
				of += count
			}
		}
	}
	next(10)
	if on != 3 || of != 3 {
		t.Errorf("%d on record, for %d", on, of)
	}
	s.Hold(5) // as where three could not be written, and two were not tried
	now = now.Add(500 * time.Millisecond)
	next(2)
	if on != 4 || of != 3+7+5+1 {
		t.Errorf("%d on record, for %d", on, of)
	}
	now = now.Add(time.Hour)
	next(1)
	if on != 5 || of != 3+7+5+1+2 {
		t.Errorf("after a rest: %d on record, for %d", on, of)
	}
}
