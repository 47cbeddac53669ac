package lifecycle

import (
	"context"
	"sync"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// Store is what the engine needs of a store.
type Store interface {
	// State is cheap; what it returns is shared and not changed.
	State(ctx context.Context) (auth.State, error)
	// OpenFields opens all fields of one version, where no name is given.
	OpenFields(ctx context.Context, credentialID string, version uint64, names ...string) (auth.Fields, error)
	// JudgeCredential applies judge to the record of one version and stores
	// status, reason, report, answer time and expiry as it leaves them, with
	// their events in one transaction. It fails where that version is not the
	// current one, and leaves a revoked credential alone.
	JudgeCredential(ctx context.Context, credentialID string, version uint64, judge func(*auth.Credential), ev auth.Event) (auth.Credential, error)
}

// Prober asks upstreams about credentials. It only reads, and never sends a
// secret after a redirect.
type Prober interface {
	// Host is the host that Probe would ask, empty where it would ask nobody:
	// probes of one host are paced.
	Host(q auth.Inquiry) string
	// Probe asks, and ends with ctx. It never fails: what went wrong is the
	// report.
	Probe(ctx context.Context, q auth.Inquiry) auth.Report
}

// Observer is told what happened, for the log and the metrics. Its methods must
// be quick, and must not call the engine.
type Observer interface {
	// Validated is called with a credential as a validation left it, and the
	// status that it had.
	Validated(c auth.Credential, was auth.Status, r auth.Report)
	// Expired is called when the clock ended a credential, Expiring ahead of
	// it.
	Expired(c auth.Credential)
	Expiring(c auth.Credential, left time.Duration)
	// ClockMoved is called when the clock went back.
	ClockMoved(by time.Duration)
	// Failed is called where a finding could not be stored; it is tried again.
	Failed(err error)
}

// The defaults of Options.
const (
	// DefaultEvery is how often a credential is validated.
	DefaultEvery = 6 * time.Hour
	// DefaultParallel is how many upstreams are asked at a time.
	DefaultParallel = 8
	// DefaultPace is the least time between two probes of one host.
	DefaultPace = 250 * time.Millisecond
	// Patience is how long somebody who waits for a validation waits.
	Patience = 10 * time.Second
)

const (
	// attempt bounds one probe as a whole; its answers are small.
	attempt = 30 * time.Second
	// tick is the longest the engine sleeps: the clock may be set at any time.
	tick = time.Second
	// hintPause is the least time between two probes that refusals of workers'
	// requests cause.
	hintPause = time.Minute
)

// Options of an Engine. Store and Prober are required.
type Options struct {
	Store  Store
	Prober Prober
	// Observer may be nil.
	Observer Observer
	// Now defaults to time.Now.
	Now func() time.Time
	// Every, Parallel and Pace have defaults; a negative Every means that no
	// credential is validated on a timer.
	Every    time.Duration
	Parallel int
	Pace     time.Duration
}

// Engine validates and expires the credentials of a store.
type Engine struct {
	o      Options
	ctx    context.Context
	cancel context.CancelFunc
	runs   sync.WaitGroup
	kick   chan struct{}
	slots  chan struct{}
	gates  gates

	mu       sync.Mutex
	closed   bool
	entries  map[string]*entry // by credential id
	revision uint64
	dirty    bool      // entries are to be made anew
	next     time.Time // the first time at which something is to be done
	last     time.Time // when step looked at the clock
	running  int       // background probes
}

// New makes an Engine. Close ends it.
func New(o Options) *Engine {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Every == 0 {
		o.Every = DefaultEvery
	}
	if o.Parallel <= 0 {
		o.Parallel = DefaultParallel
	}
	if o.Pace == 0 {
		o.Pace = DefaultPace
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	e := &Engine{
		o: o, kick: make(chan struct{}, 1), slots: make(chan struct{}, o.Parallel),
		gates: gates{pace: o.Pace, hosts: map[string]*gate{}}, entries: map[string]*entry{}, dirty: true,
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e
}

// Run does what time brings until ctx ends or Close is called.
func (e *Engine) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.ctx.Done():
			return
		case <-timer.C:
		case <-e.kick:
		}
		timer.Reset(e.step(ctx))
	}
}

// Close ends the probes that run, without storing what they find, and waits for
// them.
func (e *Engine) Close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.cancel()
	e.runs.Wait()
}

// Refused is told that an upstream answered 401 or 403 to a request of a worker
// with this credential: a probe is made due, at most one in a minute. It is
// quick and may be called on the road of every request.
func (e *Engine) Refused(credentialID string, version uint64) {
	e.mu.Lock()
	en := e.entries[credentialID]
	if en == nil || en.version < version {
		en = e.renew(credentialID, version) // stored a moment ago
	}
	if en.version > version || en.hinted || en.flight != nil {
		e.mu.Unlock()
		return
	}
	en.hinted = true
	if due := en.hintDue(e.o.Now()); due.Before(e.next) {
		e.next = due
	}
	e.mu.Unlock()
	e.wake()
}

// wake lets Run look again.
func (e *Engine) wake() {
	select {
	case e.kick <- struct{}{}:
	default:
	}
}

// nobody observes nothing.
type nobody struct{}

func (nobody) Validated(auth.Credential, auth.Status, auth.Report) {}
func (nobody) Expired(auth.Credential)                             {}
func (nobody) Expiring(auth.Credential, time.Duration)             {}
func (nobody) ClockMoved(time.Duration)                            {}
func (nobody) Failed(error)                                        {}
