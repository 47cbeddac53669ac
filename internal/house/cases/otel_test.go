//go:build otel

package cases

import (
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/collector"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// everyAttribute is all that spans may say. What is added here is shown to
// whoever reads traces: docs/observability.md names it too.
var everyAttribute = []string{
	"error.type", "http.request.method", "http.request.resend_count", "http.response.body.size", "http.response.status_code", "server.address", "server.port",
	"weighbridge.code", "weighbridge.credential_id", "weighbridge.mode", "weighbridge.outcome", "weighbridge.provider", "weighbridge.request_id",
}

// A download in a worker's trace becomes spans of that trace, one for each of
// its requests with one for each leg below; the upstream gets what the worker
// sent and nothing of ours; and not a byte of what is exported is a secret, a
// key, a path, a query, or a name that people gave.
func TestSpansOfADownload(t *testing.T) {
	t.Parallel()
	at := collector.New(t)
	token := house.NewCanary("col_")
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token.Value()), 0o600); err != nil {
		t.Fatal(err)
	}
	h := house.New(t, house.Options{Configure: func(c *config.Config) { c.Tracing.Endpoint, c.Tracing.Token.File = at.URL, file }})
	h.Watch.Add(token)
	key := h.HubWorker("credential-of-a-customer")
	const trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	const parent = "00-" + trace + "-" + span + "-01"
	carried := house.NewCanary("state_")
	for _, mode := range modes {
		w := newWorker(t, h, mode, key.Key)
		before := len(h.Server.Record.All())
		if r := w.follow(fileURL(hub.SampleGated, hub.SamplePlus)+"?asked=query", "Traceparent", parent, "Tracestate", "v="+carried.Value()); r.status != http.StatusOK {
			t.Fatalf("%s: %s", mode, r)
		}
		for _, r := range h.Server.Record.All()[before:] {
			if r.Header.Get("Traceparent") != parent || r.Header.Get("Tracestate") != "v="+carried.Value() {
				t.Errorf("%s: the upstream got %v", mode, r.Header)
			}
		}
		if r := w.get("https://"+hub.Host+"/api/whoami-v2", "Traceparent", parent); r.status != http.StatusForbidden || r.code() == "" {
			t.Errorf("%s: %s", mode, r)
		}
		h.Server.Faults.Add(origin.Fault{Kind: origin.Answer, Times: 1, Status: http.StatusInternalServerError})
		if r := w.get(fileURL(hub.SampleGated, hub.SamplePlus), "Traceparent", parent); r.status != http.StatusInternalServerError {
			t.Errorf("%s: %s", mode, r)
		}
	}
	h.Close() // which sends what there is

	log := h.Log.String()
	servers, legs := map[string]collector.Span{}, 0
	for _, s := range at.Spans() {
		if s.Trace != trace {
			t.Errorf("it is of another trace: %+v", s)
		}
		if s.Server {
			servers[s.ID] = s
		}
	}
	for _, s := range at.Spans() {
		names := slices.Collect(maps.Keys(s.Attributes))
		for _, e := range s.Events {
			names = slices.AppendSeq(names, maps.Keys(e.Attributes))
		}
		for _, name := range names {
			if !slices.Contains(everyAttribute, name) {
				t.Errorf("the attribute %s", name)
			}
		}
		if !strings.Contains(log, `"request_id":"`+s.Attributes["weighbridge.request_id"]+`"`) {
			t.Errorf("not in the log: %v", s.Attributes)
		}
		if s.Server {
			if s.Parent != span || !s.RemoteParent {
				t.Errorf("it hangs below %s", s.Parent)
			}
			continue
		}
		legs++
		above, ok := servers[s.Parent]
		if !ok || s.Start.Before(above.Start) || s.End.After(above.End) || s.Attributes["server.address"] == "" {
			t.Errorf("a leg of nothing: %+v", s)
		}
	}
	count := map[string]int{}
	for _, s := range servers {
		what := s.Attributes["weighbridge.mode"] + " " + s.Attributes["weighbridge.outcome"] + " " + s.Attributes["http.response.status_code"] + " " + s.Attributes["error.type"]
		if s.Error {
			what += " error"
		}
		count[what]++
	}
	for _, mode := range []string{"forward", "reverse"} {
		for what, n := range map[string]int{" inject 302 ": 1, " bare 200 ": 1, " refused 403 scope_forbidden": 1, " inject 500 500 error": 1} {
			if count[mode+what] != n {
				t.Errorf("%d of %s%s among %v", count[mode+what], mode, what, count)
			}
		}
	}
	if len(servers) != 8 || legs != 6 {
		t.Errorf("%d requests and %d legs: %v", len(servers), legs, count)
	}

	raw := at.Raw()
	if !strings.Contains(string(raw), "Authorization: Bearer "+token.Value()) {
		t.Error("the collector did not get its token")
	}
	for _, c := range []*house.Canary{h.Token, carried, house.CanaryOf(key.Key)} {
		for _, hit := range c.Search("what was exported", raw) {
			t.Error(hit)
		}
	}
	for _, what := range []string{"credential-of-a-customer", "query", "/resolve", hub.SamplePlus, "Signature", key.Name + "\""} {
		if strings.Contains(string(raw), what) {
			t.Errorf("what was exported holds %q", what)
		}
	}
}

// A collector that is away takes nothing from anybody: requests are served, the
// end comes, and metrics and log say what was lost.
func TestSpansWithoutACollector(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20") // the SDK reads that of the process, and waits 5 s
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	h := house.New(t, house.Options{Environ: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + gone.Addr().String(), "OTEL_EXPORTER_OTLP_TIMEOUT=20"}})
	key := h.HubWorker("hub")
	for _, mode := range modes {
		if r := newWorker(t, h, mode, key.Key).follow(fileURL(hub.SampleGated, hub.SamplePlus)); r.status != http.StatusOK {
			t.Fatalf("%s: %s", mode, r)
		}
	}
	lost := func() bool {
		var page []byte
		h.Call(http.MethodGet, "/metrics", nil, &page)
		return strings.Contains(string(page), `weighbridge_trace_spans_total{result="failed"} 8`) && strings.Contains(string(page), `weighbridge_trace_spans_total{result="sent"} 0`)
	}
	h.Eventually("eight spans were lost", lost)
	if r := newWorker(t, h, modes[1], "wbk_"+strings.Repeat("0", 40)).get(fileURL(hub.SampleGated, hub.SamplePlus)); r.code() != auth.CodeKeyInvalid {
		t.Error(r)
	}
	h.Close()
	if n := strings.Count(h.Log.String(), "spans are lost"); n != 1 {
		t.Errorf("the log says so %d times", n)
	}
}
