package soak

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// TestR18_BrokenUpstreamsAreResumed: a hundred random downloads, a thousand
// for each WEIGHBRIDGE_SOAK, through everything that a file may pass: with a
// credential, through sealed and signed URLs, inside the kernel. The upstreams
// break off, stall, refuse and change their mind, workers go away. What
// arrives is right; what ends well is whole; and what can be resumed succeeds.
func TestR18_BrokenUpstreamsAreResumed(t *testing.T) {
	t.Parallel()
	runs := 100
	if n := house.Soaks(); n > 0 {
		runs = 1000 * n
	}
	var secret *house.Canary
	h := house.New(t, house.Options{
		Empty:     true,
		Configure: func(c *config.Config) { c.Upstream.IdleTimeout = 2 * time.Second },
		Mount: func(s *origin.Server) {
			secret = house.NewCanary("tok_")
			for _, host := range []string{SecureHost, PlainHost} {
				if err := s.Handle(host, Files(secret.Value())); err != nil {
					t.Fatal(err)
				}
			}
		},
	})
	h.Watch.Add(secret)
	key := h.HubWorker("hub")
	h.AddCredential(admin.NewCredential{
		Name: "files", Provider: "http_bearer", Fields: map[string]string{"token": secret.Value()},
		Patterns: []string{SecureHost + "/*", "http://" + PlainHost + "/*"}, Keys: []string{"hub"},
	})
	y := &Yard{Server: h.Server, Hub: h.Hub, Proxy: h.Bridge.ProxyURL(), Key: key.Key, Roots: h.Roots()}
	if err := y.Open(); err != nil {
		t.Fatal(err)
	}
	defer y.Close()

	source := house.Random(t)
	var mu sync.Mutex
	var sum Outcomes
	var group sync.WaitGroup
	for worker := range 4 {
		mode := []workerenv.Mode{workerenv.Forward, workerenv.Reverse}[worker%2]
		chance := rand.New(rand.NewPCG(source.Uint64(), uint64(worker)))
		group.Go(func() {
			for round := range runs / 4 {
				d := plan(chance, mode, fmt.Sprintf("w%d-%d", worker, round), true)
				o, err := d.run(t.Context(), y)
				if err != nil {
					t.Errorf("%s: %v\n%s", d, err, linesOf(h.Log.String(), d.path))
				}
				mu.Lock()
				sum.Add(o)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	t.Log(&sum)
	if sum.Whole == 0 || sum.Resumed == 0 || sum.Told == 0 {
		t.Errorf("the runs do not exercise everything: %s", &sum)
	}
	// What was resumed is on record as such: each request with its own use and
	// end, but for those of companions, which are summed up.
	used, finished, resumed := map[string]bool{}, 0, 0
	h.Eventually("every use has its end", func() bool {
		used, finished, resumed = map[string]bool{}, 0, 0
		for _, e := range h.AuditEvents() {
			switch e.Action {
			case auth.ActionUsed:
				used[e.RequestID] = true
				if strings.HasPrefix(e.Reason, "resumes ") {
					resumed++
				}
			case auth.ActionFinished:
				finished++
			}
		}
		return finished == len(used) || len(used) > 9000 // as many as are shown at once
	})
	if resumed == 0 {
		t.Error("nothing is on record as resumed")
	}
	var page []byte
	h.Call(http.MethodGet, "/metrics", nil, &page)
	if !strings.Contains(string(page), "weighbridge_resumed_total{") {
		t.Error("the metrics say nothing of what was resumed")
	}
	h.Eventually("nothing is left behind", func() bool {
		return len(h.Bridge.Proxy().Transfers()) == 0 && h.Bridge.Proxy().Lent() == 0
	})
}

// linesOf are the lines of a log that name path.
func linesOf(log, path string) string {
	var b strings.Builder
	for line := range strings.Lines(log) {
		if strings.Contains(line, path) {
			b.WriteString(line)
		}
	}
	return b.String()
}
