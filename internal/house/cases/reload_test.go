package cases

import (
	"bytes"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// reloadLoad is how many requests a second a reload is to bear (R32).
const reloadLoad = 500

// load is requests that go on until it is ended. Each must be answered whole.
type load struct {
	began  time.Time
	stop   chan struct{}
	group  sync.WaitGroup
	served atomic.Int64
	bad    chan reply
}

// steadily asks for a file again and again, as often as reloadLoad says where the
// machine can do that: most of it on connections that are kept, some on new ones.
func steadily(t *testing.T, clients []*http.Client, rawURL string, size int) *load {
	t.Helper()
	l := &load{began: time.Now(), stop: make(chan struct{}), bad: make(chan reply, 1)}
	kept := *clients[0]
	transport := kept.Transport.(*http.Transport).Clone()
	transport.DisableKeepAlives = false
	transport.MaxIdleConnsPerHost = 6
	kept.Transport = transport
	t.Cleanup(transport.CloseIdleConnections)
	beat := time.NewTicker(time.Second / reloadLoad)
	t.Cleanup(beat.Stop)
	for _, client := range append([]*http.Client{&kept, &kept, &kept, &kept, &kept, &kept}, clients...) {
		l.group.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				case <-beat.C:
				}
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, rawURL, nil)
				if err != nil {
					panic(err)
				}
				if got := do(client, r); got.status != http.StatusOK || len(got.body) != size || got.err != nil {
					select {
					case l.bad <- got:
					default:
					}
					return
				}
				l.served.Add(1)
			}
		})
	}
	return l
}

// end ends it, and says how much it was.
func (l *load) end(t *testing.T) {
	t.Helper()
	took := time.Since(l.began)
	close(l.stop)
	l.group.Wait()
	select {
	case r := <-l.bad:
		t.Errorf("during a reload: %s", r)
	default:
	}
	t.Logf("%d requests in %v: %.0f a second", l.served.Load(), took.Round(time.Millisecond), float64(l.served.Load())/took.Seconds())
}

// TestR32_HUPUnderLoad: reloads, good and bad, drop no byte and no request;
// a bad file keeps what was, and the log says which line is wrong. `make soak`
// makes the case's thousand of them.
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
	x.env = append(x.env, "WEIGHBRIDGE_UPSTREAM_IDLE_TIMEOUT=1h") // what is held is not stalled
	p := start(t, filepath.Join(t.TempDir(), "data"), x.env, "--config", x.file)
	proxy, _ := p.serving()
	const url = "https://" + guarded
	under := []transfer{}
	for _, client := range p.clients(x) {
		under = append(under, download(t, client, url+"/held"))
		<-held.half
	}

	load := steadily(t, p.clients(x), url+"/small", 20_000)
	count := func(what string) int { return strings.Count(p.out.String(), what) }
	for round := range soak(10) {
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
	load.end(t)
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
