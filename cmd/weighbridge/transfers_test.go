package main

import (
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
)

func TestTransfersShowProgressAndRate(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	a := &app{now: func() time.Time { return now }}
	live := admin.Transfers{Transfers: []admin.Transfer{
		{ID: "req_1", Key: "trainer", Worker: "10.0.0.7", URL: "https://huggingface.co/acme/m/resolve/main/w.safetensors", Credential: "hub",
			Bytes: 3 << 20, Total: 4 << 20, Started: now.Add(-time.Second)},
		{ID: "req_2", Key: "trainer", Worker: "10.0.0.7", URL: "https://pypi.org:443/", Bytes: 1 << 10, Total: -1, Started: now.Add(-time.Second)},
	}}
	show := func(before map[string]int64, since time.Duration) string {
		var b strings.Builder
		a.transfersText(&b, live, before, since)
		return b.String()
	}
	first := show(nil, 0)
	for _, want := range []string{"[===============     ]  75%", "[????????????????????]", "3.0 MiB/s", "w.safetensors", "hub"} {
		if !strings.Contains(first, want) {
			t.Errorf("no %q in\n%s", want, first)
		}
	}
	// From the second look on the rate is that since the one before.
	if second := show(map[string]int64{"req_1": 1 << 20}, time.Second); !strings.Contains(second, "2.0 MiB/s") {
		t.Errorf("no rate since the last look in\n%s", second)
	}
	live.Transfers = nil
	if none := show(nil, 0); none != "No downloads in progress.\n" {
		t.Errorf("%q", none)
	}
	for _, c := range []struct {
		done, total int64
		want        string
	}{{0, 10, "[                    ]   0%"}, {10, 10, "[====================] 100%"}, {11, 10, "[====================] 100%"}, {5, 0, "[????????????????????]"}} {
		if got := bar(c.done, c.total); got != c.want {
			t.Errorf("bar(%d, %d) is %q", c.done, c.total, got)
		}
	}
}
