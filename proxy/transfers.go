package proxy

import (
	"context"
	"errors"
	"mime"
	"net"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/wire"
)

// Transfer is a request in progress.
type Transfer struct {
	// ID is the request's.
	ID      string
	TeamID  string
	KeyID   string
	KeyName string
	// Worker is the worker's address.
	Worker string
	// Mode is "forward", "reverse" or the name of the front.
	Mode   string
	Method string
	// URL has no query. For a blind tunnel it is https://host:port/.
	URL string
	// CredentialID and Credential are the id and the name of the one that was
	// put on, or empty.
	CredentialID, Credential string
	// Signed says that the URL carries a complete signature of its own, beside
	// which nothing is put on.
	Signed bool
	// File is what the upstream calls the file (RFC 6266, section 4.3), empty
	// where it does not say.
	File string
	// Bytes went to the worker so far; Total is that of the whole body, -1
	// where it is not known.
	Bytes, Total int64
	Started      time.Time
}

// transfer is a request in the registry.
type transfer struct {
	shown  Transfer // guarded by the registry's lock
	target auth.Target
	bytes  atomic.Int64
	total  atomic.Int64
	// disposition is the field Content-Disposition of the answer, nil where
	// there is none.
	disposition atomic.Pointer[string]
	// ctx ends when the transfer is cut.
	ctx context.Context
	// cancel is nil where ctx is a request's own.
	cancel context.CancelFunc
	// why is set once it is cut.
	why atomic.Pointer[auth.Error]
	// The neighbours in the registry.
	before, after *transfer

	mu     sync.Mutex
	worker net.Conn // nil once the transfer is over
}

// cut ends t, unless it is over. Its worker is reset at once, whether it is
// being written to, waited for, or takes nothing; only then the upstream goes,
// so that nothing else can end the answer first.
func (t *transfer) cut(why *auth.Error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.worker == nil {
		return
	}
	t.why.Store(why)
	wire.Reset(t.worker)
	t.worker = nil
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
	t := &transfer{ctx: ctx, cancel: cancel, target: x.target, worker: x.line.conn(), shown: Transfer{
		ID: x.id, TeamID: x.identity.TeamID, KeyID: x.identity.KeyID, KeyName: x.identity.KeyName, Worker: x.peer,
		Mode: x.recordMode(), Method: x.method, Started: x.started,
		CredentialID: x.decision.CredentialID, Credential: x.decision.CredentialName, Signed: x.decision.Signed,
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

// enter makes x.transfer show by what the exchange goes on, as it was decided
// last, and enters it first where it is not there yet.
func (r *registry) enter(x *exchange) {
	t := x.transfer
	if t == nil {
		x.transfer = r.add(x.context(), nil, x)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &t.shown
	s.KeyID, s.KeyName = x.identity.KeyID, x.identity.KeyName
	s.CredentialID, s.Credential, s.Signed = x.decision.CredentialID, x.decision.CredentialName, x.decision.Signed
	if x.picking != nil {
		t.target = x.target // another upstream may have been picked
	}
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
	t.mu.Lock()
	t.worker = nil // what is on the connection from now on is another request
	t.mu.Unlock()
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
	if d := t.disposition.Load(); d != nil {
		s.File = fileName(*d)
	}
	return s
}

// maxFileName is the longest name that file systems take, in bytes.
const maxFileName = 255

// fileName is the name in a Content-Disposition, without any directory; empty
// where there is none that can be shown.
func fileName(disposition string) string {
	_, params, err := mime.ParseMediaType(disposition)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return ""
	}
	name := params["filename"]
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	if len(name) > maxFileName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return ""
	}
	return name
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
//
// What was decided by a snapshot is picked or is decided anew by the one that
// Options.Snapshot returns by now: who revokes a key or credential there, and
// then cuts what uses it, misses nothing.
func (p *Proxy) Cut(which func(Transfer) bool) int {
	return p.cut(which, auth.NewError(auth.CodeTransferCut, "the transfer was cut by the operator", nil))
}

func (p *Proxy) cut(which func(Transfer) bool, why *auth.Error) int {
	var picked []*transfer
	p.transfers.all(func(t *transfer) {
		if which(t.show()) {
			picked = append(picked, t)
		}
	})
	for _, t := range picked {
		t.cut(why)
	}
	return len(picked)
}

// cutAll ends every transfer because of the shutdown, and returns how many
// those were.
func (p *Proxy) cutAll() int {
	return p.cut(func(Transfer) bool { return true }, errStopped())
}

// errStopped is how a transfer ends that a shutdown did not wait for.
func errStopped() *auth.Error {
	return auth.NewError(auth.CodeDraining, "weighbridge was shut down before the transfer was whole", nil)
}

// Counts are how many of what there are at the moment.
type Counts struct{ Conns, Transfers, Tunnels int }

// Live counts what is in progress.
func (p *Proxy) Live() Counts {
	return Counts{Conns: p.server.Conns(), Transfers: p.transfers.len(), Tunnels: p.tunnels.len()}
}
