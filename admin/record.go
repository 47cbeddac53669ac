package admin

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sort"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
)

// maxEvents bounds one answer; the newest are kept.
const maxEvents = 10_000

type recordInput struct {
	Since      time.Time `query:"since" doc:"Only events at or after this time."`
	Key        string    `query:"key" doc:"Only events of this API key, by id or name."`
	Credential string    `query:"credential" doc:"Only events of this credential, by id or name."`
	Limit      int       `query:"limit" minimum:"1" maximum:"10000" default:"1000" doc:"At most so many, the newest."`

	// keyID and credentialID are of what is called so now, so that events from
	// before it was renamed are found too.
	keyID, credentialID string
}

// resolve finds what Key and Credential name now, where they name something:
// the record also knows what was deleted since.
func (a *API) resolve(ctx context.Context, in *recordInput) {
	if k, err := a.o.Store.Key(ctx, team(ctx), in.Key); err == nil {
		in.keyID = k.ID
	}
	if c, err := a.o.Store.Credential(ctx, team(ctx), in.Credential); err == nil {
		in.credentialID = c.ID
	}
}

func (in *recordInput) wants(e *auth.Event) bool {
	return names(in.Key, in.keyID, e.KeyID, e.KeyName) && names(in.Credential, in.credentialID, e.CredentialID, e.CredentialName)
}

// names reports whether ref, or the id that it stands for now, names the thing
// of an event; every thing, where nothing was asked for.
func names(ref, now, id, name string) bool {
	return ref == "" || ref == id || ref == name || now != "" && now == id
}

type recordOutput struct {
	Body struct {
		Events []auth.Event `json:"events" doc:"Oldest first."`
	}
}

func (a *API) record() {
	tags := []string{"audit"}
	huma.Register(a.doc, huma.Operation{
		OperationID: "list-events", Method: http.MethodGet, Path: "/api/v1/audit",
		Summary: "The record of administrative acts and of use", Tags: tags,
	}, func(ctx context.Context, in *recordInput) (*recordOutput, error) {
		events, err := a.events(ctx, in)
		if err != nil {
			return nil, a.public(err)
		}
		out := &recordOutput{}
		out.Body.Events = events
		return out, nil
	})
	huma.Register(a.doc, huma.Operation{
		OperationID: "follow-events", Method: http.MethodGet, Path: "/api/v1/audit/follow",
		Summary: "The record as it grows: one JSON event a line", Tags: tags,
	}, func(_ context.Context, in *recordInput) (*huma.StreamResponse, error) {
		if in.Since.IsZero() {
			in.Since = a.o.Now()
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			hc.SetHeader("Content-Type", "application/x-ndjson")
			a.follow(hc.Context(), hc.BodyWriter(), in)
		}}, nil
	})
}

// events merges the record of acts with the record of use, oldest first.
func (a *API) events(ctx context.Context, in *recordInput) ([]auth.Event, error) {
	a.resolve(ctx, in)
	out := []auth.Event{}
	caller := callerOf(ctx)
	keep := func(e auth.Event) bool {
		if caller.sees(&e) && in.wants(&e) {
			out = append(out, e)
			if len(out) > 4*maxEvents { // a long past: forget the oldest
				sortEvents(out)
				out = append(out[:0:0], out[len(out)-maxEvents:]...)
			}
		}
		return ctx.Err() == nil
	}
	if err := a.o.Store.Events(ctx, caller.events(), in.Since, keep); err != nil {
		return nil, err
	}
	if err := a.o.Record.Events(ctx, in.Since, keep); err != nil {
		return nil, err
	}
	sortEvents(out)
	if in.Limit > 0 && len(out) > in.Limit {
		out = out[len(out)-in.Limit:]
	}
	return out, nil
}

func sortEvents(e []auth.Event) {
	sort.SliceStable(e, func(i, j int) bool { return e[i].Time.Before(e[j].Time) })
}

// follow writes events as they come: those of use from the sink, which tells
// of them as they are written, and administrative acts, which are few, by
// asking the store again every half second.
func (a *API) follow(ctx context.Context, w io.Writer, in *recordInput) {
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
