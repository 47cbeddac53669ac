package admin

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// A house that is only asked for its health holds no document of the API.
func TestHealthMakesNoDocument(t *testing.T) {
	a := New(Options{System: func() System { return System{} }, Ready: func() error { return nil }, Metrics: http.NotFoundHandler()})
	ask := func(path string) int {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1"+path, nil)
		r.RemoteAddr = "127.0.0.1:1000"
		a.Remote().ServeHTTP(w, r)
		return w.Code
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 404} {
		if got := ask(path); got != want {
			t.Errorf("%s: %d", path, got)
		}
	}
	if a.mux != nil {
		t.Error("the API was made")
	}
	if got := ask("/openapi.json"); got != 200 {
		t.Errorf("/openapi.json: %d", got)
	}
}
