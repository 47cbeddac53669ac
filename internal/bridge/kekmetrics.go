package bridge

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weighbridge/weighbridge/store"
)

// kekCollector shows how often a key service is needed, and whether it answers,
// when /metrics is asked.
type kekCollector struct {
	stats func() store.KEKStats
	now   func() time.Time
}

var (
	kekLookups = prometheus.NewDesc("weighbridge_kek_cache_lookups_total", "Times that a data key was needed which a key service wraps, and whether it was kept.", []string{"result"}, nil)
	kekUnwraps = prometheus.NewDesc("weighbridge_kek_unwraps_total", "Times that a key service was asked to unwrap a data key.", []string{"result"}, nil)
	kekKept    = prometheus.NewDesc("weighbridge_kek_cache_keys", "Data keys that are kept.", nil, nil)
	kekAge     = prometheus.NewDesc("weighbridge_kek_cache_age_seconds", "Since the key service last unwrapped one of the data keys that are kept.", nil, nil)
)

// Describe implements prometheus.Collector.
func (kekCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{kekLookups, kekUnwraps, kekKept, kekAge} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c kekCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	for result, n := range map[string]int64{"hit": s.Hits, "miss": s.Misses} {
		ch <- prometheus.MustNewConstMetric(kekLookups, prometheus.CounterValue, float64(n), result)
	}
	for result, n := range map[string]int64{"ok": s.Unwrapped, "refused": s.Refused, "unreachable": s.Unreachable} {
		ch <- prometheus.MustNewConstMetric(kekUnwraps, prometheus.CounterValue, float64(n), result)
	}
	ch <- prometheus.MustNewConstMetric(kekKept, prometheus.GaugeValue, float64(s.Kept))
	if s.Kept > 0 {
		// The newest of them: what is asked of a service that is away is as old
		// as its last answer. A clock that was set back makes nothing younger.
		ch <- prometheus.MustNewConstMetric(kekAge, prometheus.GaugeValue, max(0, c.now().Sub(s.Last).Seconds()))
	}
}
