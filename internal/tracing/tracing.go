package tracing

import (
	"net/http"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy"
)

// Options of Open.
type Options struct {
	// Endpoint is the base URL of the collector, to which /v1/traces is added;
	// empty leaves it to the variables of OpenTelemetry, and to none.
	Endpoint string
	// Token reads what the collector wants as a Bearer token, for each request;
	// nil is none.
	Token func() (auth.Secret, error)
	// Getenv looks variables of the environment up.
	Getenv func(string) string
	// Client reaches the collector; it follows no redirect.
	Client *http.Client
	// Version is weighbridge's.
	Version string
	// Report is told when spans begin to be lost at the collector, and, by nil,
	// when it takes them again. No error quotes a URL, a header or a token.
	Report func(error)
}

// Exporter is a proxy.Tracer that sends spans.
type Exporter interface {
	proxy.Tracer
	Stats() Stats
	// Close sends what there is within flushLimit, and ends everything. No Trace
	// may be on its way or follow.
	Close()
}

// Stats are what became of spans so far.
type Stats struct {
	// Sent were taken by the collector, Failed were not, and Dropped were never
	// sent because too many were waiting.
	Sent, Failed, Dropped int64
}

// variables of OpenTelemetry that name a collector
// (https://opentelemetry.io/docs/specs/otel/protocol/exporter/).
const (
	varEndpoint       = "OTEL_EXPORTER_OTLP_ENDPOINT"
	varTracesEndpoint = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
)

// Named reports whether the environment names a collector.
func Named(getenv func(string) string) bool {
	return getenv(varEndpoint) != "" || getenv(varTracesEndpoint) != ""
}
