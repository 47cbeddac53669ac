package admin

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
)

// followAgain is how often a stream asks whether its caller may still see it.
const followAgain = time.Second

type recordInput struct {
	RecordFilter
	Limit  int    `query:"limit" minimum:"1" maximum:"10000" default:"1000" doc:"At most so many on a page, the newest."`
	Cursor string `query:"cursor" maxLength:"4096" doc:"Where to go on, towards the past: next_cursor of the page before."`
}

type recordOutput struct {
	Body struct {
		Events []auth.Event `json:"events" doc:"Oldest first; the first page has the newest, the next one what was before."`
		Next
	}
}

func (a *API) record() {
	tags := []string{"audit"}
	huma.Register(a.doc, huma.Operation{
		OperationID: "list-events", Method: http.MethodGet, Path: "/api/v1/audit",
		Summary: "The record of administrative acts and of use", Tags: tags,
	}, func(ctx context.Context, in *recordInput) (*recordOutput, error) {
		events, next, err := a.events(ctx, in)
		if err != nil {
			return nil, a.public(err)
		}
		out := &recordOutput{}
		out.Body.Events, out.Body.Next = events, next
		return out, nil
	})
	huma.Register(a.doc, gives("application/x-ndjson", huma.Operation{
		OperationID: "follow-events", Method: http.MethodGet, Path: "/api/v1/audit/follow",
		Summary: "The record as it grows: one JSON event a line", Tags: tags,
	}), func(_ context.Context, in *RecordFilter) (*huma.StreamResponse, error) {
		if in.Since.IsZero() {
			in.Since = a.o.Now()
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			hc.SetHeader("Content-Type", "application/x-ndjson")
			a.follow(hc.Context(), hc.BodyWriter(), in)
		}}, nil
	})
}

// recordList is the list that cursors of the record are of.
const recordList = "events"

// placeTime is how a time stands in a place: so times sort as text.
const placeTime = "2006-01-02T15:04:05.000000000"

// placeOf is the place of an event in the record: its time and, where several
// have the same, its place in its chain.
func placeOf(e *auth.Event) []string {
	return []string{e.Time.UTC().Format(placeTime), e.Writer, sortable(int64(e.Seq&(1<<63-1)), false), e.ID}
}

func sortEvents(e []auth.Event) {
	slices.SortStableFunc(e, func(a, b auth.Event) int {
		if c := a.Time.Compare(b.Time); c != 0 {
			return c
		}
		return slices.Compare(placeOf(&a), placeOf(&b))
	})
}

// follow writes events as they come: those of use from the sink, which tells
// of them as they are written, and administrative acts, which are few, by
// asking the store again every half second.
func (a *API) follow(ctx context.Context, w io.Writer, in *RecordFilter) {
	a.resolve(ctx, in)
	ctx, stop := context.WithCancel(ctx)
	events := make(chan auth.Event)
	caller := callerOf(ctx)
	send := func(e auth.Event) bool {
		if !caller.sees(&e) || !in.wants(&e) {
			return true
		}
		select {
		case events <- e:
			return true
		case <-ctx.Done():
			return false
		}
	}
	var sources sync.WaitGroup
	sources.Go(func() {
		defer stop()
		_ = a.o.Record.Follow(ctx, in.Since, send) // it ends with ctx
	})
	sources.Go(func() {
		defer stop()
		a.followActs(ctx, in.Since, send)
	})
	defer sources.Wait()
	defer stop()
	again := time.NewTicker(followAgain)
	defer again.Stop()
	enc := json.NewEncoder(w)
	flusher, _ := w.(http.Flusher)
	if flusher != nil {
		flusher.Flush()
	}
	for {
		select {
		case e := <-events:
			if enc.Encode(e) != nil {
				return
			}
			if flusher != nil {
				flusher.Flush()
			}
		case <-again.C:
			if !stillMay(ctx) {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// followActs sends each administrative act once. Acts may be committed a
// little out of the order of their times, so each asking overlaps the one
// before.
func (a *API) followActs(ctx context.Context, since time.Time, send func(auth.Event) bool) {
	const interval, overlap = 500 * time.Millisecond, 5 * time.Second
	tick := time.NewTicker(interval)
	defer tick.Stop()
	seen := map[string]time.Time{}
	for from := since; ; {
		newest := from
		err := a.o.Store.Events(ctx, callerOf(ctx).events(), from, func(e auth.Event) bool {
			if _, ok := seen[e.ID]; ok {
				return true
			}
			seen[e.ID] = e.Time
			if e.Time.After(newest) {
				newest = e.Time
			}
			return send(e)
		})
		if err != nil {
			return
		}
		if back := newest.Add(-overlap); back.After(from) {
			from = back
		}
		for id, t := range seen {
			if t.Before(from) {
				delete(seen, id)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
