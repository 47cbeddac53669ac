package portal

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

const (
	// gatherFor is for how long events are gathered before they are sent to a
	// page, and gatherMost how many of those at most: of a record that grows
	// faster nobody reads more.
	gatherFor  = 250 * time.Millisecond
	gatherMost = 50
)

// gathered is what a page is sent at once, the newest first. Skipped came, too,
// and is not shown.
type gathered struct {
	Rows    []told
	Skipped int
}

// followAudit sends what comes into the record, as it comes.
func (p *Portal) followAudit(v *visit) error {
	f := filterOf(v.r.URL.Query())
	q := f.query()
	// A browser that comes again says up to where it has everything (HTML,
	// section 9.2.4); one that left the stream in between (assets/live.js), or a
	// page that begins with it, says so in the address.
	for _, from := range []string{v.r.Header.Get("Last-Event-ID"), v.r.URL.Query().Get("from")} {
		if t, err := time.Parse(time.RFC3339Nano, from); err == nil && t.After(q.Since) {
			q.Since = t
			break
		}
	}
	ctx, stop := context.WithCancel(v.ctx())
	defer stop()
	body, err := v.api.FollowEvents(ctx, q)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	came := make(chan auth.Event)
	ended := make(chan error, 1)
	go func() {
		ended <- admin.EachLine(ctx, body, func(raw json.RawMessage) bool {
			var e auth.Event
			if json.Unmarshal(raw, &e) != nil {
				return false
			}
			if e.Time.Before(q.Since) {
				return true // a little before is told again
			}
			select {
			case came <- e:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	return v.stream(body, func(out *stream) error { return v.sendGathered(out, came, ended) })
}

// sendGathered sends events, some at a time, until there will be no more.
func (v *visit) sendGathered(out *stream, came <-chan auth.Event, ended <-chan error) error {
	tick := time.NewTicker(gatherFor)
	defer tick.Stop()
	var waiting []auth.Event
	skipped := 0
	var newest time.Time // acts come a little out of the order of their times
	for {
		select {
		case e := <-came:
			if e.Time.After(newest) {
				newest = e.Time
			}
			if waiting = append(waiting, e); len(waiting) > gatherMost {
				waiting, skipped = waiting[1:], skipped+1
			}
		case err := <-ended:
			return err
		case <-tick.C:
			if len(waiting) == 0 {
				continue
			}
			slices.Reverse(waiting)
			out.id(newest.Add(1).UTC().Format(time.RFC3339Nano))
			if err := v.send(out, "events", "audit.html", "events", gathered{v.tell(waiting), skipped}); err != nil {
				return err
			}
			waiting, skipped = nil, 0
		}
	}
}
