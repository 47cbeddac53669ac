package admin

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// maxEvents bounds one answer; the newest are kept.
const maxEvents = 10_000

// A page is looked for in nearReach before its end at first, then in reachGrows
// times as much, and so on, and in all of the past only where that is not
// enough. Passing over a line that is too old costs a small part of reading it,
// so that to begin again costs little. Further than safeReach back, where what
// was read in vain would count, only what the reach before lets hope for is
// looked for.
const (
	nearReach  = 15 * time.Minute
	reachGrows = 16
	safeReach  = 64 * time.Hour
	farReach   = 1024 * time.Hour
)

// eventPage is the newest of the events that it is given.
type eventPage struct {
	events []auth.Event
	more   bool // there were some before
}

func (p *eventPage) add(e auth.Event) {
	p.events = append(p.events, e)
	if len(p.events) > 4*maxEvents { // a long past: forget the oldest
		p.cut(maxEvents)
	}
}

// cut forgets all but the newest n, and sorts them, the oldest first.
func (p *eventPage) cut(n int) {
	sortEvents(p.events)
	if len(p.events) > n {
		p.events, p.more = slices.Clone(p.events[len(p.events)-n:]), true
	}
}

// events merges the record of acts with the record of use and gives the newest
// page of it, or the one before where a cursor stands, oldest first.
func (a *API) events(ctx context.Context, in *recordInput) ([]auth.Event, Next, error) {
	a.resolve(ctx, &in.RecordFilter)
	var before []string
	end := a.o.Now()
	if in.Cursor != "" {
		var err error
		if before, err = readCursor(in.Cursor, recordList); err != nil {
			return nil, Next{}, err
		}
		if t, err := time.Parse(placeTime, before[0]); err == nil && t.Before(end) {
			end = t
		}
	}
	if !in.Until.IsZero() && in.Until.Before(end) {
		end = in.Until
	}
	limit, found := cmp.Or(in.Limit, maxEvents), 0
	for reach := nearReach; reach <= farReach; reach *= reachGrows {
		since := end.Add(-reach)
		if !since.After(in.Since) || reach > safeReach && found*reachGrows <= limit {
			break
		}
		p, err := a.eventsSince(ctx, in, since, before, limit)
		if err != nil {
			return nil, Next{}, err
		}
		if p.more { // and so the page is whole: all others are older
			return p.events, p.next(), nil
		}
		found = len(p.events)
	}
	p, err := a.eventsSince(ctx, in, in.Since, before, limit)
	if err != nil {
		return nil, Next{}, err
	}
	return p.events, p.next(), nil
}

// eventsSince is the newest limit of what is at or after since and, where a
// place is given, before that.
func (a *API) eventsSince(ctx context.Context, in *recordInput, since time.Time, before []string, limit int) (*eventPage, error) {
	p := &eventPage{events: []auth.Event{}}
	caller := callerOf(ctx)
	keep := func(e auth.Event) bool {
		if caller.sees(&e) && in.wants(&e) && (before == nil || slices.Compare(placeOf(&e), before) < 0) {
			p.add(e)
		}
		return ctx.Err() == nil
	}
	if err := a.o.Store.Events(ctx, caller.events(), since, keep); err != nil {
		return nil, err
	}
	if !in.actsAlone() {
		if err := a.o.Record.Events(ctx, since, keep); err != nil {
			return nil, err
		}
	}
	p.cut(limit)
	return p, nil
}

// next is where the page before this one ends.
func (p *eventPage) next() Next {
	if !p.more {
		return Next{}
	}
	return Next{cursorOf(recordList, placeOf(&p.events[0]))}
}

// actsAlone reports whether nothing is wanted but acts on things of the store,
// of which there is nothing in the record of use, the long one.
func (in *RecordFilter) actsAlone() bool {
	return len(in.Action) > 0 && !slices.ContainsFunc(in.Action, func(want string) bool {
		family, _, ok := strings.Cut(want, ".")
		return !ok || !slices.Contains(actFamilies, family)
	})
}

// actFamilies are the families of actions that the store alone records.
var actFamilies = []string{"credential", "key", "link", "team", "user", "member", "token", "session"}
