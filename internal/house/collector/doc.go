// Package collector is an OpenTelemetry collector for tests: it takes OTLP over
// HTTP, decodes it, and holds it to what a collector may expect. It is there with
// the build tag otel.
package collector
