package bridge

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestRateLimits(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	r := &rateLimits{now: func() time.Time { return now }, left: map[limitKey]limit{}}
	for _, field := range []string{`"resolvers";r=2998;t=172`, `"api"; r=0; t=5, "pages";r=7;t=5`, `"made up\x00by an upstream";r=3`} {
		r.see("id", field)
	}
	for _, field := range []string{"", `"api"`, `"api";r=-1`, `"api";r=99999999999999999999`, ";;;", `"api";t=5`} {
		r.see("other", field)
	}
	want := map[limitKey]limit{
		{"id", "resolvers"}: {2998, now.Add(172 * time.Second)}, {"id", "api"}: {0, now.Add(5 * time.Second)}, {"id", "other"}: {3, now.Add(defaultWindow)},
	}
	if len(r.left) != len(want) {
		t.Errorf("%v", r.left)
	}
	for k, l := range want {
		if r.left[k] != l {
			t.Errorf("%v: %v, not %v", k, r.left[k], l)
		}
	}
	if n := count(t, r); n != 3 {
		t.Errorf("%d series", n)
	}
	now = now.Add(time.Minute)
	if n := count(t, r); n != 2 {
		t.Errorf("a minute on: %d series", n)
	}
}

// count is how many series c has.
func count(t *testing.T, c prometheus.Collector) (n int) {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		n += len(f.GetMetric())
	}
	return n
}
