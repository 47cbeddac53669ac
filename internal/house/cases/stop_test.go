package cases

import (
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// gate is an upstream whose downloads stop half-way until they are let go on.
type gate struct {
	content origin.Content
	half    chan struct{} // one for each download that got so far
	open    chan struct{} // closed to let them go on
}

func newGate(size int64) *gate {
	return &gate{origin.Random(17, size), make(chan struct{}, 1000), make(chan struct{})}
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	size := g.content.Size()
	w.Header().Set("Content-Type", "application/octet-stream")
	if strings.Contains(r.URL.Path, "chunked") {
		w.Header().Set("X-Kind", "chunked")
	} else {
		w.Header().Set("Content-Length", itoa(size))
	}
	_, _ = io.Copy(w, io.NewSectionReader(g.content, 0, size/2))
	_ = http.NewResponseController(w).Flush()
	g.half <- struct{}{}
	select {
	case <-g.open:
	case <-r.Context().Done():
		return
	}
	_, _ = io.Copy(w, io.NewSectionReader(g.content, size/2, size-size/2))
}

// reset asserts that a download ended as a broken one: by a reset, not by an
// end that could be taken for a whole body.
func reset(t *testing.T, what string, d transfer) {
	t.Helper()
	body, err := d.read()
	if err == nil {
		t.Errorf("%s, %s: a clean end after %d bytes", what, d.url, len(body))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%s, %s: not a reset: %v", what, d.url, err)
	}
	if n := d.head.ContentLength; n >= 0 && int64(len(body)) >= n {
		t.Errorf("%s, %s: %d bytes of %d", what, d.url, len(body), n)
	}
}

// TestR17_TERMDrains, with a hundred downloads under way: nothing new is taken,
// readiness and metrics say so at once, what can be finished arrives whole, and
// what a second signal cuts ends by a reset.
func TestR17_TERMDrains(t *testing.T) {
	t.Parallel()
	const streams = 100
	quick, stuck := newGate(100_000), newGate(600_001)
	x := provision(t, map[string]http.Handler{blindHost: stuck, guarded: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "stuck") {
			stuck.ServeHTTP(w, r)
			return
		}
		quick.ServeHTTP(w, r)
	})}, "")
	p := start(t, filepath.Join(t.TempDir(), "data"), x.env, "--config", x.file, "--drain", "10m")
	proxy, admin := p.serving()
	url := "https://" + guarded
	var fit, cut []transfer
	for _, client := range p.clients(x) {
		for n := range streams / 2 {
			path := []string{"/quick", "/quick-chunked"}[n%2]
			fit = append(fit, download(t, client, url+path))
			<-quick.half
		}
		for _, path := range []string{"/stuck", "/stuck-chunked"} {
			cut = append(cut, download(t, client, url+path))
			<-stuck.half
		}
	}
	cut = append(cut, download(t, p.clients(x)[0], "https://"+blindHost+"/stuck"))
	<-stuck.half
	p.signal(syscall.SIGTERM)
	p.until("it takes nothing new", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(proxy, "http://"))
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	if p.ended() {
		t.Fatal("it did not wait")
	}
	if r := web(t, admin+"/readyz", ""); r.status != 503 || !strings.Contains(string(r.body), `"draining"`) {
		t.Errorf("readiness while draining: %s", r)
	}
	if _, line, _ := strings.Cut(string(web(t, admin+"/metrics", "").body), "\nweighbridge_transfers "); !strings.HasPrefix(line, itoa(int64(len(fit)+len(cut)))+"\n") {
		t.Errorf("the metrics say that %.5q of %d are left while draining", line, len(fit)+len(cut))
	}
	close(quick.open)
	for i, d := range fit {
		body, err := d.read()
		if err != nil || origin.SHA256(origin.Bytes(body)) != origin.SHA256(quick.content) {
			t.Errorf("download %d while draining: %d bytes, %v", i, len(body), err)
		}
	}
	if p.ended() {
		t.Error("it did not wait for all of them")
	}
	p.signal(syscall.SIGTERM)
	for _, d := range cut {
		reset(t, "by a second signal", d)
	}
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d: %s", code, p.out.String())
	}
	if !strings.Contains(p.out.String(), "stopping at once") {
		t.Errorf("the log says nothing of it: %s", p.out.String())
	}
}

// TestR17_TheDrainHasAnEnd: what does not fit into --drain is cut by a reset.
func TestR17_TheDrainHasAnEnd(t *testing.T) {
	t.Parallel()
	stuck := newGate(600_001)
	x := provision(t, map[string]http.Handler{guarded: stuck, blindHost: stuck}, "")
	p := start(t, filepath.Join(t.TempDir(), "data"), x.env, "--config", x.file, "--drain", "300ms")
	p.serving()
	var cut []transfer
	for _, client := range p.clients(x) {
		cut = append(cut, download(t, client, "https://"+guarded+"/x"), download(t, client, "https://"+guarded+"/x-chunked"))
	}
	cut = append(cut, download(t, p.clients(x)[0], "https://"+blindHost+"/x"))
	for range cut {
		<-stuck.half
	}
	p.signal(syscall.SIGTERM)
	for _, d := range cut {
		reset(t, "at the end of the drain", d)
	}
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d: %s", code, p.out.String())
	}
	// Everything that was used is on record, with its end, at the next start.
	p = start(t, p.dir, x.env, "--config", x.file)
	p.serving()
	used, finished := 0, 0
	for _, line := range auditLines(t, p.dir) {
		used += strings.Count(line, `"used"`)
		finished += strings.Count(line, `"finished"`) + strings.Count(line, `"aborted"`)
	}
	if used != len(cut) || finished != len(cut) {
		t.Errorf("%d uses and %d ends on record", used, finished)
	}
}
