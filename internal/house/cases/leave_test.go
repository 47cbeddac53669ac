package cases

import (
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// TestR17_TheDelayServesOn: with --drain-delay a process that is told to end
// says so by readiness alone. Connections that come then are taken, requests are
// served, and what is under way goes on, until the delay is over, when the
// drain begins, or a second signal ends all of it.
func TestR17_TheDelayServesOn(t *testing.T) {
	t.Parallel()
	held := newGate(600_001)
	small := origin.Random(17, 20_000)
	x := provision(t, map[string]http.Handler{guarded: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "held") {
			held.ServeHTTP(w, r)
			return
		}
		files(small).ServeHTTP(w, r)
	})}, "")
	begin := func(delay string) (*process, transfer) {
		p := start(t, filepath.Join(t.TempDir(), "data"), x.env, "--config", x.file, "--drain-delay", delay)
		p.serving()
		d := download(t, p.clients(x)[0], "https://"+guarded+"/held")
		<-held.half
		return p, d
	}

	long, cut := begin("1h")
	proxy, admin := long.serving()
	long.signal(syscall.SIGTERM)
	long.until("readiness says it", func() bool { return web(t, admin+"/readyz", "").status == 503 })
	for _, url := range []string{admin + "/readyz", proxy + "/.weighbridge/readyz"} {
		if r := web(t, url, ""); r.status != 503 || !strings.Contains(string(r.body), `"draining"`) {
			t.Errorf("%s during the delay: %s", url, r)
		}
	}
	for _, url := range []string{admin + "/healthz", proxy + "/.weighbridge/healthz", admin + "/metrics"} {
		if r := web(t, url, ""); r.status != 200 {
			t.Errorf("%s during the delay: %s", url, r)
		}
	}
	for _, client := range long.clients(x) {
		d := download(t, client, "https://"+guarded+"/small")
		if body, err := d.read(); err != nil || d.head.StatusCode != 200 || origin.SHA256(origin.Bytes(body)) != origin.SHA256(small) {
			t.Errorf("what begins during the delay: %s, %d bytes, %v", d.head.Status, len(body), err)
		}
	}
	long.signal(syscall.SIGTERM)
	reset(t, "by a second signal during the delay", cut)
	if code := long.wait(); code != 0 || !strings.Contains(long.out.String(), "stopping at once") {
		t.Errorf("exit code %d: %s", code, long.out.String())
	}

	short, whole := begin("100ms")
	short.signal(syscall.SIGTERM)
	short.until("the drain follows the delay", func() bool { return strings.Contains(short.out.String(), "draining: no new connections") })
	close(held.open)
	if body, err := whole.read(); err != nil || origin.SHA256(origin.Bytes(body)) != origin.SHA256(held.content) {
		t.Errorf("what was under way: %d bytes, %v", len(body), err)
	}
	if code := short.wait(); code != 0 {
		t.Errorf("exit code %d: %s", code, short.out.String())
	}
}
