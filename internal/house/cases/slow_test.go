package cases

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// TestR13_DribblersAreCutAndOthersServed: clients that send a byte now and
// then, before and after CONNECT, are closed by a bound on the whole head;
// beside them an honest client is served, and one that is only slow to read
// is waited for.
func TestR13_DribblersAreCutAndOthersServed(t *testing.T) {
	t.Parallel()
	content := origin.Random(13, 300_000)
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{guarded: files(content)})})
	bearer(h, "c", guarded+"/*")
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"c"}}).Key

	var group sync.WaitGroup
	dribble := func(c *raw, text string) {
		group.Go(func() {
			over := make(chan struct{})
			go func() {
				defer close(over)
				_, _ = io.Copy(io.Discard, c.br)
			}()
			for i := 0; ; i++ {
				// Bytes that never make a whole head.
				b := "a"
				if i < len(text) {
					b = text[i : i+1]
				}
				select {
				case <-over:
					return
				case <-time.After(200 * time.Millisecond):
				}
				if _, err := io.WriteString(c.Conn, b); err != nil {
					<-over
					return
				}
			}
		})
	}
	n := soak(20)
	for range n {
		dribble(dial(t, h), "GET /"+guarded+"/x HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
		dribble(dial(t, h), "CONNECT "+guarded+":443 HTTP/1.1\r\nHost: "+guarded+":443\r\nX-Slow: ")
		opened := dial(t, h)
		if r := opened.connect(key, guarded+":443"); r.status != 200 {
			t.Fatal(r)
		}
		dribble(opened, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
	}
	inside := openTunnel(t, h, key, guarded+":443")
	dribble(inside, "GET /x HTTP/1.1\r\nHost: "+guarded+"\r\nX-Slow: ")

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+guarded+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	slow, err := h.HTTPClient(workerenv.Forward, key).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = slow.Body.Close() }()
	w := newWorker(t, h, workerenv.Reverse, key)
	for range 10 {
		if r := w.get("https://" + guarded + "/x"); r.status != 200 || len(r.body) != 300_000 {
			t.Errorf("an honest client: %s", r)
		}
	}
	group.Wait() // every dribbler is cut: patience bounds each connection
	if n, err := io.Copy(io.Discard, slow.Body); n != 300_000 || err != nil {
		t.Errorf("a slow reader: %d bytes, %v", n, err)
	}
}

// TestR13_ConnectionsThatSayNothingCostNothing but a descriptor.
func TestR13_ConnectionsThatSayNothingCostNothing(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{guarded: files(origin.Text("weights"))})})
	bearer(h, "c", guarded+"/*")
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"c"}}).Key
	var idle []net.Conn
	for range soak(200) {
		idle = append(idle, dial(t, h))
	}
	w := newWorker(t, h, workerenv.Reverse, key)
	if r := w.get("https://" + guarded + "/x"); r.status != 200 {
		t.Errorf("beside idle connections: %s", r)
	}
	if lent := h.Bridge.Proxy().Lent(); lent > 0 {
		t.Errorf("idle connections hold %d bytes of buffers", lent)
	}
	if r := dialTo(t, h, strings.TrimPrefix(h.Bridge.AdminURL(), "http://")).get("localhost", "/healthz", ""); r.status != 200 {
		t.Errorf("health: %s", r)
	}
	for _, c := range idle {
		_ = c.Close()
	}
}
