package bridge

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/audit"
	"github.com/weighbridge/weighbridge/proxy"
)

// metrics are what /metrics shows. No label carries the name of a key, a
// credential, a host or a worker: those are in the record.
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	bytes     *prometheus.CounterVec
	resumed   *prometheus.CounterVec
	firstByte *prometheus.HistogramVec
	duration  *prometheus.HistogramVec
	// validations counts by provider and verdict.
	validations *prometheus.CounterVec

	mu     sync.RWMutex // guards series
	series map[seriesKey]*series
}

// seriesKey is all labels of a sample; there are as many as series.
type seriesKey struct {
	mode, outcome, provider string
	code                    auth.Code
	class                   int
}

// series is where samples of one key are counted: looking a counter up by its
// labels costs more than counting.
type series struct {
	requests, bytes     prometheus.Counter
	firstByte, duration prometheus.Observer
}

var _ proxy.Metrics = (*metrics)(nil)

// gauges are read when /metrics is asked.
type gauges struct {
	transfers, tunnels, lent func() float64
	auditDown                func() float64
	// audit is what the record of use says of itself.
	audit func() audit.Stats
	// kek is what is asked of a key service.
	kek kekCollector
	// limits are what is left of the limits of upstreams.
	limits prometheus.Collector
	// credentials are those that there are, and the time; see statuses and ends.
	credentials func() (auth.State, time.Time)
}

func newMetrics(version string, g gauges) *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), series: map[seriesKey]*series{}}
	m.requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "weighbridge_requests_total", Help: "Requests of the data plane by mode, outcome, provider, code of refusal and status class.",
	}, []string{"mode", "outcome", "provider", "code", "status"})
	m.bytes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "weighbridge_worker_bytes_total", Help: "Bytes of body sent to workers.",
	}, []string{"mode", "outcome", "provider"})
	m.resumed = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "weighbridge_resumed_total", Help: "Further requests by which answers that broke off were completed, or tried to be.",
	}, []string{"mode", "outcome", "provider"})
	m.firstByte = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "weighbridge_first_byte_seconds", Help: "Time to the head of the answer.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"mode"})
	m.duration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "weighbridge_request_seconds", Help: "Time to the end of the body.",
		Buckets: []float64{.01, .05, .1, .5, 1, 5, 10, 60, 300, 1800, 7200},
	}, []string{"mode"})
	m.validations = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "weighbridge_validations_total", Help: "Validations of credentials by provider and verdict.",
	}, []string{"provider", "verdict"})
	m.registry.MustRegister(m.validations, &credentialCollector{g.credentials}, g.limits, auditCollector{g.audit}, g.kek)
	m.registry.MustRegister(m.requests, m.bytes, m.resumed, m.firstByte, m.duration,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	gauge := func(name, help string, f func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f))
	}
	gauge("weighbridge_transfers", "Requests in progress.", g.transfers)
	gauge("weighbridge_tunnels", "Blind tunnels that are open.", g.tunnels)
	gauge("weighbridge_lent_bytes", "Memory lent to streaming bodies.", g.lent)
	gauge("weighbridge_audit_unavailable", "1 while the audit record cannot be written and nothing is served.", g.auditDown)
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "weighbridge_build_info", Help: "1, with the version.", ConstLabels: prometheus.Labels{"version": version},
	}, func() float64 { return 1 }))
	return m
}

// Observe implements proxy.Metrics.
func (m *metrics) Observe(s proxy.Sample) {
	key := seriesKey{s.Mode, s.Outcome, s.Provider, s.Code, s.Status / 100}
	m.mu.RLock()
	to := m.series[key]
	m.mu.RUnlock()
	if to == nil {
		to = m.seriesOf(key)
	}
	to.requests.Inc()
	if s.Bytes > 0 {
		to.bytes.Add(float64(s.Bytes))
	}
	if s.Resumed > 0 {
		m.resumed.WithLabelValues(s.Mode, s.Outcome, s.Provider).Add(float64(s.Resumed)) // seldom
	}
	if s.FirstByte > 0 {
		to.firstByte.Observe(s.FirstByte.Seconds())
	}
	if s.Duration > 0 {
		to.duration.Observe(s.Duration.Seconds())
	}
}

// seriesOf makes the entry of key.
func (m *metrics) seriesOf(key seriesKey) *series {
	class := ""
	if key.class > 0 {
		class = strconv.Itoa(key.class) + "xx"
	}
	to := &series{
		requests:  m.requests.WithLabelValues(key.mode, key.outcome, key.provider, string(key.code), class),
		bytes:     m.bytes.WithLabelValues(key.mode, key.outcome, key.provider),
		firstByte: m.firstByte.WithLabelValues(key.mode),
		duration:  m.duration.WithLabelValues(key.mode),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.series[key] = to
	return to
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError})
}
