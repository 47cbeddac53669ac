package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
)

func requests(events []auth.Event) []string {
	var ids []string
	for _, e := range events {
		if e.Action != chain.ActionClock { // these tests set theirs by months
			ids = append(ids, e.RequestID)
		}
	}
	return ids
}

func TestEventsReadAcrossMonths(t *testing.T) {
	clock := newClock(time.Date(2026, 9, 15, 0, 0, 0, 0, time.UTC))
	dir := t.TempDir()
	f := openTest(t, dir, FileOptions{Now: clock.Now})
	for _, req := range []string{"req_9", "req_10", "req_11"} {
		if err := f.Record(used(req)).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		clock.Advance(31 * 24 * time.Hour)
	}
	for since, want := range map[string][]string{
		"2026-09-01T00:00:00Z": {"req_9", "req_10", "req_11"},
		"2026-09-15T00:00:00Z": {"req_9", "req_10", "req_11"},
		"2026-09-15T00:00:01Z": {"req_10", "req_11"},
		"2026-11-01T00:00:00Z": {"req_11"},
		"2027-01-01T00:00:00Z": nil,
	} {
		at, err := time.Parse(time.RFC3339, since)
		if err != nil {
			t.Fatal(err)
		}
		var got []auth.Event
		if err := f.Events(t.Context(), at, func(e auth.Event) bool { got = append(got, e); return true }); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(requests(got), want) {
			t.Errorf("since %s: got %v, want %v", since, requests(got), want)
		}
	}
	n := 0
	if err := f.Events(t.Context(), time.Time{}, func(auth.Event) bool { n++; return false }); err != nil || n != 1 {
		t.Errorf("after enough: %d events, %v", n, err)
	}

	gone, err := f.Prune(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
	if err != nil || !slices.Equal(gone, []string{"audit-2026-09.jsonl", "audit-2026-10.jsonl"}) {
		t.Errorf("pruned %v, %v", gone, err)
	}
	if gone, err := f.Prune(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)); err != nil || slices.Contains(gone, f.position().name) {
		t.Errorf("pruned %v, %v: the file that is written stays", gone, err)
	}
}

func TestOldMonthsArePrunedAtStart(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"audit-2020-01.jsonl", "audit-2020-01.jsonl.bak", "other.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := openTest(t, dir, FileOptions{Retention: 90 * 24 * time.Hour})
	for { // until the test's own end
		if _, err := os.Stat(filepath.Join(dir, "audit-2020-01.jsonl")); errors.Is(err, fs.ErrNotExist) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, []string{"audit-2020-01.jsonl.bak", fileName(time.Now()), "other.txt"}) {
		t.Errorf("left are %v", names)
	}
}

func TestFollowMissesNothingAndRepeatsNothing(t *testing.T) {
	clock := newClock(time.Date(2026, 10, 31, 23, 0, 0, 0, time.UTC))
	f := openTest(t, t.TempDir(), FileOptions{Now: clock.Now})
	const n = 300
	record := func(from, to int) {
		for i := from; i < to; i++ {
			if err := f.Record(used(fmt.Sprint("req_", i))).Wait(t.Context()); err != nil {
				t.Error(err)
			}
			if i == n/2 {
				clock.Advance(2 * time.Hour) // into November
			}
		}
	}
	record(0, 10)
	events := make(chan auth.Event, n)
	ended := make(chan error, 1)
	since := clock.Now().Add(-time.Hour)
	go func() {
		ended <- f.Follow(t.Context(), since, func(e auth.Event) bool {
			events <- e
			return e.RequestID != fmt.Sprint("req_", n-1)
		})
	}()
	record(10, n)
	for i := range n {
		e := <-events
		if e.Action == chain.ActionClock {
			e = <-events
		}
		if e.RequestID != fmt.Sprint("req_", i) {
			t.Fatalf("got %s, want req_%d", e.RequestID, i)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestFollowFromNowOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openTest(t, t.TempDir(), FileOptions{})
		if err := f.Record(used("req_before")).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var got []auth.Event
		ended := make(chan error, 1)
		go func() {
			ended <- f.Follow(ctx, time.Time{}, func(e auth.Event) bool { got = append(got, e); return true })
		}()
		synctest.Wait()
		if err := f.Record(used("req_after")).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("an ended context: %v", err)
		}
		if !slices.Equal(requests(got), []string{"req_after"}) {
			t.Errorf("followed %v", requests(got))
		}
	})
}

func TestDamagedLinesAreReported(t *testing.T) {
	dir := t.TempDir()
	f := openTest(t, dir, FileOptions{})
	path := filepath.Join(dir, fileName(time.Now()))
	if err := f.Record(used("req_1")).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	tear(t, path, "\x00\x00garbage\n\n{\"id\":1}\n")
	f = openTest(t, dir, FileOptions{})
	if err := f.Record(used("req_2")).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := f.Events(t.Context(), time.Time{}, func(e auth.Event) bool {
		if e.Action == auth.ActionUsed {
			got = append(got, e.RequestID)
		}
		return true
	})
	if !errors.Is(err, ErrDamaged) || !slices.Equal(got, []string{"req_1", "req_2"}) {
		t.Errorf("got %v, %v", got, err)
	}
}

// A start reads back to the last checkpoint only, however long the file is.
func TestCheckpointsBoundTheStart(t *testing.T) {
	dir := t.TempDir()
	const every = 1 << 20
	f := openTest(t, dir, FileOptions{checkpoint: every})
	if err := f.Record(used("req_long")).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	big := finished("req_x")
	big.Reason = string(make([]byte, maxText)) // 24 KiB when escaped
	var last auth.Ticket
	for range 4 * every / (6 * maxText) {
		last = f.Record(big)
		if f.Stats().QueuedBytes > every/2 {
			_ = last.Wait(t.Context())
		}
	}
	if err := last.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := f.Record(used("req_new")).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, line := range rawLines(t, dir, fileName(time.Now())) {
		if len(line) > 0 && lineAction(line) == chain.ActionCheckpoint {
			n++
		}
	}
	if n < 3 {
		t.Errorf("%d checkpoints in %d bytes", n, f.Stats().Bytes)
	}
	was, err := recoverTail(osDisk{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	if open := was.unfinished; !slices.Equal(requests(open), []string{"req_long", "req_new"}) || open[0].KeyID != "key_a" {
		t.Errorf("unfinished are %+v", open)
	}
}

func TestMemory(t *testing.T) {
	m := NewMemory(nil)
	got := make(chan auth.Event, 1)
	ended := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		ended <- m.Follow(ctx, time.Time{}.Add(1), func(e auth.Event) bool { got <- e; return true })
	}()
	if err := m.Record(used("req_1")).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := <-got; e.RequestID != "req_1" || e.ID == "" {
		t.Errorf("followed %+v", e)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	m.Fail(auth.NewError(auth.CodeAuditUnavailable, "full", nil))
	wantCode(t, m.Err(), auth.CodeAuditUnavailable)
	wantCode(t, m.Record(used("req_2")).Wait(t.Context()), auth.CodeAuditUnavailable)
	m.Fail(nil)
	if err := m.Err(); err != nil {
		t.Error(err)
	}
	if n := len(all(t, m)); n != 1 {
		t.Errorf("%d events", n)
	}
}
