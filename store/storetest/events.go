package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

func events(t *testing.T, open Opener) {
	h := newHouse(t, open)
	other := h.ensureTeam("other")
	record := func(reason, team string, at time.Time) {
		t.Helper()
		check(t, h.Record(h.ctx, auth.Event{Action: auth.ActionConfigReload, Reason: reason, TeamID: team, Time: at}))
	}
	record("1", h.team, time.Time{})
	h.clock.add(time.Hour)
	record("2", other, time.Time{})
	record("3", "", time.Time{})
	record("4", h.team, start.Add(30*time.Minute)) // told late
	h.clock.add(time.Hour)
	record("5", h.team, time.Time{})
	list := func(team string, since time.Time) string {
		t.Helper()
		var out []string
		for _, ev := range h.events(team, since) {
			out = append(out, ev.Reason)
		}
		return strings.Join(out, " ")
	}
	equal(t, "all", list("", time.Time{}), "1 2 3 4 5")
	equal(t, "those of the team", list(h.team, time.Time{}), "1 4 5")
	equal(t, "those of the other", list(other, time.Time{}), "2")
	equal(t, "since the start", list("", start), "1 2 3 4 5")
	equal(t, "since just after", list("", start.Add(1)), "2 3 4 5")
	equal(t, "since the half hour", list("", start.Add(30*time.Minute)), "2 3 4 5")
	equal(t, "since the first hour", list("", start.Add(time.Hour)), "2 3 5")
	equal(t, "since the second", list("", start.Add(2*time.Hour)), "5")
	equal(t, "since tomorrow", list("", start.AddDate(0, 0, 1)), "")
	equal(t, "since before 1970", list("", time.Unix(-1e9, 0)), "1 2 3 4 5")
	ev := h.events("", time.Time{})[0]
	if !auth.IsID(ev.ID) || !ev.Time.Equal(start) {
		t.Fatalf("event is %+v", ev)
	}
	n := 0
	check(t, h.Events(h.ctx, "", time.Time{}, func(auth.Event) bool { n++; return n < 2 }))
	equal(t, "number of events until told to stop", n, 2)
	wantErr(t, h.Record(h.ctx, auth.Event{}), store.ErrInvalid, "")
}

// eventsWhileChanging: whoever reads events may take its time and call the
// store, however many events there are.
func eventsWhileChanging(t *testing.T, open Opener) {
	h := newHouse(t, open)
	const n = 600 // more than are read at once
	for i := range n {
		check(t, h.Record(h.ctx, auth.Event{Action: "test", Reason: fmt.Sprint(i)}))
	}
	seen := 0
	err := h.Events(h.ctx, "", time.Time{}, func(ev auth.Event) bool {
		equal(t, "event", ev.Reason, fmt.Sprint(seen))
		seen++
		if seen%200 == 0 {
			h.key(fmt.Sprint("key ", seen))
		}
		return seen < n
	})
	check(t, err)
	equal(t, "number of events", seen, n)
}

func failureChangesNothing(t *testing.T, open Opener) {
	h := newHouse(t, open)
	h.credential("hf", "t")
	h.key("k", "hf")
	before, recorded := asJSON(h.state()), len(h.recorded())
	refused := errors.New("refused")
	cancelled, cancel := context.WithCancel(h.ctx)
	cancel()
	for name, err := range map[string]error{
		"change refused": func() error {
			_, err := h.UpdateCredential(h.ctx, h.team, "hf", func(*auth.Credential) error { return refused }, fields("token", "x"), actor())
			return err
		}(),
		"key change refused": func() error {
			_, err := h.UpdateKey(h.ctx, h.team, "k", func(*auth.Key) error { return refused }, actor())
			return err
		}(),
		"cancelled": func() error {
			_, err := h.UpdateCredential(cancelled, h.team, "hf", nil, fields("token", "x"), actor())
			return err
		}(),
		"cancelled delete": h.DeleteKey(cancelled, h.team, "k", actor()),
		"cancelled record": h.Record(cancelled, auth.Event{Action: "test"}),
	} {
		if !errors.Is(err, refused) && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := h.OpenFields(cancelled, h.state().Credentials[0].ID, 1)
	equal(t, "cancelled read", errors.Is(err, context.Canceled), true)
	equal(t, "state", asJSON(h.state()), before)
	equal(t, "number of events", len(h.recorded()), recorded)
}

func closed(t *testing.T, open Opener) {
	h := newHouse(t, open)
	c := h.credential("hf", "t")
	check(t, h.Close())
	check(t, h.Close())
	for name, err := range map[string]error{
		"State":      second(h.State(h.ctx)),
		"Credential": second(h.Credential(h.ctx, h.team, "hf")),
		"OpenFields": second(h.OpenFields(h.ctx, c.ID, c.Version)),
		"CreateKey":  second(h.CreateKey(h.ctx, newKey(h.team, "k"), nil, actor())),
		"Record":     h.Record(h.ctx, auth.Event{Action: "test"}),
		"Events":     h.Events(h.ctx, "", time.Time{}, func(auth.Event) bool { return true }),
		"EnsureTeam": second(h.EnsureTeam(h.ctx, auth.DefaultTeam)),
		"Sealed":     second(h.Sealed(h.ctx, "x")),
		"PutSealed":  h.PutSealed(h.ctx, "x", nil),
	} {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
