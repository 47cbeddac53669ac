package proxy

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// maxFailures unknown keys in a minute are told as what they are; after
	// that an address is told to wait.
	maxFailures   = 10
	failureWindow = time.Minute
	// maxAddresses bounds what is remembered. When it is full the oldest
	// window goes: forgetting costs a guesser ten guesses at 256 bits.
	maxAddresses = 1 << 16
)

// failures counts unknown keys by address. The zero value is ready.
type failures struct {
	mu     sync.Mutex
	byAddr map[string]*window
	swept  time.Time
}

type window struct {
	since time.Time
	count int
}

// add counts one failure of an address and returns how long it has to wait,
// or zero while it is within the limit.
func (f *failures) add(peer string, now time.Time) time.Duration {
	peer = neighbourhood(peer)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byAddr == nil {
		f.byAddr = map[string]*window{}
	}
	w := f.byAddr[peer]
	if w == nil || now.Sub(w.since) >= failureWindow || now.Before(w.since) {
		f.sweep(now)
		w = &window{since: now}
		f.byAddr[peer] = w
	}
	w.count++
	if w.count <= maxFailures {
		return 0
	}
	return max(w.since.Add(failureWindow).Sub(now), time.Second)
}

// sweep forgets windows that are over, at most once in a window's time, and
// the whole lot where there are too many addresses even so.
func (f *failures) sweep(now time.Time) {
	if len(f.byAddr) < maxAddresses && now.Sub(f.swept) < failureWindow {
		return
	}
	f.swept = now
	for a, w := range f.byAddr {
		if now.Sub(w.since) >= failureWindow {
			delete(f.byAddr, a)
		}
	}
	if len(f.byAddr) >= maxAddresses {
		clear(f.byAddr)
	}
}

// neighbourhood is the address itself, or the /64 of an IPv6 address, which
// one host has to itself (RFC 6177).
func neighbourhood(peer string) string {
	a, err := netip.ParseAddr(peer)
	if err != nil || a.Unmap().Is4() {
		return peer
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return peer
	}
	return p.String()
}

// retryAfter is a private cause that says when to try again.
type retryAfter struct {
	wait  time.Duration
	cause error
}

func (r *retryAfter) Error() string {
	if r.cause == nil {
		return "try again in " + r.wait.String()
	}
	return r.cause.Error()
}

func (r *retryAfter) Unwrap() error { return r.cause }
