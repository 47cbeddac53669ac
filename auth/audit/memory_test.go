package audit_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/audit"
)

// A bounded sink keeps the newest events, and a follower that keeps up misses
// none of those that it forgets.
func TestMemoryForgetsTheOldest(t *testing.T) {
	const limit, total = 10, 101
	m := audit.NewMemoryOf(nil, limit)
	seen := make(chan string)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- m.Follow(ctx, time.Unix(1, 0), func(e auth.Event) bool {
			select {
			case seen <- e.RequestID:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	for i := range total {
		if err := m.Record(auth.Event{Action: auth.ActionFinished, RequestID: fmt.Sprint(i)}).Wait(ctx); err != nil {
			t.Fatal(err)
		}
		if got := <-seen; got != fmt.Sprint(i) {
			t.Fatalf("the follower saw %s, not %d", got, i)
		}
	}
	all := m.All()
	if len(all) < limit || len(all) > 2*limit || all[len(all)-1].RequestID != fmt.Sprint(total-1) {
		t.Errorf("%d events are kept, the last of %v", len(all), all[len(all)-1].RequestID)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	// One that comes late begins with what is still there.
	var first string
	if err := m.Follow(t.Context(), time.Unix(1, 0), func(e auth.Event) bool { first = e.RequestID; return false }); err != nil || first != all[0].RequestID {
		t.Errorf("a late follower began with %s: %v", first, err)
	}
}
