package proxy

import (
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/wire"
)

// meters measure the keys that have limits of their own; those that have none
// are not in it. The zero value is ready.
type meters struct {
	mu    sync.Mutex
	byKey map[string]*meter
	// swept is by which snapshot the keys that are gone were forgotten.
	swept *auth.Snapshot
}

// meter is one key's.
type meter struct {
	limits   auth.Limits
	requests *rate.Limiter // nil where the rate is not limited
	pace     *wire.Pace    // nil where the bandwidth is not
}

// of is the meter of a key with limits l at now. What the key has used stands
// when a limit changes.
func (m *meters) of(key string, l auth.Limits, now time.Time) meter {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byKey == nil {
		m.byKey = map[string]*meter{}
	}
	k := m.byKey[key]
	if k == nil {
		k = &meter{}
		m.byKey[key] = k
	}
	if k.limits != l {
		k.change(l, now)
	}
	return *k
}

// change makes l the limits.
func (k *meter) change(l auth.Limits, now time.Time) {
	k.limits = l
	switch {
	case l.Rate == 0:
		k.requests = nil
	case k.requests == nil:
		k.requests = rate.NewLimiter(rate.Limit(l.Rate), l.AtOnce())
	default:
		k.requests.SetLimitAt(now, rate.Limit(l.Rate))
		k.requests.SetBurstAt(now, l.AtOnce())
	}
	switch {
	case l.Bandwidth == 0:
		k.pace = nil // what is under way goes on as it began
	case k.pace == nil:
		k.pace = wire.NewPace(l.Bandwidth)
	default:
		k.pace.SetRate(l.Bandwidth)
	}
}

// sweep forgets the keys that are not in s.
func (m *meters) sweep(s *auth.Snapshot) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.swept == s {
		return
	}
	m.swept = s
	for id := range m.byKey {
		if !s.Knows(id) {
			delete(m.byKey, id)
		}
	}
}

// meter counts the exchange among the requests of its key, once, and finds the
// pace of its bodies. The error says that there are too many.
func (x *exchange) meter() *auth.Error {
	l := x.identity.Limits()
	if l.Rate == 0 && l.Bandwidth == 0 {
		x.pace = nil
		return nil
	}
	m := x.p.meters.of(x.identity.KeyID, l, x.at)
	x.pace = m.pace
	if x.metered || m.requests == nil {
		return nil
	}
	r := m.requests.ReserveN(x.at, 1)
	wait := r.DelayFrom(x.at)
	if wait == 0 {
		x.metered = true
		return nil
	}
	r.CancelAt(x.at)
	reason := "the API key " + strconv.Quote(x.identity.KeyName) + " has made as many requests as it may, which is " + strconv.FormatFloat(l.Rate, 'g', -1, 64) + " a second"
	return auth.NewError(auth.CodeTooManyRequests, reason, &retryAfter{wait, nil})
}
