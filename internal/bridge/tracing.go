package bridge

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/tracing"
)

// openTracing begins to export spans, where a collector is named. It is reached
// as webhooks are: the operator alone names it.
func (b *Bridge) openTracing(cfg *config.Config) error {
	env := environ(b.o.Environ)
	o := tracing.Options{
		Endpoint: cfg.Tracing.Endpoint, Getenv: env, Client: b.webhookClient(), Version: b.o.Version,
		Report: func(err error) {
			if err == nil {
				b.log.Info().Msg("the collector takes spans again")
				return
			}
			b.log.Warn().Err(err).Msg("spans are lost; requests are served as ever")
		},
	}
	if !cfg.Tracing.Token.IsZero() {
		o.Token = func() (auth.Secret, error) { return b.loaded.Load().Value(cfg.Tracing.Token) }
	}
	e, err := tracing.Open(o)
	if err != nil {
		return fmt.Errorf("tracing: %w", err)
	}
	if e == nil {
		if !tracing.Built && tracing.Named(env) {
			b.log.Info().Msg("a variable names an OpenTelemetry collector, but this build exports no spans: one that was made with -tags otel does")
		}
		return nil
	}
	b.tracer = e
	b.metrics.registry.MustRegister(traceCollector{e.Stats})
	return nil
}

// traceCollector shows what becomes of spans when /metrics is asked.
type traceCollector struct{ stats func() tracing.Stats }

var traceSpans = prometheus.NewDesc("weighbridge_trace_spans_total", "Spans by what became of them.", []string{"result"}, nil)

// Describe implements prometheus.Collector.
func (traceCollector) Describe(ch chan<- *prometheus.Desc) { ch <- traceSpans }

// Collect implements prometheus.Collector.
func (c traceCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	for result, n := range map[string]int64{"sent": s.Sent, "failed": s.Failed, "dropped": s.Dropped} {
		ch <- prometheus.MustNewConstMetric(traceSpans, prometheus.CounterValue, float64(n), result)
	}
}
