//go:build realclients

package portal

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// weights is a file that a worker without a token cannot have.
const weights = "https://huggingface.co/" + hub.SampleGated + "/resolve/main/" + hub.SampleWeights

// slowly makes the hub's CDN answer only once answers is called, and send a file
// in pieces until atOnce is, or until the test ends: however slow the browser is,
// what it looks at goes on. For a picture it goes on faster.
func (s *site) slowly() (answers, atOnce func()) {
	head, until, piece := make(chan struct{}), make(chan struct{}), int64(4<<10)
	if *update {
		piece = 160 << 10
	}
	s.Server.Faults.Add(origin.Fault{
		Kind: origin.Slow, Host: hub.CDNHost, Head: head, After: piece, Delay: 500 * time.Millisecond, Until: until,
	})
	answers, atOnce = sync.OnceFunc(func() { close(head) }), sync.OnceFunc(func() { close(until) })
	s.t.Cleanup(answers)
	s.t.Cleanup(atOnce)
	return answers, atOnce
}

// download fetches weights as a worker and drops it.
func (s *site) download(key string) error {
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, weights, nil)
	s.must(err)
	client := s.HTTPClient(workerenv.Forward, key)
	client.CheckRedirect = nil
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// A download that goes on moves on the overview without anybody's doing, and
// leaves it when it is over.
func TestTransfersMove(t *testing.T) {
	t.Parallel()
	s := newSite(t, house.Options{})
	key := s.HubWorker("trainer")
	s.seen.Add(house.CanaryOf(key.Key))
	if *update { // something to show
		for _, name := range []string{"comfyui", "vllm"} {
			other := s.AddKey(admin.NewKey{Name: name, Credentials: []string{"trainer"}})
			s.seen.Add(house.CanaryOf(other.Key))
			s.must(s.download(other.Key))
		}
	}
	answers, atOnce := s.slowly()
	b := s.firstUser()
	b.open("/t/default?by=key")
	got := make(chan error, 1)
	go func() { got <- s.download(key.Key) }()
	b.sees("signed URL") // which the CDN has not answered yet
	answers()
	const bar = `document.querySelector("main progress")`
	b.until("a transfer", bar)
	was := eval[float64](b, bar+".value")
	b.sees("trainer")
	b.sees(hub.SampleWeights) // and not by what the CDN calls it
	b.until("it moves", bar+" && "+bar+".value > "+number(was))
	b.forReadme("overview", "light")
	atOnce()
	if err := <-got; err != nil {
		t.Error(err)
	}
	b.until("it is over", "!"+bar)
	b.drawn(key.Name)
	b.hides()
	if *update {
		b.open("/t/default/test?key=trainer&url=" + url.QueryEscape(weights))
		b.forReadme("test-a-url", "dark")
	}
}

// hides asserts that a page that nobody sees holds no connection, of which a
// browser has six to an origin, and that it has what came meanwhile when it is
// seen again, and no row twice.
func (b *tab) hides() {
	b.t.Helper()
	b.open("/t/default/audit?live=1")
	streams := func(n int64) func() bool { return func() bool { return b.front.streams.Load() == n } }
	seen := func(state string) {
		b.do(state, evaluateLater(`Object.defineProperty(document, "visibilityState", {value: "`+state+`", configurable: true}); document.dispatchEvent(new Event("visibilitychange"))`))
	}
	b.wait("a stream", streams(1))
	b.s.seen.Add(house.CanaryOf(b.s.AddKey(admin.NewKey{Name: "while-seen"}).Key))
	b.sees("while-seen")
	for _, name := range []string{"while-hidden", "hidden-again"} {
		seen("hidden")
		b.wait("no stream", streams(0))
		b.s.seen.Add(house.CanaryOf(b.s.AddKey(admin.NewKey{Name: name}).Key))
		seen("visible")
		b.sees(name)
	}
	if rows := eval[[]string](b, `[...document.querySelectorAll("[data-row]")].map((e) => e.dataset.row)`); len(slices.Compact(slices.Sorted(slices.Values(rows)))) != len(rows) {
		b.t.Errorf("rows twice: %q", rows)
	}
	b.wait("one stream", streams(1))
}

// drawn asserts that the chart by the hour has what a key has just downloaded.
func (b *tab) drawn(key string) {
	b.t.Helper()
	b.open("/t/default?by=key")
	b.follow("24 hours")
	b.words(`.segments a[aria-current][href*="days=1&"]`)
	said := eval[string](b, `[...document.querySelectorAll(".chart rect title")].map((e) => e.textContent).join("\n")`)
	if !strings.Contains(said, ": "+key+", ") || eval[int](b, `document.querySelectorAll("main .card tbody tr").length`) != 24 {
		b.t.Errorf("the chart by the hour has %q", said)
	}
}

// sampleWeights is what the file of weights holds.
func sampleWeights(t *testing.T) origin.Content {
	t.Helper()
	files, err := hub.SampleFiles(1)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(files, func(f hub.File) bool { return f.Path == hub.SampleWeights })
	return files[at].Content
}
