package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

func openUsage(t testing.TB, f *File, dir string) *Usage {
	t.Helper()
	u, err := OpenUsage(f, dir, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func usageOf(t testing.TB, u *Usage, since time.Time) (total UsageRow, rows []UsageRow) {
	t.Helper()
	rows, err := u.Rows(t.Context(), since)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		total.Requests += r.Requests
		total.Bytes += r.Bytes
		total.Errors += r.Errors
		total.Denied += r.Denied
	}
	return total, rows
}

// What is counted counts once, over restarts and crashes, and outlives the
// record.
func TestUsageCountsOnceAndOutlivesTheRecord(t *testing.T) {
	clock := newClock(time.Date(2026, 9, 30, 12, 0, 0, 0, time.UTC))
	dir, usage := t.TempDir(), filepath.Join(t.TempDir(), "usage")
	want := UsageRow{}
	for round := range 6 {
		f := openTest(t, dir, FileOptions{Now: clock.Now})
		u := openUsage(t, f, usage)
		for i := range 10 {
			if err := f.Record(used(fmt.Sprint("req_", round, i))).Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			e := finished(fmt.Sprint("req_", round, i))
			e.Bytes = 1000
			if i == 3 {
				e.Status = 404
				want.Errors++
			}
			f.Record(e)
			want.Requests++
			want.Bytes += 1000
		}
		denied := used("req_denied")
		denied.Action = auth.ActionDenied
		_ = f.Record(denied).Wait(t.Context())
		want.Denied++
		total, _ := usageOf(t, u, time.Time{})
		if total != want {
			t.Fatalf("round %d: %+v, want %+v", round, total, want)
		}
		if round%2 == 0 {
			u.stop() // as a crash: what was counted since the last file is not written
			u.stopped.Wait()
		} else if err := u.Close(); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		clock.Advance(20 * 24 * time.Hour)
	}
	f := openTest(t, dir, FileOptions{Now: clock.Now})
	if _, err := f.Prune(clock.Now()); err != nil {
		t.Fatal(err)
	}
	u := openUsage(t, f, usage)
	total, rows := usageOf(t, u, time.Time{})
	if total != want || len(rows) != 6 {
		t.Errorf("without the record: %+v of %d days, want %+v", total, len(rows), want)
	}
	if r := rows[0]; r.Day != "2026-09-30" || r.Host != "huggingface.co" || r.CredentialName != "hub" || r.KeyName != "trainer" {
		t.Errorf("got %+v", r)
	}
	if _, rows := usageOf(t, u, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)); len(rows) != 4 {
		t.Errorf("%d days since November, want 4", len(rows))
	}
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
}

// Hosts that a worker makes up fill no file.
func TestUsageIsBounded(t *testing.T) {
	f := openTest(t, t.TempDir(), FileOptions{})
	dir := filepath.Join(t.TempDir(), "usage")
	u := openUsage(t, f, dir)
	const n = maxUsageHosts + 100
	for i := range n {
		e := finished(fmt.Sprint("req_", i))
		e.Host = fmt.Sprintf("h%d.example", i)
		f.Record(e)
	}
	if err := f.Record(used("req_last")).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	total, rows := usageOf(t, u, time.Time{})
	if total.Requests != n || len(rows) > maxUsageHosts+1 {
		t.Errorf("%d requests in %d rows", total.Requests, len(rows))
	}
	other := int64(0)
	for _, r := range rows {
		if r.Host == Other {
			other += r.Requests
		}
	}
	if other != 100 {
		t.Errorf("%d requests are to other hosts, want 100", other)
	}
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}
