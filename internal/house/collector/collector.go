//go:build otel

package collector

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	service "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Span is one span that arrived. Numbers among the attributes are decimal.
type Span struct {
	Trace, ID, Parent string
	// RemoteParent says that the parent is said to be another process's.
	RemoteParent bool
	Name         string
	Server       bool // and a client's otherwise
	// Error is the status, Message its description.
	Error      bool
	Message    string
	Start, End time.Time
	Attributes map[string]string
	Events     []Event
	// Resource is what all spans of its process have in common.
	Resource map[string]string
}

// Event is one of a span's.
type Event struct {
	Name       string
	Attributes map[string]string
}

// Collector listens on loopback until its test ends.
type Collector struct {
	// URL is its base.
	URL string

	t      testing.TB
	mu     sync.Mutex
	spans  []Span
	raw    []byte
	header http.Header
	asked  int
	answer func(asked int) (status int, header http.Header, body []byte)
}

// New starts a collector that takes everything.
func New(t testing.TB) *Collector {
	c := &Collector{t: t}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	c.URL = s.URL
	return c
}

// Answer makes it answer as f says, told how often it was asked before; only
// what gets a status of success counts as taken.
func (c *Collector) Answer(f func(asked int) (status int, header http.Header, body []byte)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = f
}

// Spans are those that it took.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Raw is every byte of every request that came, decompressed, header included.
func (c *Collector) Raw() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.raw)
}

// Header is that of the last request.
func (c *Collector) Header() http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.header.Clone()
}

// Asked is how many requests came.
func (c *Collector) Asked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}

// ServeHTTP implements http.Handler.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := read(r)
	var q service.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &q)
	}
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		c.t.Errorf("%s %s with %v: %v", r.Method, r.URL, r.Header, err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.header, c.raw = r.Header.Clone(), append(c.raw, body...)
	for name, values := range r.Header {
		for _, v := range values {
			c.raw = append(c.raw, name+": "+v+"\n"...)
		}
	}
	asked := c.asked
	c.asked++
	w.Header().Set("Content-Type", "application/x-protobuf")
	if c.answer != nil {
		status, header, body := c.answer(asked)
		for name := range header {
			w.Header().Set(name, header.Get(name))
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
		if status != http.StatusOK {
			return
		}
	}
	for _, rs := range q.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				c.spans = append(c.spans, c.spanOf(rs, s))
			}
		}
	}
}

func read(r *http.Request) ([]byte, error) {
	if r.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(r.Body)
	}
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// spanOf is s, which must be whole.
func (c *Collector) spanOf(rs *otlp.ResourceSpans, s *otlp.Span) Span {
	if len(s.TraceId) != 16 || len(s.SpanId) != 8 || len(s.ParentSpanId) != 0 && len(s.ParentSpanId) != 8 || s.EndTimeUnixNano < s.StartTimeUnixNano || s.StartTimeUnixNano == 0 || s.TraceState != "" {
		c.t.Errorf("not a span: %v", s)
	}
	remote := uint32(otlp.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)
	out := Span{
		Trace: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId), Parent: hex.EncodeToString(s.ParentSpanId),
		RemoteParent: s.Flags&remote != 0, Name: s.Name, Server: s.Kind == otlp.Span_SPAN_KIND_SERVER,
		Error: s.GetStatus().GetCode() == otlp.Status_STATUS_CODE_ERROR, Message: s.GetStatus().GetMessage(),
		Start: time.Unix(0, int64(s.StartTimeUnixNano)), End: time.Unix(0, int64(s.EndTimeUnixNano)),
		Attributes: texts(s.Attributes), Resource: texts(rs.GetResource().GetAttributes()),
	}
	if !out.Server && s.Kind != otlp.Span_SPAN_KIND_CLIENT {
		c.t.Errorf("a span of the kind %v", s.Kind)
	}
	for _, e := range s.Events {
		if e.TimeUnixNano < s.StartTimeUnixNano || e.TimeUnixNano > s.EndTimeUnixNano {
			c.t.Errorf("the event %s lies outside its span", e.Name)
		}
		out.Events = append(out.Events, Event{e.Name, texts(e.Attributes)})
	}
	return out
}

func texts(list []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, a := range list {
		if n, ok := a.GetValue().GetValue().(*common.AnyValue_IntValue); ok {
			out[a.Key] = strconv.FormatInt(n.IntValue, 10)
			continue
		}
		out[a.Key] = a.GetValue().GetStringValue()
	}
	return out
}
