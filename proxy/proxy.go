package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/wire"
)

// Proxy serves the data plane. All methods may be called by any number of
// goroutines.
type Proxy struct {
	o       Options
	policy  atomic.Pointer[policy]
	server  *wire.Server
	client  *wire.Client
	buffers *wire.Buffers
	texts   *texts
	shares  *wire.Shares

	// strangers is the log for requests of nobody who was identified: sampled,
	// so that it cannot be flooded.
	strangers zerolog.Logger
	// strangeTraces samples the traces of such requests.
	strangeTraces zerolog.Sampler

	transfers registry
	failures  failures
	tunnels   tunnels
	masks     masks
	busy      busy
	meters    meters
	repeats   repeats

	// implied are the listeners that may imply the default key, by address.
	implied  sync.Map
	leaving  atomic.Bool
	draining atomic.Bool
	closed   chan struct{}
	closing  sync.Once
	watch    sync.WaitGroup
}

// New makes a Proxy. Its error names every mistake in o. Close must be called
// once it is no longer needed.
func New(o Options) (*Proxy, error) {
	if o.Snapshot == nil || o.Signer == nil || o.Recorder == nil || o.Dialer == nil {
		return nil, errors.New("proxy: Snapshot, Signer, Recorder and Dialer are required")
	}
	pol, err := compilePolicy(o.Policy)
	if err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wait == nil {
		o.Wait = wire.Sleep
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = 60 * time.Second
	}
	shares, err := wire.NewShares(0)
	if err != nil {
		return nil, err
	}
	p := &Proxy{o: o, shares: shares, buffers: wire.NewBuffers(wire.DefaultBudget), texts: newTexts(), closed: make(chan struct{})}
	p.policy.Store(pol)
	p.strangers = o.Logger.Sample(&zerolog.BurstSampler{Burst: 20, Period: time.Second})
	p.strangeTraces = &zerolog.BurstSampler{Burst: 20, Period: time.Second}
	p.client = wire.NewClient(wire.ClientOptions{
		Dial: func(ctx context.Context, d wire.Dest) (net.Conn, error) {
			return o.dialerOf(d).Dial(ctx, d.Host, d.Port)
		},
		Reuse: func(d wire.Dest, c net.Conn) error {
			return o.dialerOf(d).Recheck(d.Host, d.Port, c)
		},
		TLS:          &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
		Buffers:      p.buffers,
		Shares:       p.shares,
		StallTimeout: o.IdleTimeout,
	})
	p.server = p.newServer()
	p.watch.Go(p.watchTunnels)
	return p, nil
}

// dialerOf is what reaches d.
func (o *Options) dialerOf(d wire.Dest) Dialer {
	if d.Opened && o.Opened != nil {
		return o.Opened
	}
	return o.Dialer
}

// SetPolicy replaces the policy for every request that comes from now on. On
// error the old one stays.
func (p *Proxy) SetPolicy(n Policy) error {
	pol, err := compilePolicy(n)
	if err != nil {
		return err
	}
	p.policy.Store(pol)
	return nil
}

// SetRoots replaces what upstreams are verified by (Options.RootCAs) for every
// connection that is made from now on; kept ones are not used again.
func (p *Proxy) SetRoots(roots *x509.CertPool) { p.client.Trust(roots) }

// Serve accepts workers from ln until Drain or Close, when it returns nil, or
// until ln fails. ln hands out plain connections, or is one of TLSListener.
func (p *Proxy) Serve(ln net.Listener) error {
	if implies(ln.Addr()) {
		p.implied.Store(listenerName(ln.Addr()), true)
	}
	if _, ok := ln.(*wire.Listener); !ok {
		ln = p.TLSListener(ln, nil)
	}
	err := p.server.Serve(ln)
	if errors.Is(err, wire.ErrServerClosed) {
		return nil
	}
	return err
}

// TLSListener makes a listener for Serve that ends TLS with cfg.
func (p *Proxy) TLSListener(ln net.Listener, cfg *tls.Config) net.Listener {
	return wire.Listen(ln, wire.ListenerOptions{TLS: cfg, OnError: func(err error) {
		p.o.Logger.Error().Err(err).Msg("cannot accept connections")
	}})
}

func listenerName(a net.Addr) string { return a.Network() + "!" + a.String() }

// Leave says from now on that it is not ready (Ready), and serves as before: who
// sends workers here learns that they are to go elsewhere before Drain refuses
// them.
func (p *Proxy) Leave() { p.leaving.Store(true) }

// Drain stops accepting, closes idle connections, refuses new requests on the
// others, and lets what is under way finish until ctx ends. What is left then
// is cut so that its worker sees a broken connection, and ctx's error is
// returned.
func (p *Proxy) Drain(ctx context.Context) error {
	p.draining.Store(true)
	// The transfers go before the server does, so that what is told of each of
	// them is why.
	patience, give := context.WithCancel(context.Background())
	defer give()
	left, over := 0, make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(over)
		left = p.cutAll()
		give()
	})
	err := p.server.Shutdown(patience)
	if stop() {
		return nil
	}
	<-over
	if err != nil {
		left += 1 + p.cutAll() // what came in between, or was no transfer
	}
	if left == 0 {
		return nil
	}
	return ctx.Err()
}

// closeTimeout bounds how long Close waits for requests that it has cut.
const closeTimeout = 10 * time.Second

// Close cuts what is left and releases everything. When it returns without an
// error nothing of this proxy runs any more.
func (p *Proxy) Close() (err error) {
	p.closing.Do(func() {
		p.draining.Store(true)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		p.cutAll()
		_ = p.server.Shutdown(ctx) // resets every connection; the error is that of ctx
		p.cutAll()
		ctx, cancel = context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		if p.server.Shutdown(ctx) != nil {
			err = errors.New("proxy: requests that were cut did not end in time")
		}
		close(p.closed)
		p.repeats.close(p.o.Now(), true, p.record)
		p.client.Close()
		if e := p.shares.Close(); err == nil {
			err = e
		}
	})
	p.watch.Wait()
	return err
}

// Ready is nil while requests are served, and are to be, and says why not
// otherwise.
func (p *Proxy) Ready() error {
	if p.leaving.Load() || p.draining.Load() {
		return auth.NewError(auth.CodeDraining, "weighbridge is shutting down", nil)
	}
	if err := p.o.Recorder.Err(); err != nil {
		if e := unrecordable(err); e.Code != auth.CodeAuditUnavailable {
			return e
		}
		return auth.NewError(auth.CodeAuditUnavailable, "the audit record cannot be written", err)
	}
	if p.o.Ready != nil {
		return p.o.Ready()
	}
	return nil
}

// ForgetConnections closes every unused upstream connection, after a change
// of what may be dialled or trusted.
func (p *Proxy) ForgetConnections() { p.client.CloseIdle() }

// Tunnels is the number of blind tunnels that are open.
func (p *Proxy) Tunnels() int { return p.tunnels.len() }

// Lent is the memory that is lent to streaming bodies, in bytes.
func (p *Proxy) Lent() int64 { return p.buffers.Lent() }

// Conns is the number of worker connections, tunnels included.
func (p *Proxy) Conns() int { return p.server.Conns() }
