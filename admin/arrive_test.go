package admin_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// deadlines is a connection whose deadlines for reading are looked at.
type deadlines struct {
	*httptest.ResponseRecorder
	mu   sync.Mutex
	last time.Time
	n    int
}

// SetReadDeadline is what http.ResponseController finds.
func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last, d.n = t, d.n+1
	return nil
}

func (d *deadlines) now() (time.Time, int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last, d.n
}

// looking is an upstream that looks at the connection while it is asked.
type looking func()

func (l looking) Ask(context.Context, auth.Decision, auth.Target) auth.Answered {
	l()
	return auth.Answered{Status: http.StatusPartialContent, Size: 1}
}

// A body has its time, also where nobody reads it; and once it has come, what was
// asked for takes as long as it takes: a deadline that stays ends the request.
func TestABodyHasItsTimeAndNoMore(t *testing.T) {
	f := newFixture(t)
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	asked := 0
	f.o.Asker = looking(func() {
		asked++
		if at, n := w.now(); n == 0 || !at.IsZero() {
			t.Errorf("while the upstream is asked the connection ends at %v", at)
		}
	})
	f.api = admin.New(f.o)
	f.must(201, "POST", "/api/v1/keys", `{"name":"worker"}`)
	send := func(h http.Handler, path, body string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, io.NopCloser(strings.NewReader(body)))
		r.Header.Set("Content-Type", "application/json")
		h.ServeHTTP(w, r)
	}
	send(f.api.Local(), "/api/v1/explain/probe", `{"url":"https://a.example.com/x","key":"worker"}`)
	if asked != 1 || w.Code != http.StatusOK {
		t.Fatalf("asked %d times: %d %s", asked, w.Code, w.Body)
	}
	for path, h := range map[string]http.Handler{"/api/v1/keys": f.api.Remote(), "/api/v1/nowhere": f.api.Remote(), "/healthz": f.api.Local()} {
		w = &deadlines{ResponseRecorder: httptest.NewRecorder()}
		send(h, path, `{"name":"never read"}`)
		if at, n := w.now(); n == 0 || at.IsZero() || time.Until(at) > time.Minute {
			t.Errorf("%s: what nobody reads may come until %v", path, at)
		}
	}
}

// A record that is verified may be of any length: each part of it has its time.
func TestAnExportComesAsItComes(t *testing.T) {
	f := newFixture(t)
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/audit/verify", io.NopCloser(strings.NewReader("{}\n{}\n")))
	r.Header.Set("Content-Type", "application/x-ndjson")
	f.api.Local().ServeHTTP(w, r)
	if at, n := w.now(); w.Code != http.StatusOK || n < 3 || !at.IsZero() {
		t.Errorf("%d: %d deadlines, the last at %v", w.Code, n, at)
	}
}
