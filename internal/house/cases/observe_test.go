package cases

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
)

// What a worker's tracer says goes upstream as it is, in both modes (Trace
// Context, section 2.1: "must forward"), and nothing is made up where it says
// nothing.
func TestTraceContextPasses(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{})
	key := h.HubWorker("hub")
	const parent, state = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "vendor=opaque,other=1"
	for _, mode := range modes {
		w := newWorker(t, h, mode, key.Key)
		for _, fields := range [][]string{{"Traceparent", parent, "Tracestate", state}, nil} {
			before := len(h.Server.Record.All())
			if r := w.follow(fileURL(hub.SampleGated, hub.SamplePlus), fields...); r.status != 200 {
				t.Fatalf("%s: %s", mode, r)
			}
			seen := h.Server.Record.All()[before:]
			if len(seen) < 2 {
				t.Errorf("%s: %d requests", mode, len(seen))
			}
			for _, r := range seen {
				want := [2]string{}
				if fields != nil {
					want = [2]string{parent, state}
				}
				if got := [2]string{r.Header.Get("Traceparent"), r.Header.Get("Tracestate")}; got != want {
					t.Errorf("%s: %s got %q, not %q", mode, r.Path, got, want)
				}
			}
		}
	}
}

// Each request has one line in the log and counts once, by what was decided,
// what came of it and why: one that is served, one that the address guard
// refuses, one that nothing is linked for, one that its upstream refuses.
func TestEachRequestIsCountedAndLoggedOnce(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{Configure: func(c *config.Config) { c.Unmatched.Reverse = auth.UnmatchedPass }})
	key := h.HubWorker("hub")
	w := newWorker(t, h, modes[1], key.Key)
	for _, ask := range []struct {
		url    string
		status int
		code   auth.Code
	}{
		{fileURL(hub.SampleGated, hub.SamplePlus), 302, ""},
		{fileURL(hub.SampleGated, "missing.bin"), 404, ""},
		{"https://169.254.169.254/latest/meta-data", 403, auth.CodeAddressForbidden},
		{"https://" + hub.Host + "/api/whoami-v2", 403, auth.CodeScopeForbidden},
	} {
		if r := w.get(ask.url); r.status != ask.status || r.code() != ask.code {
			t.Errorf("%s: %s", ask.url, r)
		}
	}
	var page []byte
	h.Eventually("all are counted", func() bool {
		h.Call(http.MethodGet, "/metrics", nil, &page)
		return strings.Contains(string(page), `code="scope_forbidden"`)
	})
	for _, want := range []string{
		`weighbridge_requests_total\{code="",mode="reverse",outcome="inject",provider="huggingface",status="3xx"\} 1`,
		`weighbridge_requests_total\{code="",mode="reverse",outcome="inject",provider="huggingface",status="4xx"\} 1`,
		`weighbridge_requests_total\{code="address_forbidden",mode="reverse",outcome="bare",provider="",status="4xx"\} 1`,
		`weighbridge_requests_total\{code="scope_forbidden",mode="reverse",outcome="refused",provider="huggingface",status="4xx"\} 1`,
		`weighbridge_first_byte_seconds_count\{mode="reverse"\} 2`, `weighbridge_request_seconds_count\{mode="reverse"\} 4`,
		`weighbridge_worker_bytes_total\{mode="reverse",outcome="inject",provider="huggingface"\} [1-9]`,
		`weighbridge_transfers 0`, `weighbridge_credentials\{status="valid"\} 1`,
	} {
		if !regexp.MustCompile(`(?m)^` + want + `$|^` + want + `\d*$`).Match(page) {
			t.Errorf("no %s in\n%s", want, page)
		}
	}
	lines := 0
	for line := range strings.Lines(h.Log.String()) {
		if strings.Contains(line, `"message":"request"`) && strings.Contains(line, `"mode":"reverse"`) {
			lines++
			if !strings.Contains(line, `"request_id":"`) || !strings.Contains(line, `"status":`) || !strings.Contains(line, `"key_id":"`) {
				t.Errorf("a line that does not say enough: %s", line)
			}
		}
	}
	if lines != 4 {
		t.Errorf("%d lines of 4 requests", lines)
	}
}

// What the Hub says is left of a token's limits is a metric, by the id of the
// credential, and the record says how it keeps up.
func TestMetricsOfLimitsAndTheRecord(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{})
	key := h.HubWorker("hub")
	if r := newWorker(t, h, modes[0], key.Key).follow(fileURL(hub.SampleGated, hub.SamplePlus)); r.status != 200 {
		t.Fatal(r)
	}
	h.Server.Faults.Add(hub.RateLimited(1, 300))
	_ = newWorker(t, h, modes[0], key.Key).follow(fileURL(hub.SampleGated, hub.SamplePlus))
	var b []byte
	h.Call(http.MethodGet, "/metrics", nil, &b)
	c, err := h.API().GetCredential(t.Context(), "hub")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`weighbridge_upstream_ratelimit_remaining\{class="resolvers",credential_id="` + c.ID + `"\} \d+`,
		`weighbridge_audit_queued_bytes \d+`, `weighbridge_audit_events_total [1-9]`, `weighbridge_audit_commits_total [1-9]`,
		`weighbridge_audit_refused_total 0`, `weighbridge_audit_trips_total 0`,
	} {
		if !regexp.MustCompile(`(?m)^` + want).Match(b) {
			t.Errorf("no %s in\n%s", want, b)
		}
	}
}

// Profiles are for admin.sock, and for nobody else.
func TestProfilesAreForTheSocket(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{Empty: true})
	for path, want := range map[string]string{"/debug/pprof/goroutine?debug=1": "goroutine profile:", "/debug/pprof/heap?debug=1": "heap profile:"} {
		var b []byte
		h.Call(http.MethodGet, path, nil, &b)
		if !strings.HasPrefix(string(b), want) {
			t.Errorf("%s: %.100s", path, b)
		}
		for _, base := range []string{h.Bridge.AdminURL(), h.Bridge.ProxyURL()} {
			resp, err := http.Get(base + path)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK || strings.Contains(string(body), "profile:") {
				t.Errorf("%s%s: %d", base, path, resp.StatusCode)
			}
		}
	}
}
