package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// askedRecord notes from where on it is read.
type askedRecord struct {
	admin.Record
	since []time.Time
}

func (r *askedRecord) Events(ctx context.Context, since time.Time, yield func(auth.Event) bool) error {
	r.since = append(r.since, since)
	return r.Record.Events(ctx, since, yield)
}

// The newest page of a long record is found near its end, the pages before it
// are whole all the same, and what is no use of a credential is not looked for
// among the uses.
func TestAPageOfTheRecordIsReadFromItsEnd(t *testing.T) {
	f := newFixture(t)
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	record := &askedRecord{Record: f.rec}
	f.o.Record, f.o.Now = record, func() time.Time { return now }
	f.api = admin.New(f.o)
	var want []string
	for i, ago := range []time.Duration{0, time.Second, time.Minute, 10 * time.Minute, 14 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour, 5 * time.Hour,
		24 * time.Hour, 64 * time.Hour, 65 * time.Hour, 1000 * time.Hour, 1024 * time.Hour, 2000 * time.Hour, 20_000 * time.Hour} {
		host := fmt.Sprintf("h%d.example", i)
		want = append(want, host)
		f.rec.Record(auth.Event{Action: auth.ActionDenied, TeamID: f.o.TeamID, Time: now.Add(-ago), Host: host, Code: auth.CodeNoCredentialMatched})
	}
	for _, limit := range []int{1, 2, 3, 5, 7, 15, 16, 17} {
		var got []string
		for _, page := range f.walk(fmt.Sprintf("/api/v1/audit?action=denied&limit=%d", limit), "events", nil) {
			slices.Reverse(page)
			for _, e := range page {
				got = append(got, e["host"].(string))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("by %d: %q", limit, got)
		}
	}
	reads := func(query string) []time.Time {
		record.since = nil
		f.must(http.StatusOK, http.MethodGet, "/api/v1/audit?"+query, "")
		return record.since
	}
	near := now.Add(-15 * time.Minute)
	for query, want := range map[string][]time.Time{
		"action=denied&limit=3":                            {near},
		"action=denied&limit=3&since=2026-05-04T03:00:00Z": {time.Date(2026, 5, 4, 3, 0, 0, 0, time.UTC)},
		"host=none.example":                                {near, now.Add(-4 * time.Hour), now.Add(-64 * time.Hour), {}},
		"action=credential.*,link.*":                       nil,
		"action=credential.*,denied&limit=3":               {near},
		"action=audit.*":                                   {near, now.Add(-4 * time.Hour), now.Add(-64 * time.Hour), {}},
	} {
		if got := reads(query); !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Errorf("%s: read since %v, want %v", query, got, want)
		}
	}
}
