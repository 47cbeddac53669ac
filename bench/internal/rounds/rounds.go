// Package rounds runs a comparison: it starts the origin and every peer, gives
// each peer the same work in turn, several rounds of that, and writes down what
// it cost.
package rounds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weighbridge/weighbridge/bench/internal/field"
	"github.com/weighbridge/weighbridge/bench/internal/load"
	"github.com/weighbridge/weighbridge/bench/internal/proc"
	"github.com/weighbridge/weighbridge/bench/internal/report"
)

// Options of a run.
type Options struct {
	Rounds int
	// Scale divides the lengths of bodies, and the times down to 0.4 s.
	Scale int64
	// Stretch multiplies the times: for profiles.
	Stretch int
	// Limit is when no further round is begun; what runs is ended. One round
	// is always made.
	Limit time.Duration
	// Peers, Modes and Works choose; empty is all.
	Peers, Modes, Works []string
	// Profile is a directory for profiles of weighbridge; figures made with
	// it are no figures.
	Profile string
	// Say takes progress.
	Say io.Writer
}

// job is one column of work.
type job struct {
	work  report.Work
	kind  load.Kind
	conns int
	bytes int64
	time  time.Duration
	modes []field.Mode // empty is all
	// once is work of the first round alone, each time on a fresh peer.
	once bool
}

const mib = 1 << 20

// leastTime is what works that take a time take at least.
const leastTime = 400 * time.Millisecond

func jobs(scale int64, stretch int) []job {
	lasting := func(d time.Duration) time.Duration {
		return max(d/time.Duration(scale), leastTime) * time.Duration(stretch)
	}
	both := []field.Mode{field.Intercepted, field.TLSToTLS}
	return []job{
		{work: report.One, kind: load.Streams, conns: 1, bytes: 1024 * mib / scale},
		{work: report.Eight, kind: load.Streams, conns: 8, bytes: 256 * mib / scale},
		{work: report.Small, kind: load.Requests, conns: 32, time: lasting(1500 * time.Millisecond)},
		{work: report.First, kind: load.First, conns: 1, time: lasting(time.Second)},
		{work: report.Connects, kind: load.Connects, conns: 4, time: lasting(1500 * time.Millisecond), modes: []field.Mode{field.Intercepted}},
		{work: report.Many, kind: load.Streams, conns: 128, bytes: 16 * mib / scale, modes: both},
		{work: report.Kept, kind: load.Kept, conns: 1000, modes: both, once: true},
	}
}

// jobLimit bounds one measurement.
const jobLimit = 90 * time.Second

// settle is how long everybody is left alone before the first work of a round:
// a start has things to do behind it, and memory at rest is that of who rests.
// weighbridge validates its credentials then, and gives memory back.
const settle = 6 * time.Second

// comparison is a run that goes on.
type comparison struct {
	o       Options
	rig     *field.Rig
	out     *report.Run
	peers   []*field.Peer
	running []*field.Running
}

