package bridge

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weighbridge/weighbridge/auth/audit"
)

// auditCollector shows how the record of use keeps up when /metrics is asked.
type auditCollector struct{ stats func() audit.Stats }

var (
	auditQueued  = prometheus.NewDesc("weighbridge_audit_queued_bytes", "Bytes of the record that wait to be written.", nil, nil)
	auditEvents  = prometheus.NewDesc("weighbridge_audit_events_total", "Events that became durable.", nil, nil)
	auditCommits = prometheus.NewDesc("weighbridge_audit_commits_total", "Commits of the record: one sync of the disk each, where it is synced.", nil, nil)
	auditRefused = prometheus.NewDesc("weighbridge_audit_refused_total", "Requests that were refused because they could not be put on record.", nil, nil)
	auditTrips   = prometheus.NewDesc("weighbridge_audit_trips_total", "Times that the record could not be written any more.", nil, nil)
)

// Describe implements prometheus.Collector.
func (auditCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{auditQueued, auditEvents, auditCommits, auditRefused, auditTrips} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c auditCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	ch <- prometheus.MustNewConstMetric(auditQueued, prometheus.GaugeValue, float64(s.QueuedBytes))
	for d, n := range map[*prometheus.Desc]int64{auditEvents: s.Events, auditCommits: s.Commits, auditRefused: s.Refused, auditTrips: s.Trips} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n))
	}
}
