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

// By the hour, too, everything counts once; hours are kept for a day, and days
// for good.
func TestUsageByTheHour(t *testing.T) {
	at := time.Date(2026, 9, 30, 22, 59, 0, 0, time.UTC)
	clock := newClock(at)
	dir, usage := t.TempDir(), filepath.Join(t.TempDir(), "usage")
	for round := range 3 {
		f := openTest(t, dir, FileOptions{Now: clock.Now})
		u := openUsage(t, f, usage)
		for i, key := range []string{"trainer", "comfyui", "trainer"} {
			e := finished(fmt.Sprint("req_", round, i))
			e.Bytes, e.KeyID, e.KeyName, e.Host = 1000, "key_"+key, key, fmt.Sprintf("h%d.example", i)
			f.Record(e)
		}
		settle(t, f)
		hours := byTheHour(t, u, time.Time{})
		hour := clock.Now().Truncate(time.Hour).Format(time.RFC3339)
		if got := hours[hour+" trainer"]; got.Requests != 2 || got.Denied != 0 || got.Bytes != 2000 || got.Host != "" || hours[hour+" comfyui"].Requests != 1 || hours[hour+" refused"].Denied != 1 || len(hours) != 3*(round+1) {
			t.Errorf("round %d: %+v", round, hours)
		}
		if round == 0 { // as a crash
			u.stop()
			u.stopped.Wait()
		} else if err := u.Close(); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Hour) // into the last hour, and into the next day
	}
	clock.Advance(24 * time.Hour) // to the second of October
	f := openTest(t, dir, FileOptions{Now: clock.Now})
	u := openUsage(t, f, usage)
	f.Record(finished("req_next"))
	settle(t, f)
	total, days := usageOf(t, u, time.Time{})
	if total.Requests != 10 || len(days) != 10 || total.Denied != 4 {
		t.Errorf("%d requests in %d rows", total.Requests, len(days))
	}
	hours := byTheHour(t, u, time.Time{})
	if len(hours) != 5 || hours["2026-10-01T00:00:00Z comfyui"].Requests != 1 || hours["2026-10-02T01:00:00Z trainer"].Requests != 1 {
		t.Errorf("two days later: %+v", hours)
	}
	if hours := byTheHour(t, u, clock.Now()); len(hours) != 2 {
		t.Errorf("of this hour: %+v", hours)
	}
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
}

// settle waits until all that was recorded is on disk, by a refusal.
func settle(t testing.TB, f *File) {
	t.Helper()
	e := used("req_denied")
	e.Action, e.KeyID, e.KeyName = auth.ActionDenied, "key_refused", "refused"
	if err := f.Record(e).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// byTheHour are rows by their hour and key.
func byTheHour(t testing.TB, u *Usage, since time.Time) map[string]UsageRow {
	t.Helper()
	rows, err := u.Hours(t.Context(), since)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]UsageRow{}
	for _, r := range rows {
		out[r.Hour+" "+r.KeyName] = r
	}
	if len(out) != len(rows) {
		t.Errorf("of %d rows %d are apart", len(rows), len(out))
	}
	return out
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