// Compare makes a run. What rig shares must be there, its origin excepted,
// which is started here.
func Compare(ctx context.Context, rig *field.Rig, o Options) (*report.Run, error) {
	c := &comparison{o: o, rig: rig, out: &report.Run{
		Started: time.Now(), Scale: o.Scale, Missing: map[string]string{}, Versions: field.Versions(ctx),
	}}
	c.describe()
	began, err := proc.ReadMachine()
	if err != nil {
		return nil, err
	}
	used := ownTime()
	stop, err := c.startOrigin(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	for _, p := range field.Peers() {
		if chosen(o.Peers, p.Name) && (chosen(o.Modes, string(p.Mode)) || p.Name == field.Direct) {
			c.peers = append(c.peers, p)
		}
	}
	var longest time.Duration
	for round := 1; round <= o.Rounds; round++ {
		start := time.Now()
		if round > 1 && time.Since(c.out.Started)+longest > o.Limit {
			c.note("%d of %d rounds: the limit of %s would have been passed.", round-1, o.Rounds, o.Limit)
			break
		}
		if err := c.round(ctx, round); err != nil {
			return nil, err
		}
		c.out.Rounds = round
		longest = max(longest, time.Since(start))
	}
	if err := c.long(ctx); err != nil {
		return nil, err
	}
	if len(o.Works) == 0 && len(o.Peers) == 0 {
		c.say("decisions")
		if c.out.Decisions, err = decisions(); err != nil {
			return nil, err
		}
	}
	stop()
	ended, err := proc.ReadMachine()
	if err != nil {
		return nil, err
	}
	c.out.Took = time.Since(c.out.Started)
	if total := ended.Total - began.Total; total > 0 {
		c.out.Others = max(0, float64(ended.Busy-began.Busy-(ownTime()-used))/float64(total))
	}
	return c.out, nil
}

// chosen says whether name is among those that were asked for.
func chosen(of []string, name string) bool { return len(of) == 0 || slices.Contains(of, name) }

func (c *comparison) say(format string, args ...any) {
	_, _ = fmt.Fprintf(c.o.Say, "%6.1fs  "+format+"\n", append([]any{time.Since(c.out.Started).Seconds()}, args...)...)
}

func (c *comparison) note(format string, args ...any) {
	c.out.Notes = append(c.out.Notes, fmt.Sprintf(format, args...))
	c.say(format, args...)
}

// round starts everybody, does each job with each of them in turn, and ends
// them.
func (c *comparison) round(ctx context.Context, n int) error {
	c.say("round %d of %d", n, c.o.Rounds)
	if err := c.startPeers(ctx); err != nil {
		return err
	}
	defer c.stopPeers()
	sync, err := syncTime(c.rig.Dir)
	if err != nil {
		return err
	}
	c.out.Sync = append(c.out.Sync, sync)
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, j := range jobs(c.o.Scale, c.o.Stretch) {
		if !chosen(c.o.Works, string(j.work)) || j.once && n > 1 {
			continue
		}
		c.say("round %d: %s", n, j.work)
		for i := range c.running {
			// Another one begins each round.
			r := c.running[(i+n-1)%len(c.running)]
			if !takes(&j, r) {
				continue
			}
			if err := c.measure(ctx, n, &j, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// takes says whether a peer has a part in a job.
func takes(j *job, r *field.Running) bool {
	if len(j.modes) > 0 && !slices.Contains(j.modes, r.Mode) {
		return false
	}
	switch {
	case r.Name == field.Unsynced:
		return j.work == report.Small || j.work == report.First
	case r.Name == field.Batch && (j.work == report.Kept):
		return false // it keeps its big buffers: not what is compared
	default:
		return true
	}
}

// startPeers starts all that can be started, at once.
func (c *comparison) startPeers(ctx context.Context) error {
	got := make([]*field.Running, len(c.peers))
	errs := make([]error, len(c.peers))
	var wg sync.WaitGroup
	for i, p := range c.peers {
		wg.Go(func() { got[i], errs[i] = p.Start(ctx, c.rig) })
	}
	wg.Wait()
	c.running = nil
	for i, p := range c.peers {
		switch {
		case errs[i] == nil:
			c.running = append(c.running, got[i])
		case errors.Is(errs[i], field.ErrMissing):
			if _, ok := c.out.Missing[p.Name]; !ok {
				c.out.Missing[p.Name] = errs[i].Error()
				c.say("missing: %v (bench/setup.sh installs it)", errs[i])
			}
			c.absent(p, errs[i])
		default:
			c.say("%v", errs[i])
			c.absent(p, errs[i])
		}
	}
	if ctx.Err() != nil {
		c.stopPeers()
	}
	return ctx.Err()
}

// absent writes down that a peer has no figures.
func (c *comparison) absent(p *field.Peer, err error) {
	c.out.Samples = append(c.out.Samples, report.Sample{Round: 1, Peer: p.Name, Mode: string(p.Mode), Error: err.Error()})
}

func (c *comparison) stopPeers() {
	var wg sync.WaitGroup
	for _, r := range c.running {
		wg.Go(r.Stop)
	}
	wg.Wait()
	c.running = nil
}

// startOrigin starts the origin.
func (c *comparison) startOrigin(ctx context.Context) (stop func(), err error) {
	plain, secure, err := field.TwoAddrs()
	if err != nil {
		return nil, err
	}
	p, err := proc.Start(proc.Spec{
		Args: []string{c.rig.Self, "origin", "-plain", plain, "-tls", secure, "-cert", c.rig.Files.Cert, "-key", c.rig.Files.Key},
		Env:  append(os.Environ(), "BENCH_TOKEN="+c.rig.Token), Log: filepath.Join(c.rig.Dir, "origin.log"),
	})
	if err != nil {
		return nil, err
	}
	c.rig.PlainAddr, c.rig.TLSAddr = plain, secure
	wait, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, addr := range []string{plain, secure} {
		if err := p.Await(wait, addr); err != nil {
			p.Stop()
			return nil, fmt.Errorf("the origin: %w", err)
		}
	}
	return p.Stop, nil
}

// describe says where this is.
func (c *comparison) describe() {
	c.out.Cores, c.out.CPU, c.out.Kernel = machine()
	c.out.Disk = fileSystem(c.rig.Dir)
	if c.out.Disk == "tmpfs" {
		c.note("The data is on tmpfs, where a sync is free: set -dir to a directory on a disk.")
	}
	if c.o.Profile != "" {
		c.note("weighbridge ran under the profiler: these are no figures.")
	}
	if len(c.o.Peers)+len(c.o.Modes)+len(c.o.Works) > 0 {
		c.note("Only a part was run: %s.", strings.TrimSpace(strings.Join(slices.Concat(c.o.Peers, c.o.Modes, c.o.Works), ", ")))
	}
}
