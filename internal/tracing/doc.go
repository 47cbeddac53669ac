// Package tracing sends what package proxy tells of each request to an
// OpenTelemetry collector, as spans by OTLP over HTTP. It is built in with the
// tag otel alone, which links OpenTelemetry's SDK; in every other build Open
// refuses (docs/adr/0016-spans-behind-a-build-tag.md).
//
// Nothing here can hold up a request, or fail one: what the queue has no room
// for is dropped and counted.
package tracing
