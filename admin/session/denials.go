package session

import (
	"context"
	"sync"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// Refused sign-ins go on record one by one as long as there are few. Anybody
// can make them, and each is a write to the disk: beyond denialBurst at once
// and one in a second they are counted, and the next event says how many it
// stands for.
const (
	denialBurst  = 60
	denialRefill = time.Second
)

type denials struct {
	store Store
	now   func() time.Time

	mu      sync.Mutex
	spent   int
	since   time.Time
	pending int64
}

// count counts n refusals for the next event.
func (d *denials) count(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pending += n
}

// take says whether an event may be recorded now, and for how many.
func (d *denials) take() (n int64, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pending++
	now := d.now()
	if refilled := now.Sub(d.since) / denialRefill; refilled > 0 || now.Before(d.since) {
		d.spent, d.since = max(0, d.spent-int(min(refilled, denialBurst))), now
	}
	if d.spent >= denialBurst {
		return 0, false
	}
	d.spent++
	n, d.pending = d.pending, 0
	return n, true
}

// record puts a refused sign-in on record. That the record cannot be written is
// no reason to let anybody in, nor to say more than that it was refused.
func (d *denials) record(ctx context.Context, u auth.User, account string, from From, reason string, log func(error)) {
	n, ok := d.take()
	if !ok {
		return
	}
	ev := from.event()
	ev.Action, ev.Reason, ev.UserID, ev.UserName, ev.Actor = auth.ActionSessionDenied, reason, u.ID, account, "anonymous"
	if n > 1 {
		ev.Count = n
	}
	if err := d.store.Record(ctx, ev); err != nil {
		d.count(n)
		if log != nil {
			log(err)
		}
	}
}
