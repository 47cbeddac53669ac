package session

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/audit"
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
	*audit.Sparing
}

func newDenials(store Store, now func() time.Time) *denials {
	return &denials{store, audit.NewSparing(now, rate.Every(denialRefill), denialBurst)}
}

// record puts a refused sign-in on record. That the record cannot be written is
// no reason to let anybody in, nor to say more than that it was refused.
func (d *denials) record(ctx context.Context, u auth.User, account string, from From, reason string, log func(error)) {
	n, ok := d.Next()
	if !ok {
		return
	}
	ev := from.event()
	ev.Action, ev.Reason, ev.UserID, ev.UserName, ev.Actor = auth.ActionSessionDenied, reason, u.ID, account, "anonymous"
	if n > 1 {
		ev.Count = n
	}
	if err := d.store.Record(ctx, ev); err != nil {
		d.Hold(n)
		if log != nil {
			log(err)
		}
	}
}
