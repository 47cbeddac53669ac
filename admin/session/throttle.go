package session

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

// throttle slows guessing down and locks nobody out.
//
// What an attacker can do is guess at one account from one address, from many,
// or at many accounts from one; and, where failures shut an account, shut it
// for its owner by failing on purpose. So no count of failures belongs to an
// account alone. An attempt is counted by where it comes from:
//
//   - A device that has signed in as this user before proves it (a signed device
//     token): it has tries of its own, which nobody else's failures touch. A
//     stolen one buys as many guesses as an address does.
//   - Otherwise by account and network (an IPv4 address, an IPv6 /56): five tries, then
//     each failure doubles the time to the next try, from a second to a quarter
//     of an hour. Whoever fails from one network delays that network alone.
//   - And by network, whatever the account: thirty tries, then delays up to
//     five minutes. One leaked list is not tried from one place. That someone
//     signs in there gives a single try back, so an account of one's own buys none.
//   - All failures at an account together only take tries away from networks
//     that have none to show: after a hundred within an hour (NIST SP 800-63B,
//     section 5.2.2, allows no more in a row) each has one try instead of five.
//     It is never none, so the owner's right password counts from any place
//     from which nobody else keeps guessing at that account, however many
//     machines attack.
//
// What is left: on a device that never signed in, behind the very address that
// an attacker guesses from, the owner waits with the attacker. An operator on
// the machine can always set the password.
//
// A try is taken when an attempt begins and given back when it succeeds:
// otherwise many at once would all be the first. Attempts that come too soon,
// or find no turn at reckoning, are not evaluated and change nothing: a flood
// takes nobody's tries away.
//
// Names that are no account are counted as any. Memory is bounded: what was
// idle longest goes first. Only an attempt that is evaluated begins a count, so
// that nobody who has to wait pushes others out meanwhile; whoever has so many
// networks that all counts are pushed out has more tries from them anyway.
type throttle struct {
	now func() time.Time

	mu      sync.Mutex
	entries map[throttleKey]*list.Element // of *strikes
	order   *list.List                    // used last in front
	most    int
}

// throttleKey is what attempts are counted by; one of its parts may be empty.
type throttleKey struct{ kind, account, source string }

// The kinds of counts.
const (
	byDevice  = "device"
	byPair    = "pair"
	bySource  = "source"
	byAccount = "account"
)

// pace is how a count turns into waiting.
type pace struct {
	free   int           // tries before there is any
	most   time.Duration // of waiting
	forget time.Duration // without a failure, after which nothing is counted
}

func paceOf(kind string) pace {
	switch kind {
	case bySource:
		return pace{free: 30, most: 5 * time.Minute, forget: time.Hour}
	default:
		return pace{free: 5, most: 15 * time.Minute, forget: time.Hour}
	}
}

// besieged is how many failures within an hour put an account under siege.
const besieged = 100

// maxStrikes is how many counts are held, of some 300 bytes each.
const maxStrikes = 32 << 10

// strikes is one count.
type strikes struct {
	key  throttleKey
	n    int
	last time.Time // of n's growth
	next time.Time // when another attempt counts
}

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, entries: map[throttleKey]*list.Element{}, order: list.New(), most: maxStrikes}
}

// attempt is one that was let through.
type attempt struct {
	t      *throttle
	keys   []throttleKey
	delays []delay
}

// delay is what an attempt made of the next time of a count.
type delay struct{ was, is time.Time }

// begin lets an attempt at account through, or says how long it must wait.
// device is the id of a device that has proved itself to be the account's;
// empty otherwise.
func (t *throttle) begin(account string, source netip.Addr, device string) (a *attempt, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	network := networkOf(source)
	keys := []throttleKey{{byPair, account, network}, {bySource, "", network}}
	if device != "" {
		keys = []throttleKey{{byDevice, account, device}}
	}
	for _, k := range keys {
		if s := t.known(k, now); s != nil {
			wait = max(wait, s.next.Sub(now))
		}
	}
	if wait > 0 {
		return nil, wait
	}
	siege := t.at(throttleKey{byAccount, account, ""}, now)
	a = &attempt{t: t}
	for _, k := range keys {
		p := paceOf(k.kind)
		if k.kind == byPair && siege.n >= besieged {
			p.free = 1
		}
		s := t.at(k, now)
		was := s.next
		s.strike(p, now)
		a.count(k, delay{was, s.next})
	}
	if device == "" {
		siege.n, siege.last = siege.n+1, now
		a.count(siege.key, delay{})
	}
	return a, 0
}

func (a *attempt) count(k throttleKey, d delay) {
	a.keys, a.delays = append(a.keys, k), append(a.delays, d)
}

// unevaluated takes back that there was an attempt.
func (a *attempt) unevaluated() {
	a.t.mu.Lock()
	defer a.t.mu.Unlock()
	now := a.t.now()
	for i, k := range a.keys {
		s := a.t.known(k, now)
		if s == nil {
			continue
		}
		s.n = max(0, s.n-1)
		if d := a.delays[i]; s.next.Equal(d.is) { // nobody failed since
			s.next = d.was
		}
	}
}

// succeeded takes back what the attempt was counted for.
func (a *attempt) succeeded() {
	a.t.mu.Lock()
	defer a.t.mu.Unlock()
	now := a.t.now()
	for _, k := range a.keys {
		s := a.t.at(k, now)
		switch k.kind {
		case bySource, byAccount:
			s.n = max(0, s.n-1)
		default:
			s.n, s.next = 0, time.Time{}
		}
	}
}

func (s *strikes) strike(p pace, now time.Time) {
	s.n, s.last = s.n+1, now
	if over := s.n - p.free; over >= 0 {
		s.next = now.Add(min(p.most, time.Second<<min(over, 20)))
	}
}

// known finds a count; nil where there is none. What has not grown for long is
// nothing.
func (t *throttle) known(k throttleKey, now time.Time) *strikes {
	e, ok := t.entries[k]
	if !ok {
		return nil
	}
	t.order.MoveToFront(e)
	s := e.Value.(*strikes)
	if now.Sub(s.last) >= paceOf(k.kind).forget || now.Before(s.last.Add(-time.Minute)) {
		s.n, s.next = 0, time.Time{}
	}
	return s
}

// at finds a count, or begins it.
func (t *throttle) at(k throttleKey, now time.Time) *strikes {
	if s := t.known(k, now); s != nil {
		return s
	}
	for len(t.entries) >= t.most {
		oldest := t.order.Back()
		t.order.Remove(oldest)
		delete(t.entries, oldest.Value.(*strikes).key)
	}
	s := &strikes{key: k}
	t.entries[k] = t.order.PushFront(s)
	return s
}

// networkOf is what one party has for itself: an IPv4 address, or the /56 of
// IPv6 that a site is given (RFC 6177).
func networkOf(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, err := a.Prefix(56)
		if err == nil {
			return p.String()
		}
	}
	return a.String()
}
