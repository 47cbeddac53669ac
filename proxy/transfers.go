package proxy

import (
	"context"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weighbridge/weighbridge/auth"
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
	ctx    context.Context
	cancel context.CancelFunc
}

// registry holds the requests in progress. The zero value is ready.
type registry struct {
	mu   sync.Mutex
	live map[*transfer]struct{}
}

// add enters an exchange, which is cut off by the end of ctx.
func (r *registry) add(ctx context.Context, x *exchange) *transfer {
	ctx, cancel := context.WithCancel(ctx)
	t := &transfer{ctx: ctx, cancel: cancel, target: x.target, shown: Transfer{
		ID: x.id, KeyID: x.identity.KeyID, KeyName: x.identity.KeyName, Worker: x.peer,
		Mode: x.recordMode(), Method: x.method, Started: x.started,
		Credential: x.decision.CredentialName,
	}}
	t.total.Store(-1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live == nil {
		r.live = map[*transfer]struct{}{}
	}
	r.live[t] = struct{}{}
	return t
}

// remove takes t out and releases its context. A nil t is nothing.
func (r *registry) remove(t *transfer) {
	if t == nil {
		return
	}
	r.mu.Lock()
	delete(r.live, t)
	r.mu.Unlock()
	t.cancel()
}

func (t *transfer) show() Transfer {
	s := t.shown
	s.URL, s.Bytes, s.Total = t.target.Redacted(), t.bytes.Load(), t.total.Load()
	return s
}

// Transfers are the requests in progress, blind tunnels among them, the
// oldest first.
func (p *Proxy) Transfers() []Transfer {
	p.transfers.mu.Lock()
	out := make([]Transfer, 0, len(p.transfers.live))
	for t := range p.transfers.live {
		out = append(out, t.show())
	}
	p.transfers.mu.Unlock()
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}

// Cut ends every transfer that which picks, so that its worker sees a broken
// connection, and returns how many those were.
func (p *Proxy) Cut(which func(Transfer) bool) int {
	p.transfers.mu.Lock()
	var picked []*transfer
	for t := range p.transfers.live {
		if which(t.show()) {
			picked = append(picked, t)
		}
	}
	p.transfers.mu.Unlock()
	for _, t := range picked {
		t.cancel()
	}
	return len(picked)
}

// Counts are how many of what there are at the moment.
type Counts struct{ Conns, Transfers, Tunnels int }

// Live counts what is in progress.
func (p *Proxy) Live() Counts {
	p.transfers.mu.Lock()
	n := len(p.transfers.live)
	p.transfers.mu.Unlock()
	return Counts{Conns: p.server.Conns(), Transfers: n, Tunnels: p.tunnels.len()}
}
