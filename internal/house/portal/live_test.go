//go:build realclients

package portal

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// weights is a file that a worker without a token cannot have.
const weights = "https://huggingface.co/" + hub.SampleGated + "/resolve/main/" + hub.SampleWeights

// readme is one that the hub answers for itself, with no URL that is signed.
const readme = "https://huggingface.co/" + hub.SampleGated + "/resolve/main/README.md"

// slowly makes the hub's CDN answer only once answers is called, and send a file
// in pieces until atOnce is, or until the test ends: however slow the browser is,
// what it looks at goes on. For a picture it goes on faster.
// The hub itself does not answer for readme until then, either.
func (s *site) slowly() (answers, atOnce func()) {
	head, until, piece := make(chan struct{}), make(chan struct{}), int64(4<<10)
	if *update {
		piece = 160 << 10
	}
	s.Server.Faults.Add(origin.Fault{
		Kind: origin.Slow, Host: hub.CDNHost, Head: head, After: piece, Delay: 500 * time.Millisecond, Until: until,
	})
	s.Server.Faults.Add(origin.Fault{Kind: origin.Slow, Host: hub.Host, Path: "README.md", Head: until, After: 1 << 20})
	answers, atOnce = sync.OnceFunc(func() { close(head) }), sync.OnceFunc(func() { close(until) })
	s.t.Cleanup(answers)
	s.t.Cleanup(atOnce)
	return answers, atOnce
}

// download fetches weights as a worker and drops it.
func (s *site) download(key string) error { return s.fetch(key, weights) }

func (s *site) fetch(key, rawURL string) error {
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, rawURL, nil)
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
	got := make(chan error, 2)
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
	go func() { got <- s.fetch(key.Key, readme) }()
	b.stays()
	atOnce()
	for range 2 {
		if err := <-got; err != nil {
			t.Error(err)
		}
	}
	b.until("it is over", "!"+bar)
	b.drawn(key.Name)
	b.hides()
	b.saysThatItIsLost()
	if *update {
		b.open("/t/default/test?key=trainer&url=" + url.QueryEscape(weights))
		b.forReadme("test-a-url", "dark")
	}
	b.isOver()
}

// stays asserts that what is swapped each second leaves a reader where they are:
// to the right in the table of a narrow window, on a link with the focus.
func (b *tab) stays() {
	b.t.Helper()
	b.do("narrow", emulation.SetDeviceMetricsOverride(narrow, 800, 1, false))
	const link = `document.querySelector("table.moving a[href]")`
	b.until("a transfer with its credential", link)
	at := eval[float64](b, link+`.focus({preventScroll: true}), document.querySelector(".table:has(.moving)").scrollLeft = 150,
    self.came = 0, document.addEventListener("htmx:sseMessage", () => self.came++), document.querySelector(".table:has(.moving)").scrollLeft`)
	b.until("it was swapped twice", "self.came > 1")
	if now := eval[float64](b, `document.querySelector(".table:has(.moving)").scrollLeft`); at == 0 || now != at {
		b.t.Errorf("the table is %g pixels to the right, and was %g", now, at)
	}
	if !eval[bool](b, link+" === document.activeElement") {
		b.t.Error("the link has the focus no more")
	}
	b.do("wide", emulation.SetDeviceMetricsOverride(wide, high, 1, false))
}

// saysThatItIsLost asserts that a page which follows says so while it does not.
func (b *tab) saysThatItIsLost() {
	b.t.Helper()
	const said = `document.querySelector(".while-lost").checkVisibility()`
	if eval[bool](b, said) {
		b.t.Error("the connection is said to be lost before it is")
	}
	b.front.server.CloseClientConnections()
	b.until("that it is lost is said", said)
	b.until("it is found again", "!"+said)
}

// isOver asserts that the end of the session leads a page that follows to the
// sign-in, and back from there.
func (b *tab) isOver() {
	b.t.Helper()
	b.open("/t/default/audit?live=1")
	b.landing("the end of the session", chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := b.s.API().ResetPassword(ctx, owner, admin.ResetPasswordRequest{Password: b.s.password.Value()})
		return err
	}))
	if got := b.path(); got != "/sign-in?next="+url.QueryEscape("/t/default/audit?live=1") {
		b.t.Errorf("at %s", got)
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
