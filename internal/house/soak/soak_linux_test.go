package soak

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

const (
	// brief is how long the load lasts in every test run, and long for each
	// WEIGHBRIDGE_SOAK.
	brief, long = 5 * time.Second, 30 * time.Minute
	// workers fetch at the same time.
	workers = 24
	// quiet is how long the long form rests before what is held is looked at:
	// longer than unused connections are kept (60 s) and than the runtime takes to
	// collect an idle heap twice (2 min each), as only then what was pooled is gone.
	quiet = 6 * time.Minute
)

// refusedPause is what the refusal's Retry-After asks for, about.
const refusedPause = 2 * time.Second

// notOnRecord reports whether err is the refusal of a use that could not be put
// on record in time: the promise is kept, and the worker may come again.
func notOnRecord(err error) bool {
	return err != nil && strings.Contains(err.Error(), string(auth.CodeAuditUnavailable))
}

// tripped reports whether the record could not be written in time lately, by
// the end of the program's log: the rest of a download that broke off is a
// request of its own, and is then refused like any other.
func (p *program) tripped() bool {
	return strings.Contains(p.out.String(), string(auth.CodeAuditUnavailable)) || strings.Contains(p.out.String(), "the audit record takes")
}

// TestSoak: mixed load with faults on both sides and changes of configuration,
// and afterwards the program holds what it held before. Run alone and with -v
// it prints the figures.
func TestSoak(t *testing.T) {
	lasts, rest := brief, time.Duration(0)
	if n := house.Soaks(); n > 0 {
		lasts, rest = time.Duration(n)*long, quiet
	}
	p := startProgram(t)
	source := house.Random(t)
	// Once over, so that what is pooled and kept is there before as after.
	p.load(source, max(lasts/20, time.Second), 0)
	before := p.settled(rest)
	t.Logf("before: %s", before)

	var peak vitals
	start := time.Now()
	sum := p.load(source, lasts, 1, func() {
		v := p.vitals()
		peak.goroutines, peak.descriptors, peak.rss = max(peak.goroutines, v.goroutines), max(peak.descriptors, v.descriptors), max(peak.rss, v.rss)
	})
	took := time.Since(start)
	after := p.settled(rest)
	t.Logf("%s in %v: %.0f downloads and %.1f MiB a second", sum, took.Round(time.Second), float64(sum.Whole+sum.Told+sum.Left)/took.Seconds(), float64(sum.Bytes)/(1<<20)/took.Seconds())
	t.Logf("peak:   %s", peak)
	t.Logf("after:  %s", after)

	if sum.Refused > sum.Whole/10 {
		t.Logf("the disk was too busy for much of the load to be put on record: repeat this on a calmer machine")
	}
	if sum.Whole == 0 || sum.Resumed == 0 {
		t.Errorf("the load does not exercise everything: %s", sum)
	}
	// Unused connections to upstreams are kept for a minute: without the rest
	// there may be as many as there were downloads at a time.
	slack, memory := 4, before.rss/8+8
	if rest == 0 {
		slack, memory = 4+2*workers, 64
	}
	if after.goroutines > before.goroutines+slack || after.descriptors > before.descriptors+slack || after.rss > before.rss+memory {
		t.Errorf("it held %s and holds %s", before, after)
	}
	for line := range strings.Lines(p.out.String()) {
		if strings.Contains(line, `"panic"`) || strings.Contains(line, "goroutine ") {
			t.Errorf("the program's log: %.400s", line)
		}
	}
}

// settled waits until nothing is under way, rests, and looks at what is held.
func (p *program) settled(rest time.Duration) (v vitals) {
	p.t.Helper()
	p.Close()
	p.until("nothing is under way", func() bool {
		v = p.vitals()
		return v.transfers == 0 && v.lent == 0
	})
	time.Sleep(rest)
	return p.vitals()
}

// load lets the workers fetch for a while, and changes the configuration
// meanwhile; look is called each time. round keeps the names of files apart.
func (p *program) load(source *rand.Rand, lasts time.Duration, round int, look ...func()) *Outcomes {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.t.Context(), lasts)
	defer stop()
	var mu sync.Mutex
	sum := &Outcomes{}
	var group sync.WaitGroup
	for w := range workers {
		chance := rand.New(rand.NewPCG(source.Uint64(), uint64(w)))
		mode := []workerenv.Mode{workerenv.Forward, workerenv.Reverse}[w%2]
		group.Go(func() {
			for n := 0; ctx.Err() == nil && !p.t.Failed(); n++ {
				if chance.IntN(4) == 0 {
					err := p.small(chance)
					if notOnRecord(err) {
						mu.Lock()
						sum.Refused++
						mu.Unlock()
						time.Sleep(refusedPause)
					} else if err != nil {
						p.t.Errorf("a small request: %v", err)
					}
					continue
				}
				// What has begun may end: the deadline is for beginning.
				d := plan(chance, mode, fmt.Sprintf("r%d-w%d-%d", round, w, n), lasts > brief || chance.IntN(10) == 0)
				o, err := d.run(p.t.Context(), &p.Yard)
				refused := notOnRecord(err) || o.Told && err != nil && p.tripped()
				mu.Lock()
				if refused {
					sum.Refused++
				} else {
					sum.Add(o)
				}
				mu.Unlock()
				if refused {
					time.Sleep(refusedPause)
				} else if err != nil {
					p.t.Errorf("%s: %v", d, err)
				}
			}
		})
	}
	// A change about every second at first, and never more than a few hundred.
	tick := time.NewTicker(max(time.Second, lasts/500))
	defer tick.Stop()
	for n := 1; ctx.Err() == nil; n++ {
		select {
		case <-ctx.Done():
		case <-tick.C:
			p.reload(n)
			for _, f := range look {
				f()
			}
		}
	}
	group.Wait()
	return sum
}

// small is one request that is no download: a small file, one that is not
// there, one without a key, one with a wrong key, or for ourselves.
func (p *program) small(chance *rand.Rand) error {
	path, key, want := "/"+SecureHost+"/strong/100", p.Key, 200
	switch chance.IntN(5) {
	case 0:
		path, want = "/"+SecureHost+"/missing", 404
	case 1:
		key, want = "", 401
	case 2:
		path, want = "/elsewhere.example.com/x", 403
	case 3:
		path, key = "/.weighbridge/healthz", ""
	}
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.Proxy+path, nil)
	if err != nil {
		return err
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	answer, err := p.reverse.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != want {
		return fmt.Errorf("%s: status %d, not %d: %.200s", path, answer.StatusCode, want, body)
	}
	if want == 200 && strings.HasSuffix(path, "/100") {
		c := &comparer{content: origin.Random(seed, 100)}
		_, _ = c.Write(body)
		return c.wrong
	}
	return nil
}
