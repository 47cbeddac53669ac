//go:build otel

package tracing

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	service "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house/collector"
	"github.com/weighbridge/weighbridge/proxy"
)

func TestMain(m *testing.M) {
	// A batch each 20 ms and not each 5 s: the SDK has that of the environment
	// alone.
	_ = os.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
	goleak.VerifyTestMain(m)
}

// rig is an exporter and what it reported.
type rig struct {
	Exporter
	reports atomic.Int64
	last    atomic.Value
}

func open(t *testing.T, endpoint string, env map[string]string) *rig {
	t.Helper()
	r := &rig{}
	e, err := Open(Options{
		Endpoint: endpoint, Getenv: func(name string) string { return env[name] },
		Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, Version: "1.2.3",
		Report: func(err error) {
			r.reports.Add(1)
			r.last.Store(fmt.Sprint(err))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Exporter = e
	return r
}

// request is a request that took one leg.
func request(parent string) *proxy.Trace {
	at := time.Now()
	t := &proxy.Trace{RequestID: "r1", Method: "GET", Parent: parent, Started: at, Ended: at.Add(time.Second)}
	t.Mode, t.Outcome, t.Provider, t.Status, t.Bytes = "forward", "inject", "fake", 200, 7
	t.Decisions = []proxy.TracedDecision{{At: at, Outcome: "inject"}}
	t.Legs = []proxy.Leg{{RequestID: "r1", Host: "hub.example", Port: 443, Started: at, Head: at, Ended: at.Add(time.Second), Status: 200}}
	return t
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

const sampled, unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"

// A request becomes two spans in its worker's trace; without a parent, or with
// one that is malformed, it begins a trace; and what the worker does not sample
// is not sent.
func TestSpansContinueTheTraceOfTheWorker(t *testing.T) {
	c := collector.New(t)
	e := open(t, c.URL, nil)
	e.Trace(request(sampled))
	e.Trace(request(unsampled))
	for _, parent := range []string{"", "nonsense", strings.ToUpper(sampled), sampled + "-more", "00-00000000000000000000000000000000-b7ad6b7169203331-01"} {
		e.Trace(request(parent))
	}
	e.Close()
	all := c.Spans()
	if len(all) != 2*6 || e.Stats() != (Stats{Sent: 12}) {
		t.Fatalf("%d spans, %+v", len(all), e.Stats())
	}
	traces := map[string]int{}
	for _, s := range all {
		traces[s.Trace]++
		if s.Resource["service.name"] != "weighbridge" || s.Resource["service.version"] != "1.2.3" {
			t.Errorf("%v", s.Resource)
		}
		if s.Trace != "0af7651916cd43dd8448eb211c80319c" && s.Server && (s.Parent != "" || s.RemoteParent) {
			t.Errorf("it has the parent %s", s.Parent)
		}
	}
	if len(traces) != 6 || traces["0af7651916cd43dd8448eb211c80319c"] != 2 {
		t.Errorf("%v", traces)
	}
	leg, server := all[0], all[1]
	if leg.Server || !server.Server || server.Parent != "b7ad6b7169203331" || !server.RemoteParent || leg.Parent != server.ID || leg.RemoteParent {
		t.Errorf("%+v\n%+v", server, leg)
	}
	want := "map[http.request.method:GET http.response.body.size:7 http.response.status_code:200 weighbridge.mode:forward weighbridge.outcome:inject weighbridge.provider:fake weighbridge.request_id:r1]"
	if got := fmt.Sprint(server.Attributes); got != want {
		t.Errorf("got %s", got)
	}
	if got := fmt.Sprint(leg.Attributes); got != "map[http.request.method:GET http.response.status_code:200 server.address:hub.example server.port:443 weighbridge.request_id:r1]" {
		t.Errorf("got %s", got)
	}
	if got := fmt.Sprint(server.Events, leg.Events); got != "[{decision map[weighbridge.outcome:inject]}] [{head map[]}]" {
		t.Errorf("got %s", got)
	}
}

// The status of the spans says what is whose mistake.
func TestStatusOfSpans(t *testing.T) {
	for name, c := range map[string]struct {
		status, legStatus int
		failed            bool
		code              auth.Code
		want, wantLeg     string
	}{
		"served":             {200, 200, false, "", "", ""},
		"refused by us":      {403, 0, true, auth.CodeNotLinked, "unset not_linked", ""},
		"refused upstream":   {403, 403, false, "", "", "error 403"},
		"failed upstream":    {500, 500, false, "", "error 500", "error 500"},
		"not reached":        {502, -1, true, auth.CodeUpstreamUnreachable, "error upstream_unreachable", "error upstream_unreachable"},
		"broke off":          {200, 200, true, auth.CodeUpstreamUnreachable, "error upstream_unreachable", "error upstream_unreachable"},
		"the worker is gone": {200, 200, true, "", "unset worker_gone", "unset worker_gone"},
	} {
		t.Run(name, func(t *testing.T) {
			at := collector.New(t)
			e := open(t, at.URL, nil)
			r := request(sampled)
			r.Status, r.Failed, r.Code = c.status, c.failed, c.code
			if c.legStatus == 0 {
				r.Legs = nil
			} else {
				r.Legs[0].Status, r.Legs[0].Failed, r.Legs[0].Code = max(0, c.legStatus), c.failed, c.code
			}
			e.Trace(r)
			e.Close()
			say := func(s collector.Span) string {
				what := s.Attributes["error.type"]
				switch {
				case s.Error && s.Message == what:
					return "error " + what
				case what != "":
					return "unset " + what
				}
				return ""
			}
			for _, s := range at.Spans() {
				want := c.want
				if !s.Server {
					want = c.wantLeg
				}
				if got := say(s); got != want {
					t.Errorf("server %v: %q, not %q", s.Server, got, want)
				}
			}
		})
	}
}

// A collector that is away holds nobody up: what does not fit is dropped and
// counted, what cannot be sent is counted and reported once, and the end comes.
func TestACollectorThatIsAwayCostsSpansOnly(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	e := open(t, "http://"+gone.Addr().String(), map[string]string{"OTEL_EXPORTER_OTLP_TIMEOUT": "50"})
	const requests = 3 * waiting
	for range requests {
		e.Trace(request(sampled)) // would never return if it waited
	}
	eventually(t, "spans are counted as failed", func() bool { return e.Stats().Failed > 0 })
	e.sender().cut() // the end waits no longer than flushLimit, and this test not at all
	e.Close()
	s := e.Stats()
	if s.Sent != 0 || s.Failed == 0 || s.Failed+s.Dropped != 2*requests {
		t.Errorf("%+v of %d", s, 2*requests)
	}
	if e.reports.Load() != 1 || !strings.HasPrefix(e.last.Load().(string), "the collector cannot be reached") || strings.Contains(e.last.Load().(string), "/v1/traces") {
		t.Errorf("%d reports, the last %q", e.reports.Load(), e.last.Load())
	}
}

func (r *rig) sender() *sender { return r.Exporter.(*exporter).sender }

// A collector that is busy is asked again, and one that refuses is not.
func TestABusyCollectorIsAskedAgain(t *testing.T) {
	c := collector.New(t)
	partial, err := proto.Marshal(&service.ExportTraceServiceResponse{PartialSuccess: &service.ExportTracePartialSuccess{RejectedSpans: 1, ErrorMessage: "one too many"}})
	if err != nil {
		t.Fatal(err)
	}
	c.Answer(func(asked int) (int, http.Header, []byte) {
		switch asked {
		case 0:
			return http.StatusServiceUnavailable, http.Header{"Retry-After": {"0"}}, nil
		case 1:
			return http.StatusOK, nil, nil
		case 2:
			return http.StatusUnauthorized, nil, nil
		case 3:
			return http.StatusOK, nil, partial
		}
		return http.StatusOK, nil, nil
	})
	e := open(t, "", map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_EXPORTER_OTLP_HEADERS": "X-Scope=a%20b, api-key=k", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
	})
	for i, want := range []Stats{{Sent: 2}, {Sent: 2, Failed: 2}, {Sent: 3, Failed: 3}, {Sent: 5, Failed: 3}} {
		e.Trace(request(sampled))
		eventually(t, fmt.Sprintf("%d: %+v", i, want), func() bool { return e.Stats() == want })
	}
	e.Close()
	if h := c.Header(); h.Get("X-Scope") != "a b" || h.Get("Api-Key") != "k" || h.Get("Content-Encoding") != "gzip" {
		t.Errorf("%v", h)
	}
	if n := e.reports.Load(); n != 2 { // that spans are lost, and that they are not
		t.Errorf("%d reports", n)
	}
}

// What the environment asks for and cannot have is refused, in words that hold
// none of its values.
func TestSettingsOfTheEnvironment(t *testing.T) {
	for want, env := range map[string]map[string]string{
		"none":                                 {},
		"none, off":                            {"OTEL_SDK_DISABLED": "TRUE", varEndpoint: "http://c:4318"},
		"http://c:4318/v1/traces":              {varEndpoint: "http://c:4318/"},
		"http://c:4318/in/v1/traces":           {varEndpoint: "http://c:4318/in"},
		"http://d/other":                       {varEndpoint: "http://c", varTracesEndpoint: "http://d/other"},
		"http://d/":                            {varTracesEndpoint: "http://d"},
		"OTEL_EXPORTER_OTLP_ENDPOINT is not":   {varEndpoint: "secret:4317"},
		"OTEL_EXPORTER_OTLP_ENDPOINT is not a": {varEndpoint: "http://user:secret@c"},
		"OTEL_EXPORTER_OTLP_PROTOCOL":          {varEndpoint: "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
		"OTEL_EXPORTER_OTLP_TRACES_HEADERS":    {varEndpoint: "http://c", "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "a=secret%0d%0a"},
		"OTEL_EXPORTER_OTLP_HEADERS":           {varEndpoint: "http://c", "OTEL_EXPORTER_OTLP_HEADERS": "secret"},
		"OTEL_EXPORTER_OTLP_TIMEOUT":           {varEndpoint: "http://c", "OTEL_EXPORTER_OTLP_TIMEOUT": "soon"},
		"OTEL_EXPORTER_OTLP_COMPRESSION":       {varEndpoint: "http://c", "OTEL_EXPORTER_OTLP_COMPRESSION": "zstd"},
		"OTEL_EXPORTER_OTLP_CERTIFICATE":       {varEndpoint: "http://c", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/secret"},
	} {
		s, err := settingsOf(Options{Getenv: func(name string) string { return env[name] }})
		got := "none"
		switch {
		case err != nil:
			got = err.Error()
		case s != nil:
			got = s.url
		}
		if want, _, _ := strings.Cut(want, ","); !strings.HasPrefix(got, want) || strings.Contains(got, "secret") {
			t.Errorf("%s: %s", want, got)
		}
	}
}
