package admin_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth/audit"
)

// Usage is told apart by credential or key and by day at once, for charts.
func TestUsageByDayAndMore(t *testing.T) {
	f := newFixture(t)
	row := func(team, day, credential, key, host string, bytes int64) audit.UsageRow {
		return audit.UsageRow{TeamID: team, Day: day, CredentialID: credential, CredentialName: "n-" + credential, KeyID: key, KeyName: "n-" + key, Host: host, Requests: 1, Bytes: bytes}
	}
	f.o.Usage = func(context.Context, time.Time) ([]audit.UsageRow, error) {
		return []audit.UsageRow{
			row(f.o.TeamID, "2026-11-20", "c1", "k1", "a", 1), row(f.o.TeamID, "2026-11-20", "c1", "k2", "b", 2),
			row(f.o.TeamID, "2026-11-21", "c1", "k1", "a", 4), row(f.o.TeamID, "2026-11-21", "c2", "k1", "a", 8),
			row("another", "2026-11-21", "c3", "k3", "a", 16),
		}, nil
	}
	f.api = admin.New(f.o)
	for by, want := range map[string]map[string]float64{
		"credential-day": {"2026-11-20 n-c1": 3, "2026-11-21 n-c1": 4, "2026-11-21 n-c2": 8},
		"key-day":        {"2026-11-20 n-k1": 1, "2026-11-20 n-k2": 2, "2026-11-21 n-k1": 12},
	} {
		rows := f.must(200, "GET", "/api/v1/usage?by="+by, "")["usage"].([]any)
		if len(rows) != len(want) {
			t.Errorf("%s: %v", by, rows)
		}
		for _, r := range rows {
			r := r.(map[string]any)
			name, _ := r["credential_name"].(string)
			if by == "key-day" {
				name = r["key_name"].(string)
			}
			if r["bytes"] != want[r["day"].(string)+" "+name] {
				t.Errorf("%s: %v", by, r)
			}
		}
	}
}

// Usage by the hour is a count of its own, of those who may see it.
func TestUsageByTheHour(t *testing.T) {
	f := newFixture(t)
	asked := time.Time{}
	row := func(team, hour, credential, key string, bytes int64) audit.UsageRow {
		return audit.UsageRow{TeamID: team, Day: hour[:10], Hour: hour, CredentialID: credential, CredentialName: "n-" + credential, KeyID: key, KeyName: "n-" + key, Requests: 1, Bytes: bytes}
	}
	f.o.UsageHours = func(_ context.Context, since time.Time) ([]audit.UsageRow, error) {
		asked = since
		return []audit.UsageRow{
			row(f.o.TeamID, "2026-11-20T23:00:00Z", "c1", "k1", 1), row(f.o.TeamID, "2026-11-20T23:00:00Z", "c1", "k2", 2),
			row(f.o.TeamID, "2026-11-21T00:00:00Z", "c1", "k1", 4), row("another", "2026-11-21T00:00:00Z", "c3", "k3", 16),
		}, nil
	}
	f.api = admin.New(f.o)
	for by, want := range map[string][]string{
		"hour":            {"2026-11-20T23:00:00Z   3", "2026-11-21T00:00:00Z   4"},
		"credential-hour": {"2026-11-20T23:00:00Z n-c1  3", "2026-11-21T00:00:00Z n-c1  4"},
		"key-hour":        {"2026-11-20T23:00:00Z  n-k2 2", "2026-11-20T23:00:00Z  n-k1 1", "2026-11-21T00:00:00Z  n-k1 4"},
	} {
		var got []string
		for _, r := range f.must(200, "GET", "/api/v1/usage?since=2026-11-20T15:04:05Z&by="+by, "")["usage"].([]any) {
			r := r.(map[string]any)
			credential, _ := r["credential_name"].(string)
			key, _ := r["key_name"].(string)
			got = append(got, fmt.Sprint(r["hour"], " ", credential, " ", key, " ", r["bytes"]))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", by, got, want)
		}
	}
	if want := time.Date(2026, 11, 20, 15, 4, 5, 0, time.UTC); !asked.Equal(want) {
		t.Errorf("asked for what is since %s", asked)
	}
}
