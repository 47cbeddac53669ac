package cases

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// telltale are parts of queries of signed URLs.
var telltale = []string{"X-Amz-", "Signature=", "Key-Pair-Id", "Policy=", "sig=", "response-content-disposition", "token=", "%2Faws4_request"}

// TestT55_NothingThatIsKeptOrShownHoldsASecretOrAQuery drives whole downloads,
// refusals and failures with secrets in every query and field, at log level
// debug, and then reads everything that is kept or shown. The secrets
// themselves, in each of their forms, are looked for when the house closes.
func TestT55_NothingThatIsKeptOrShownHoldsASecretOrAQuery(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "200000")
		_, _ = w.Write(make([]byte, 100_000))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
		_, _ = w.Write(make([]byte, 100_000))
	})
	h := house.New(t, house.Options{Mount: mount(t, map[string]http.Handler{"slow.example.com": slow, blindHost: files(origin.Text("x"))})})
	key := h.HubWorker("hub")
	bearer(h, "slow", "slow.example.com/*")
	h.Link("slow", "hub")
	own := h.Secret("own_").Value()
	query := "?token=" + own + "&sig=" + own + "&X-Amz-Credential=" + own

	var live []io.ReadCloser
	for _, mode := range modes {
		w := newWorker(t, h, mode, key.Key)
		fields := []string{"Cookie", own, "X-Own", own, "Referer", "https://example.com/" + query}
		for _, repo := range []string{hub.SampleGated, hub.SampleBridge, hub.SampleOldLFS} {
			if r := w.follow(fileURL(repo, hub.SamplePlus)+query, fields...); r.status != 200 {
				t.Errorf("%s, %s: %s", mode, repo, r)
			}
		}
		for _, url := range []string{
			fileURL("acme/missing", "x") + query, "https://unlisted.example.net/x" + query, "https://" + hub.Host + "/api/whoami-v2" + query,
			"https://" + hub.Host + "/a/%2e%2e/b" + query, "http://169.254.169.254/x" + query,
		} {
			w.ask(http.MethodGet, url, nil, fields...)
		}
		w.ask(http.MethodPut, fileURL(hub.SampleGated, "x")+query, []byte(own), fields...)
		h.Server.Faults.Add(origin.Fault{Kind: origin.Reset, Host: hub.Host, Path: "broken", Times: 1, After: 1})
		w.ask(http.MethodGet, fileURL(hub.SampleGated, "broken")+query, nil, fields...)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://slow.example.com/x"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := h.HTTPClient(mode, key.Key).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		live = append(live, answer.Body)
	}
	dial(t, h).get("localhost", "/.weighbridge/k/"+key.URLKey+"/unlisted.example.net/x"+query, "")
	dial(t, h).get("localhost", "/.weighbridge/s/"+strings.Repeat("A", 64)+"/x", "")

	transfers := readAPI(t, h, "/api/v1/transfers")
	if n := strings.Count(transfers, "slow.example.com/x"); n != 2 || strings.Contains(transfers, "?") {
		t.Errorf("transfers: %s", transfers)
	}
	close(release)
	for _, b := range live {
		_, _ = io.Copy(io.Discard, b)
		_ = b.Close()
	}
	for _, path := range []string{"/api/v1/system", "/api/v1/providers", "/api/v1/credentials", "/api/v1/credentials/hub", "/api/v1/keys",
		"/api/v1/keys/hub", "/api/v1/audit?limit=10000", "/api/v1/ca", "/api/v1/ca/bundle", "/openapi.json"} {
		if len(readAPI(t, h, path)) == 0 {
			t.Errorf("%s is empty", path)
		}
	}
	// What the API says of a refused change does not quote the change.
	for _, in := range []admin.NewCredential{
		{Name: "x", Provider: "http_bearer", Fields: map[string]string{"token": own + "\n"}, Patterns: []string{"x.example.com/*"}},
		{Name: "x", Provider: "http_bearer", Fields: map[string]string{"tokn": own}, Patterns: []string{"x.example.com/*"}},
		{Name: "x", Provider: "http_api_key", Fields: map[string]string{"headerName": "Host", "headerValue": own}, Patterns: []string{"x.example.com/*"}},
		{Name: "slow", Provider: "http_bearer", Fields: map[string]string{"token": own}, Patterns: []string{"x.example.com/*"}},
	} {
		err := h.API().Call(t.Context(), http.MethodPost, "/api/v1/credentials", in, nil)
		if err == nil {
			t.Errorf("%v was taken", in.Patterns)
			continue
		}
		h.Watch.See("an error of the API", []byte(err.Error()))
	}
	metrics := dialTo(t, h, strings.TrimPrefix(h.Bridge.AdminURL(), "http://")).get("localhost", "/metrics", "")
	for _, name := range []string{"huggingface.co", "slow.example.com", "127.0.0.1", `"hub"`} {
		if strings.Contains(string(metrics.body), name) {
			t.Errorf("the metrics name %s", name)
		}
	}
	if !strings.Contains(string(metrics.body), "weighbridge_requests_total{") {
		t.Errorf("metrics: %s", metrics)
	}

	h.Eventually("both live transfers are on record", func() bool {
		n := 0
		for _, e := range h.AuditEvents() {
			if e.Action == auth.ActionFinished && strings.HasPrefix(e.Host, "slow.") {
				n++
			}
		}
		return n == 2
	})
	readLog(t, h)
	readRecord(t, h)
}

func readAPI(t *testing.T, h *house.House, path string) string {
	t.Helper()
	var body []byte
	h.Call(http.MethodGet, path, nil, &body)
	h.Watch.See("the API", body)
	return string(body)
}

// readLog reads every line of the log.
func readLog(t *testing.T, h *house.House) {
	t.Helper()
	lines := bufio.NewScanner(strings.NewReader(h.Log.String()))
	lines.Buffer(nil, 1<<20)
	requests := 0
	for lines.Scan() {
		var line map[string]any
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Errorf("not JSON: %s", lines.Text())
			continue
		}
		if line["message"] == "request" {
			requests++
		}
		for name, v := range line {
			if s, ok := v.(string); ok && (strings.Contains(s, "?") || holdsAny(s)) {
				t.Errorf("the log's %s holds a query: %s", name, s)
			}
		}
	}
	if requests < 20 {
		t.Errorf("the log tells of %d requests only", requests)
	}
}

// readRecord reads the files of the record.
func readRecord(t *testing.T, h *house.House) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(h.DataDir, "audit", "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s may be read by others: %v, %v", f, info.Mode(), err)
		}
		text := readFile(t, f)
		if bytes.Count(text, []byte("\n")) < 20 || bytes.Contains(text, []byte("?")) || holdsAny(string(text)) {
			t.Errorf("%s holds a query, or next to nothing", f)
		}
	}
}

func holdsAny(s string) bool {
	for _, what := range telltale {
		if strings.Contains(s, what) {
			return true
		}
	}
	return false
}
