package store

import (
	"context"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
)

// eventChunk is how many events are read at once: no read transaction is open
// while they are yielded, so that yield may take its time and call the store.
const eventChunk = 256

// Record implements Store.
func (c *core) Record(ctx context.Context, ev auth.Event) error {
	if ev.Action == "" {
		return invalid("event", ev.ID, "it says no action")
	}
	return c.change(ctx, func(t *tx) error {
		t.record(ev)
		return nil
	})
}

// Events implements Store.
func (c *core) Events(ctx context.Context, teamID string, since time.Time, yield func(auth.Event) bool) error {
	codec := c.codec.clone()
	return c.eachEvent(ctx, eventKey(eventMicros(since)), func(r op) (more bool, err error) {
		var line chain.Line
		if err := codec.decode(bucketEvents, r.key, r.value, &line); err != nil {
			return false, err
		}
		ev := line.Event
		if ev.Action == auth.ActionAuditHead || ev.Time.Before(since) || teamID != "" && ev.TeamID != teamID {
			return true, nil
		}
		return yield(ev), nil
	})
}

// eachEvent yields the rows of events in order, beginning with the key from,
// until yield returns false or an error, which is returned.
func (c *core) eachEvent(ctx context.Context, from string, yield func(op) (more bool, err error)) error {
	for {
		// No lock is held: a database may take its time.
		if err := c.view(ctx, func(*model) error { return nil }); err != nil {
			return err
		}
		rows, err := c.drv.scan(ctx, bucketEvents, from, eventChunk)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if more, err := yield(r); err != nil || !more {
				return err
			}
		}
		if len(rows) < eventChunk {
			return nil
		}
		from = rows[len(rows)-1].key + "\x00" // the least key after it
	}
}
