//go:build otel

package tracing

import (
	"context"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/weighbridge/weighbridge/proxy"
)

// The attributes, all of them: those without our prefix are of OpenTelemetry's
// semantic conventions for HTTP spans
// (https://opentelemetry.io/docs/specs/semconv/http/http-spans/). None of them
// holds a URL, a path, a query or a header, and none a name that people gave:
// who reads traces is not who may read the record. The ids lead there.
const (
	attrMethod     = attribute.Key("http.request.method")
	attrResend     = attribute.Key("http.request.resend_count")
	attrStatus     = attribute.Key("http.response.status_code")
	attrBytes      = attribute.Key("http.response.body.size")
	attrError      = attribute.Key("error.type")
	attrAddress    = attribute.Key("server.address")
	attrPort       = attribute.Key("server.port")
	attrRequest    = attribute.Key("weighbridge.request_id")
	attrMode       = attribute.Key("weighbridge.mode")
	attrOutcome    = attribute.Key("weighbridge.outcome")
	attrProvider   = attribute.Key("weighbridge.provider")
	attrCredential = attribute.Key("weighbridge.credential_id")
	attrCode       = attribute.Key("weighbridge.code")
)

// workerGone is the error.type of what a worker broke off.
const workerGone = "worker_gone"

// emit makes the spans of a request: one for the worker's request, with an event
// for each decision, and below it one for each leg.
func (e *exporter) emit(t *proxy.Trace) {
	ctx, span := e.tracer.Start(parentOf(t.Parent), nameOf(t.Method), trace.WithTimestamp(t.Started), trace.WithSpanKind(trace.SpanKindServer))
	if !span.IsRecording() {
		return
	}
	for i := range t.Legs {
		e.emitLeg(ctx, t, i)
	}
	for _, d := range t.Decisions {
		about := []attribute.KeyValue{attrOutcome.String(d.Outcome)}
		if d.Code != "" {
			about = append(about, attrCode.String(string(d.Code)))
		}
		span.AddEvent("decision", trace.WithTimestamp(d.At), trace.WithAttributes(about...))
	}
	span.SetAttributes(attrMethod.String(t.Method), attrRequest.String(t.RequestID), attrMode.String(t.Mode), attrOutcome.String(t.Outcome), attrBytes.Int64(t.Bytes))
	if t.Provider != "" {
		span.SetAttributes(attrProvider.String(t.Provider))
	}
	if t.CredentialID != "" {
		span.SetAttributes(attrCredential.String(t.CredentialID))
	}
	if t.Status > 0 {
		span.SetAttributes(attrStatus.Int(t.Status))
	}
	what := failure(t.Failed, string(t.Code), t.Status, 500)
	if what != "" {
		span.SetAttributes(attrError.String(what))
	}
	// A refusal is the answer to a mistake of the worker's, and its going away is
	// nobody's: of servers the conventions call neither an error.
	if what != "" && what != workerGone && (t.Status < 400 || t.Status >= 500) {
		span.SetStatus(codes.Error, what)
	}
	span.End(trace.WithTimestamp(t.Ended))
}

func (e *exporter) emitLeg(ctx context.Context, t *proxy.Trace, i int) {
	l := &t.Legs[i]
	_, span := e.tracer.Start(ctx, nameOf(t.Method), trace.WithTimestamp(l.Started), trace.WithSpanKind(trace.SpanKindClient))
	span.SetAttributes(attrMethod.String(t.Method), attrRequest.String(l.RequestID), attrPort.Int(int(l.Port)))
	if l.Host != "" {
		span.SetAttributes(attrAddress.String(l.Host))
	}
	if i > 0 {
		span.SetAttributes(attrResend.Int(i))
	}
	if l.Status > 0 {
		span.SetAttributes(attrStatus.Int(l.Status))
		span.AddEvent("head", trace.WithTimestamp(l.Head))
	}
	if what := failure(l.Failed, string(l.Code), l.Status, 400); what != "" {
		span.SetAttributes(attrError.String(what))
		if what != workerGone {
			span.SetStatus(codes.Error, what)
		}
	}
	span.End(trace.WithTimestamp(l.Ended))
}

// parentOf is a context with what a traceparent says, which is nothing where it
// is malformed (W3C Trace Context, section 3.2.2.2). The worker's tracestate is
// not read: it may hold anything, and goes upstream alone.
func parentOf(traceparent string) context.Context {
	return propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": traceparent})
}

// nameOf is the name of a span without a route.
func nameOf(method string) string {
	if method == "_OTHER" {
		return "HTTP"
	}
	return method
}

// failure is what went wrong, in a word of few, or empty. What was answered by
// the upstream with a status from bad on went wrong as well.
func failure(failed bool, code string, status, bad int) string {
	switch {
	case failed && code == "":
		return workerGone
	case failed:
		return code
	case status >= bad:
		return strconv.Itoa(status)
	}
	return ""
}
