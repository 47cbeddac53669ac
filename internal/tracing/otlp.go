//go:build otel

package tracing

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	res "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	otlp "go.opentelemetry.io/proto/slim/otlp/trace/v1"
)

// resourceSpans are spans in OTLP's words. All of them are of one resource and
// of one scope, as they come from one tracer.
func resourceSpans(spans []sdk.ReadOnlySpan) []*otlp.ResourceSpans {
	if len(spans) == 0 {
		return nil
	}
	scope := spans[0].InstrumentationScope()
	in := &otlp.ScopeSpans{Scope: &common.InstrumentationScope{Name: scope.Name, Version: scope.Version}}
	for _, s := range spans {
		in.Spans = append(in.Spans, spanOf(s))
	}
	about := spans[0].Resource()
	return []*otlp.ResourceSpans{{
		Resource: &res.Resource{Attributes: attributes(about.Attributes())}, SchemaUrl: about.SchemaURL(), ScopeSpans: []*otlp.ScopeSpans{in},
	}}
}

func spanOf(s sdk.ReadOnlySpan) *otlp.Span {
	context, parent := s.SpanContext(), s.Parent()
	trace, id := context.TraceID(), context.SpanID()
	out := &otlp.Span{
		TraceId: trace[:], SpanId: id[:], Name: s.Name(), Kind: kindOf(s.SpanKind()), Flags: flagsOf(context, parent),
		StartTimeUnixNano: nano(s.StartTime()), EndTimeUnixNano: nano(s.EndTime()), Attributes: attributes(s.Attributes()),
		DroppedAttributesCount: uint32(s.DroppedAttributes()), DroppedEventsCount: uint32(s.DroppedEvents()),
		Status: &otlp.Status{Message: s.Status().Description},
	}
	if parent.IsValid() {
		id := parent.SpanID()
		out.ParentSpanId = id[:]
	}
	if s.Status().Code == codes.Error {
		out.Status.Code = otlp.Status_STATUS_CODE_ERROR
	}
	for _, e := range s.Events() {
		out.Events = append(out.Events, &otlp.Span_Event{Name: e.Name, TimeUnixNano: nano(e.Time), Attributes: attributes(e.Attributes)})
	}
	return out
}

// flagsOf are the flags of the trace, and whether the parent is another's.
func flagsOf(is, parent trace.SpanContext) uint32 {
	f := uint32(is.TraceFlags()) | uint32(otlp.SpanFlags_SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK)
	if parent.IsRemote() {
		f |= uint32(otlp.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)
	}
	return f
}

func kindOf(k trace.SpanKind) otlp.Span_SpanKind {
	switch k {
	case trace.SpanKindServer:
		return otlp.Span_SPAN_KIND_SERVER
	case trace.SpanKindClient:
		return otlp.Span_SPAN_KIND_CLIENT
	default:
		return otlp.Span_SPAN_KIND_INTERNAL
	}
}

// nano is 0, which is "unknown", for a time before 1970.
func nano(t time.Time) uint64 { return uint64(max(0, t.UnixNano())) }

func attributes(list []attribute.KeyValue) (out []*common.KeyValue) {
	for _, a := range list {
		out = append(out, &common.KeyValue{Key: string(a.Key), Value: valueOf(a.Value)})
	}
	return out
}

// valueOf knows the types of the attributes that there are; any other would be a
// string.
func valueOf(v attribute.Value) *common.AnyValue {
	if v.Type() == attribute.INT64 {
		return &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: v.AsInt64()}}
	}
	return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: v.String()}}
}
