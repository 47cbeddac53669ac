package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weighbridge/weighbridge/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// yard is a store and an upstream in memory, beside an engine.
type yard struct {
	t      *testing.T
	engine *Engine

	mu      sync.Mutex
	skew    time.Duration // what the clock is ahead of the machine's time
	state   auth.State
	events  []auth.Event
	answer  func(auth.Inquiry) auth.Report
	hold    chan struct{} // a probe waits for it, where it is not nil
	asked   []string      // ids, in order
	at      []time.Time   // when
	most    int           // probes at a time
	running int
	moved   []time.Duration
	warned  []time.Duration
}

func newYard(t *testing.T, creds ...auth.Credential) *yard {
	y := &yard{t: t, answer: func(auth.Inquiry) auth.Report { return auth.Report{Verdict: auth.VerdictValid, Meaning: "taken"} }}
	y.state.Revision = 1
	for i, c := range creds {
		if c.ID == "" {
			c.ID = fmt.Sprintf("cred_%04d", i)
		}
		c.Version = max(c.Version, 1)
		y.state.Credentials = append(y.state.Credentials, c)
	}
	return y
}

// start makes the engine and runs it until the test ends.
func (y *yard) start(o Options) {
	o.Store, o.Prober, o.Observer, o.Now = y, y, y, y.now
	y.engine = New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		y.engine.Run(ctx)
	}()
	y.t.Cleanup(func() {
		cancel()
		<-done
		y.engine.Close()
	})
}

func (y *yard) now() time.Time {
	y.mu.Lock()
	defer y.mu.Unlock()
	return time.Now().Add(y.skew)
}

func (y *yard) setClock(skew time.Duration) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.skew = skew
}

func (y *yard) State(context.Context) (auth.State, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	st := y.state
	st.Credentials = slices.Clone(st.Credentials)
	return st, nil
}

func (y *yard) OpenFields(context.Context, string, uint64, ...string) (auth.Fields, error) {
	return auth.Fields{"token": auth.NewSecret("secret")}, nil
}

func (y *yard) JudgeCredential(_ context.Context, id string, version uint64, judge func(*auth.Credential), ev auth.Event) (auth.Credential, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for i := range y.state.Credentials {
		c := &y.state.Credentials[i]
		if c.ID != id {
			continue
		}
		if c.Version != version {
			return *c, errors.New("gone")
		}
		was := c.Status
		if was == auth.StatusRevoked {
			return *c, nil
		}
		// judge asks for the time.
		y.mu.Unlock()
		next := *c
		judge(&next)
		y.mu.Lock()
		*c = next
		if c.Status != was {
			y.state.Revision++
			ev.Reason = string(was) + ">" + string(c.Status)
			y.events = append(y.events, ev)
		}
		return *c, nil
	}
	return auth.Credential{}, errors.New("none")
}

func (y *yard) Host(q auth.Inquiry) string { return q.Credential.Provider }

func (y *yard) Probe(ctx context.Context, q auth.Inquiry) auth.Report {
	y.mu.Lock()
	y.asked, y.at = append(y.asked, q.Credential.ID), append(y.at, time.Now())
	y.running++
	y.most = max(y.most, y.running)
	hold, answer := y.hold, y.answer
	y.mu.Unlock()
	defer func() {
		y.mu.Lock()
		y.running--
		y.mu.Unlock()
	}()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return auth.Report{Meaning: "no answer"}
		}
	}
	return answer(q)
}

func (y *yard) answers(f func(auth.Inquiry) auth.Report) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.answer = f
}

func (y *yard) verdict(v auth.Verdict) {
	y.answers(func(auth.Inquiry) auth.Report { return auth.Report{Verdict: v, Meaning: "it is " + string(v)} })
}

// count is how often upstreams were asked.
func (y *yard) count() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return len(y.asked)
}

func (y *yard) credential(i int) auth.Credential {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.state.Credentials[i]
}

func (y *yard) Validated(auth.Credential, auth.Status, auth.Report) {}
func (y *yard) Expired(auth.Credential)                             {}
func (y *yard) Failed(error)                                        {}

func (y *yard) Expiring(_ auth.Credential, left time.Duration) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.warned = append(y.warned, left)
}

func (y *yard) ClockMoved(by time.Duration) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.moved = append(y.moved, by)
}

func (y *yard) is(i int, want auth.Status) {
	y.t.Helper()
	if got := y.credential(i); got.Status != want {
		y.t.Errorf("it is %s (%s), not %s", got.Status, got.Reason, want)
	}
}

func (y *yard) askedTimes(want int) {
	y.t.Helper()
	if got := y.count(); got != want {
		y.t.Errorf("upstreams were asked %d times, not %d", got, want)
	}
}
