package bridge

import (
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/audit"
	"github.com/weighbridge/weighbridge/internal/tracing"
	"github.com/weighbridge/weighbridge/proxy"
	"github.com/weighbridge/weighbridge/store"
)

// What the page, the dashboard and the alerts name is served, and what is served
// is on the page.
func TestMetricsAreThoseOfThePage(t *testing.T) {
	zero := func() float64 { return 0 }
	limits := &rateLimits{now: time.Now, left: map[limitKey]limit{}}
	limits.see("id", `"api";r=1;t=60`)
	end := time.Now().Add(time.Hour)
	m := newMetrics("test", gauges{
		transfers: zero, tunnels: zero, lent: zero, auditDown: zero, limits: limits, audit: func() audit.Stats { return audit.Stats{} },
		kek: kekCollector{func() store.KEKStats { return store.KEKStats{Kept: 1, Last: end} }, time.Now},
		credentials: func() (auth.State, time.Time) {
			return auth.State{Credentials: []auth.Credential{{Provider: "s3", Status: auth.StatusValid, ExpiresAt: end}}}, time.Now()
		},
	})
	m.Observe(proxy.Sample{Mode: "forward", Outcome: "inject", Provider: "s3", Status: 200, Bytes: 1, Resumed: 1, FirstByte: 1, Duration: 1})
	m.validations.WithLabelValues("s3", "valid").Inc()
	m.registry.MustRegister(traceCollector{func() tracing.Stats { return tracing.Stats{} }}) // of builds with the tag otel
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	// Each follower brings its own, whose names docs/audit.md and a test of the
	// house have as well.
	served := []string{"weighbridge_audit_follower_sent_total", "weighbridge_audit_follower_dropped_total", "weighbridge_audit_follower_gaps_total"}
	for _, f := range families {
		if name := f.GetName(); regexp.MustCompile("^weighbridge_").MatchString(name) {
			served = append(served, name)
		}
	}
	named := func(file string) []string {
		b, err := os.ReadFile("../../" + file)
		if err != nil {
			t.Fatal(err)
		}
		return regexp.MustCompile(`\bweighbridge_[a-z_]+[a-z]\b`).FindAllString(string(b), -1)
	}
	for _, file := range []string{"docs/observability.md", "deploy/observability/dashboard.json", "deploy/observability/alerts.yaml"} {
		for _, name := range named(file) {
			name = regexp.MustCompile("_bucket$").ReplaceAllString(name, "")
			if !slices.Contains(served, name) {
				t.Errorf("%s names %s, which is not served", file, name)
			}
		}
	}
	page := named("docs/observability.md")
	for _, name := range served {
		if !slices.Contains(page, name) {
			t.Errorf("docs/observability.md does not name %s", name)
		}
	}
}
