package cases

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
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

// TestR32_HUPUnderLoad: reloads, good and bad, drop no byte and no request;
// a bad file keeps what was, and the log says which line is wrong.
func TestR32_HUPUnderLoad(t *testing.T) {
	t.Parallel()
	held := newGate(600_000)
	small := files(origin.Random(1, 20_000))
	x := provision(t, map[string]http.Handler{guarded: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "held") {
			held.ServeHTTP(w, r)
			return
		}
		small.ServeHTTP(w, r)
	})}, "")
	p := start(t, filepath.Join(t.TempDir(), "data"), x.env, "--config", x.file)
	proxy, _ := p.serving()
	url := proxy + "/" + guarded
	under := []transfer{}
	for _, client := range p.clients(x) {
		under = append(under, download(t, client, "https://"+guarded+"/held"))
		<-held.half
	}

	stop := make(chan struct{})
	var load sync.WaitGroup
	for range 2 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if r := web(t, url+"/small", x.key); r.status != 200 || len(r.body) != 20_000 || r.err != nil {
					t.Errorf("during a reload: %s", r)
					return
				}
			}
		})
	}
	count := func(what string) int { return strings.Count(p.out.String(), what) }
	for round := range soak(6) {
		good := round%2 == 0
		more := "unmatched: {reverse: deny}\nroutes: {again" + itoa(int64(round)) + ": \"https://" + guarded + "\"}\n"
		if !good {
			more = "unmatchd: {reverse: pass}\n"
		}
		x.configure(t, more)
		reloaded, kept := count("configuration reloaded"), count("was not reloaded")
		p.signal(syscall.SIGHUP)
		p.until("the reload is told", func() bool {
			return count("configuration reloaded")-reloaded+count("was not reloaded")-kept == 1
		})
		if (count("configuration reloaded") > reloaded) != good {
			t.Errorf("round %d: a good file is not taken, or a bad one is", round)
		}
		if good {
			if r := web(t, proxy+"/again"+itoa(int64(round))+"/small", x.key); r.status != 200 {
				t.Errorf("the new route: %s", r)
			}
		}
	}
	close(stop)
	load.Wait()
	if !strings.Contains(p.out.String(), "weighbridge.yaml:") || !strings.Contains(p.out.String(), "unmatchd") {
		t.Errorf("the log does not say where the mistake is: %s", p.out.String())
	}
	close(held.open)
	for _, d := range under {
		body, err := d.read()
		if err != nil || int64(len(body)) != d.head.ContentLength || origin.SHA256(origin.Bytes(body)) != origin.SHA256(held.content) {
			t.Errorf("the download under way: %d bytes, %v", len(body), err)
		}
	}
	if bytes.Contains([]byte(p.out.String()), []byte(x.secret.Value())) || strings.Contains(p.out.String(), x.key) {
		t.Error("the log holds a secret")
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
