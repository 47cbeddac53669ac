package proxy

import (
	"context"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/wire"
)

// Transfer is a request in progress.
type Transfer struct {
	// ID is the request's.
	ID      string
	KeyID   string
	KeyName string
	// Worker is the worker's address.
	Worker string
	// Mode is "forward", "reverse" or the name of the front.
	Mode   string
	Method string
	// URL has no query. For a blind tunnel it is https://host:port/.
	URL string
	// Credential is the name of the one that was put on, or empty.
	Credential string
	// Bytes went to the worker so far; Total is that of the whole body, -1
	// where it is not known.
	Bytes, Total int64
	Started      time.Time
}

// transfer is a request in the registry.
type transfer struct {
	shown  Transfer
	target auth.Target
	bytes  atomic.Int64
	total  atomic.Int64
	// ctx ends when the transfer is cut.
	ctx context.Context
	// cancel is nil where ctx is a request's own.
	cancel context.CancelFunc
	// The neighbours in the registry.
	before, after *transfer
}

// cut ends t.
func (t *transfer) cut() {
	if t.cancel != nil {
		t.cancel()
		return
	}
	wire.Cut(t.ctx)
}

// registry holds the requests in progress, the newest first. The zero value is
// ready.
type registry struct {
	mu    sync.Mutex
	first *transfer
	count int
}

// add enters an exchange of which ctx is the request's own, or the one that
// cancel ends.
func (r *registry) add(ctx context.Context, cancel context.CancelFunc, x *exchange) *transfer {
	t := &transfer{ctx: ctx, cancel: cancel, target: x.target, shown: Transfer{
		ID: x.id, KeyID: x.identity.KeyID, KeyName: x.identity.KeyName, Worker: x.peer,
		Mode: x.recordMode(), Method: x.method, Started: x.started,
		Credential: x.decision.CredentialName,
	}}
	t.total.Store(-1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.after = r.first; t.after != nil {
		t.after.before = t
	}
	r.first = t
	r.count++
	return t
}

// remove takes t out, once. A nil t is nothing.
func (r *registry) remove(t *transfer) {
	if t == nil {
		return
	}
	r.mu.Lock()
	if t.before != nil {
		t.before.after = t.after
	} else {
		r.first = t.after
	}
	if t.after != nil {
		t.after.before = t.before
	}
	r.count--
	r.mu.Unlock()
	if t.cancel != nil {
		t.cancel()
	}
}

// all calls yield with each transfer, under the lock.
func (r *registry) all(yield func(*transfer)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for t := r.first; t != nil; t = t.after {
		yield(t)
	}
}

func (r *registry) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

func (t *transfer) show() Transfer {
	s := t.shown
	s.URL, s.Bytes, s.Total = t.target.Redacted(), t.bytes.Load(), t.total.Load()
	return s
}

// Transfers are the requests in progress, blind tunnels among them, the
// oldest first.
func (p *Proxy) Transfers() []Transfer {
	out := []Transfer{}
	p.transfers.all(func(t *transfer) { out = append(out, t.show()) })
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}

// Cut ends every transfer that which picks, so that its worker sees a broken
// connection, and returns how many those were.
func (p *Proxy) Cut(which func(Transfer) bool) int {
	var picked []*transfer
	p.transfers.all(func(t *transfer) {
		if which(t.show()) {
			picked = append(picked, t)
		}
	})
	for _, t := range picked {
		t.cut()
	}
	return len(picked)
}

// Counts are how many of what there are at the moment.
type Counts struct{ Conns, Transfers, Tunnels int }

// Live counts what is in progress.
func (p *Proxy) Live() Counts {
	return Counts{Conns: p.server.Conns(), Transfers: p.transfers.len(), Tunnels: p.tunnels.len()}
}
