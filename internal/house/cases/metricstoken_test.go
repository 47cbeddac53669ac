package cases

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
)

// The token that is declared for metrics opens them from another machine and
// nothing else. Its file is watched and read on reload; what is not a token
// leaves the last one in place. It is in nothing that weighbridge keeps or shows.
func TestTheMetricsTokenOpensMetricsAlone(t *testing.T) {
	t.Parallel()
	first, second := house.NewCanary(""), house.NewCanary("")
	file := filepath.Join(t.TempDir(), "metrics")
	writeFile(t, file, first.Value()+"\n")
	h := house.New(t, house.Options{Empty: true, Configure: func(c *config.Config) { c.MetricsToken = config.Source{File: file} }})
	h.Watch.Add(first)
	h.Watch.Add(second)
	ask := func(path, token string) (int, string) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "http://weighbridge-metrics.weighbridge.svc:8081"+path, nil)
		r.RemoteAddr = "192.0.2.9:40000"
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		h.Bridge.API().Remote().ServeHTTP(w, r)
		h.Watch.See("answer to "+path, w.Body.Bytes())
		return w.Code, w.Body.String()
	}
	opens := func(token string) bool {
		status, body := ask("/metrics", token)
		if status != 200 && status != 401 || (status == 200) != strings.Contains(body, "weighbridge_transfers 0") {
			t.Errorf("%d %.200s", status, body)
		}
		return status == 200
	}
	if !opens(first.Value()) || opens("") || opens(second.Value()) || opens(first.Value()+"x") {
		t.Error("it is not the declared token that opens the metrics")
	}
	for _, path := range []string{"/api/v1/system", "/api/v1/keys", "/api/v1/audit", "/api/v1/auth/me"} {
		if status, body := ask(path, first.Value()); status != 401 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	writeFile(t, file, second.Value())
	h.Eventually("the new token is taken", func() bool { return opens(second.Value()) })
	if opens(first.Value()) {
		t.Error("the old one counts still")
	}
	writeFile(t, file, "too short")
	h.Eventually("what is no token is told", func() bool { return strings.Contains(h.Log.String(), "metrics_token") })
	if _, err := h.Reload(func(*config.Config) {}); err == nil || !opens(second.Value()) {
		t.Errorf("what is no token was taken, or nothing counts any more: %v", err)
	}
	if _, err := h.Reload(func(c *config.Config) { c.MetricsToken = config.Source{} }); err != nil || opens(second.Value()) {
		t.Errorf("a token that is not declared any more counts: %v", err)
	}
	h.Close()
}
