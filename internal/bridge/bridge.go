package bridge

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/admin/session"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/audit"
	"github.com/weighbridge/weighbridge/auth/lifecycle"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/comfyui"
	"github.com/weighbridge/weighbridge/internal/tracing"
	"github.com/weighbridge/weighbridge/proxy"
	"github.com/weighbridge/weighbridge/proxy/box"
	"github.com/weighbridge/weighbridge/proxy/guard"
	"github.com/weighbridge/weighbridge/signer"
	"github.com/weighbridge/weighbridge/signer/s3front"
	"github.com/weighbridge/weighbridge/store"
)

// boxKeyName is the sealed value that holds the key of sealed URLs.
const boxKeyName = "box/key"

// StartGCPercent is what a program may set GOGC to while Open runs.
const StartGCPercent = 400

// Options of a Bridge beside the configuration.
type Options struct {
	Logger  zerolog.Logger
	Version string
	// Environ is the environment of the process: SSL_CERT_FILE names the
	// public roots.
	Environ []string
	// Now defaults to time.Now.
	Now func() time.Time
	// CommitLimit is the longest that a commit of the record may take before
	// nothing is served; zero is a second.
	CommitLimit time.Duration
	// Stdout is where a follower of that type writes; it defaults to that of the
	// process.
	Stdout io.Writer
	// Resolver defaults to the system's.
	Resolver guard.Resolver
}

// Bridge is a whole weighbridge.
type Bridge struct {
	o   Options
	log zerolog.Logger
	// dir is the data directory, empty where there is to be none.
	dir string
	// writable says that the data directory can be written: a memory store
	// goes without it where it cannot.
	writable  bool
	started   time.Time
	providers []auth.Provider

	// watchEvery is how often watched files are looked at.
	watchEvery time.Duration
	// watched are Open's, and then watchFiles'.
	watched []watch

	// reload holds changes of the configuration apart.
	reload sync.Mutex
	loaded atomic.Pointer[config.Loaded]

	store store.Store
	keks  *keks
	// unwraps counts what key services are asked.
	unwraps   store.KEKMeter
	team      auth.Team
	live      *live
	record    *audit.File
	stdout    *audit.LineWriter
	accounts  accounts
	usage     *audit.Usage // nil where the record is in memory
	followers audit.Followers
	authority *authority // nil where interception is off
	dialer    *dialer
	servers   *dialer // of the ComfyUI servers
	comfy     *comfyui.Route
	front     *s3front.Front
	proxy     *proxy.Proxy
	api       *admin.API
	signIn    *session.Service
	metrics   *metrics
	// metricsToken opens /metrics from other machines.
	metricsToken metricsToken
	tracer       tracing.Exporter // nil where nothing is traced
	used         *lastUsed
	welcome      *Welcome
	// others is told when other weighbridges changed a shared store.
	others chan struct{}
	// wentBack says that the database of a shared store is not followed because
	// it does not hold what was committed.
	wentBack atomic.Bool

	// roots is what upstream.ca_file held when it was taken.
	roots rootsSum
	// ownRoots are the same for requests of our own.
	ownRoots  atomic.Pointer[x509.CertPool]
	signer    *signer.Set
	life      *lifecycle.Engine
	tls       listenerTLS
	adminTLS  listenerTLS
	listeners listeners

	// ending guards closed and the beginning of what Close waits for.
	ending   sync.Mutex
	closed   bool
	stop     context.CancelFunc
	watching sync.WaitGroup
}

// Open opens everything and listens nowhere yet. Where it fails, everything
// that it opened is closed again, and what is on disk can be opened again.
func Open(ctx context.Context, loaded *config.Loaded, o Options) (b *Bridge, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	b = &Bridge{o: o, log: o.Logger, started: o.Now().UTC(), providers: signer.Providers(), watchEvery: watchInterval, others: make(chan struct{}, 1)}
	b.loaded.Store(loaded)
	b.openTLS()
	b.stdout = audit.NewLineWriter(cmp.Or[io.Writer](b.o.Stdout, os.Stdout))
	b.beginWatch()
	defer func() {
		if err != nil {
			_ = b.Close()
			b = nil
		}
	}()
	cfg := &loaded.Config
	if cfg.DataDir != "" {
		if b.dir, err = filepath.Abs(cfg.DataDir); err != nil {
			return b, err
		}
	}
	b.live = newLive(b.providers, b.log)
	if err = b.openStore(ctx, cfg); err != nil {
		return b, err
	}
	b.keks = newKEKs(b)
	if b.team, err = b.store.EnsureTeam(ctx, auth.DefaultTeam); err != nil {
		return b, err
	}
	// Before what is declared, which may name the first key.
	if b.welcome, err = b.prepareWelcome(ctx, len(cfg.Keys) > 0, cfg.Store.Driver == driverPostgres); err != nil {
		return b, err
	}
	if err = b.declare(ctx, loaded); err != nil {
		return b, err
	}
	st, err := b.store.State(ctx)
	if err != nil {
		return b, err
	}
	b.live.update(st)
	if err = b.openRecord(cfg); err != nil {
		return b, err
	}
	used := ""
	if cfg.Store.Driver != "memory" {
		used = filepath.Join(b.dir, usedFile)
	}
	b.used = openLastUsed(used, b.log)
	env := environ(o.Environ)
	if cfg.Store.Driver != "memory" || cfg.CA.Given() {
		dir := ""
		if b.writable {
			dir = b.dir
		}
		if b.authority, err = openAuthority(ctx, cfg, b.store, dir, env, o.Now); err != nil {
			return b, err
		}
	}
	if err = b.openProxy(ctx, cfg); err != nil {
		return b, err
	}
	if err = taken(b.metricsToken.renewed(loaded)); err != nil {
		return b, err
	}
	b.openAPI()
	if err = b.openFollowers(cfg); err != nil {
		return b, err
	}
	return b, nil
}

func (b *Bridge) openStore(ctx context.Context, cfg *config.Config) error {
	so := store.Options{Now: b.o.Now, Check: b.live.check, OnChange: b.live.update}
	var err error
	if b.dir != "" {
		err = openDirectory(b.dir)
		b.writable = err == nil
	}
	if cfg.Store.Driver == "memory" {
		if b.writable {
			err = probe(b.dir)
			b.writable = err == nil
		}
		if err != nil && !unwritable(err) {
			return err
		}
		if err != nil {
			b.log.Warn().Err(err).Msg("there is no admin.sock, and no CA bundle is written: the data directory cannot be written")
		}
		kek, err := store.NewMemoryKEK()
		if err != nil {
			return err
		}
		so.KEK = kek
		b.store, err = store.OpenMemory(so)
		return err
	}
	if err != nil {
		return err
	}
	so.KEKURI, so.OpenKEK = cfg.KEK, b.openKEK
	if cfg.Store.Driver == driverPostgres {
		return b.openShared(ctx, cfg, so)
	}
	path := filepath.Join(b.dir, storeFile)
	so.KEK, err = b.firstKEK(cfg, path, func() (bool, error) { return fileExists(path), nil })
	if err != nil {
		return err
	}
	b.store, err = store.OpenBolt(path, so)
	return err
}

func (b *Bridge) openRecord(cfg *config.Config) error {
	if cfg.Store.Driver == "memory" {
		return b.openMemoryRecord(cfg)
	}
	f, err := audit.OpenFile(filepath.Join(b.dir, auditDir), audit.FileOptions{
		Keys: b.store.AuditKeys(), Now: b.o.Now, CommitLimit: b.o.CommitLimit, Retention: cfg.Audit.Retention, MaxSize: int64(cfg.Audit.MaxSize), TeamQuota: int64(cfg.Audit.TeamQuota),
		Notify: b.recordChanged,
	})
	if err != nil {
		return err
	}
	b.record = f
	if err := b.compareAnchor(context.Background(), f); err != nil {
		return err
	}
	b.usage, err = audit.OpenUsage(f, f.Dir(), func(err error) {
		b.log.Error().Err(err).Msg("usage could not be written; it is counted again from the record")
	})
	return err
}

// recordChanged says in the log when the record cannot be written, and when it
// can again.
func (b *Bridge) recordChanged(err error) {
	if err != nil {
		b.log.Error().Err(err).Msg("the audit record has a problem")
		return
	}
	b.log.Info().Msg("the audit record takes events again")
}

func (b *Bridge) openProxy(ctx context.Context, cfg *config.Config) error {
	boxes, err := b.openBoxes(ctx)
	if err != nil {
		return err
	}
	if b.dialer, err = b.newDialer(cfg); err != nil {
		return err
	}
	roots, sum, err := upstreamRoots(cfg.Upstream.CAFile)
	if err != nil {
		return err
	}
	b.roots = sum
	b.ownRoots.Store(roots)
	if err := b.openComfyUI(ctx, cfg); err != nil {
		return err
	}
	b.accounts.log = b.log
	policy, err := b.policy(ctx, cfg)
	if err != nil {
		return err
	}
	taken, err := b.accountsOf(ctx, cfg)
	if err != nil {
		return err
	}
	b.accounts.current.Store(taken)
	limits := &rateLimits{now: b.o.Now, left: map[limitKey]limit{}}
	b.metrics = newMetrics(b.o.Version, gauges{
		limits: limits, audit: b.record.Stats, kek: kekCollector{b.unwraps.Stats, b.o.Now},
		transfers: func() float64 { return float64(len(b.proxy.Transfers())) },
		tunnels:   func() float64 { return float64(b.proxy.Tunnels()) },
		lent:      func() float64 { return float64(b.proxy.Lent()) },
		credentials: func() (auth.State, time.Time) {
			st, err := b.store.State(context.Background())
			if err != nil {
				return auth.State{}, time.Time{} // the store is closed
			}
			return st, b.o.Now()
		},
		auditDown: func() float64 {
			if b.record.Err() != nil {
				return 1
			}
			return 0
		},
	})
	if b.front, err = s3front.New(s3front.Options{Secrets: b.store, Domains: cfg.S3.Domains, HostID: "weighbridge"}); err != nil {
		return fmt.Errorf("s3.domains: %w", err)
	}
	b.signer = signer.NewSet(b.store, signer.SetOptions{
		Now: b.o.Now, Client: ownClient(b.dialer, &b.ownRoots), Machine: machineClient(),
		Getenv: environ(b.o.Environ), ReadFile: os.ReadFile,
	})
	b.openLifecycle(cfg)
	if err := b.openTracing(cfg); err != nil {
		return err
	}
	o := proxy.Options{
		Refused: b.life.Refused, Seen: b.used.see, Limits: limits.see,
		Policy: policy, Snapshot: b.live.Snapshot, Front: b.front, Tokens: &b.accounts,
		Signer:   b.signer,
		Recorder: b.recorder(), Boxes: boxes, Dialer: b.dialer, Opened: b.servers, RootCAs: roots,
		IdleTimeout: cfg.Upstream.IdleTimeout, MaxConns: cfg.Limits.Connections, Logger: b.log, Metrics: b.metrics, Now: b.o.Now,
	}
	if b.tracer != nil {
		o.Tracer = b.tracer
	}
	if b.authority != nil {
		o.Minter, o.CAPEM = b.authority, b.authority.RootsPEM
	}
	b.proxy, err = proxy.New(o)
	return err
}

func (b *Bridge) openBoxes(ctx context.Context) (*box.Sealer, error) {
	key, err := b.store.Sealed(ctx, boxKeyName)
	if errors.Is(err, store.ErrNotFound) {
		key, err = b.store.EnsureSealed(ctx, boxKeyName, box.NewKey())
	}
	if err != nil {
		return nil, err
	}
	return box.New(box.Options{Keys: [][]byte{key}, Now: b.o.Now})
}

// policy maps the configuration to what the proxy may change while it runs.
func (b *Bridge) policy(ctx context.Context, cfg *config.Config) (proxy.Policy, error) {
	p := proxy.Policy{
		UnmatchedForward: cfg.Unmatched.Forward, UnmatchedReverse: cfg.Unmatched.Reverse,
		AllowedHosts: cfg.AllowedHosts, Routes: cfg.Routes, Pickers: b.pickers(cfg), PublicURL: cfg.PublicURL, ConnectPorts: cfg.Upstream.ConnectPorts, KeyTransfers: cfg.Limits.TransfersPerKey,
	}
	if cfg.DefaultKey != "" {
		k, err := b.store.Key(ctx, b.team.ID, cfg.DefaultKey)
		if err != nil {
			return p, fmt.Errorf("default_key: %w", err)
		}
		p.DefaultKeyID = k.ID
	}
	return p, nil
}

// accountsOf is whose tokens are taken for which key by cfg.
func (b *Bridge) accountsOf(ctx context.Context, cfg *config.Config) (*accountsNow, error) {
	return b.accounts.prepare(cfg, b.o.Now, func(name string) (string, error) {
		k, err := b.store.Key(ctx, b.team.ID, name)
		return k.ID, err
	})
}

func (b *Bridge) provider(name string) (auth.Provider, bool) { return signer.Lookup(name) }

// Welcome is what this start must show once, nil where there is nothing.
func (b *Bridge) Welcome() *Welcome { return b.welcome }

// Store is the store, for the test kit.
func (b *Bridge) Store() store.Store { return b.store }

// Team is the default team.
func (b *Bridge) Team() auth.Team { return b.team }

// API is the administrative side.
func (b *Bridge) API() *admin.API { return b.api }

// Proxy is the data plane.
func (b *Bridge) Proxy() *proxy.Proxy { return b.proxy }

// dialer lets the guard's options change while requests run.
type dialer struct{ current atomic.Pointer[guard.Dialer] }

var _ proxy.Dialer = (*dialer)(nil)

func (d *dialer) Check(host string, port uint16) error { return d.current.Load().Check(host, port) }

func (d *dialer) Dial(ctx context.Context, host string, port uint16) (net.Conn, error) {
	return d.current.Load().Dial(ctx, host, port)
}

func (d *dialer) Recheck(host string, port uint16, c net.Conn) error {
	return d.current.Load().Recheck(host, port, c)
}

func (b *Bridge) newDialer(cfg *config.Config) (*dialer, error) {
	g, err := b.newGuard(cfg)
	if err != nil {
		return nil, err
	}
	d := &dialer{}
	d.current.Store(g)
	return d, nil
}

func (b *Bridge) newGuard(cfg *config.Config) (*guard.Dialer, error) {
	o, err := b.guardOptions(cfg)
	if err != nil {
		return nil, err
	}
	return guard.New(o)
}

func (b *Bridge) guardOptions(cfg *config.Config) (guard.Options, error) {
	o := guard.Options{
		AllowPrivate: cfg.Upstream.AllowPrivate, Resolve: cfg.Upstream.Resolve, Own: b.own,
		Resolver: b.o.Resolver, ProxyResolves: cfg.Upstream.ProxyResolves,
	}
	if cfg.Upstream.Proxy != "" {
		u, err := url.Parse(cfg.Upstream.Proxy)
		if err != nil {
			return o, errors.New("upstream.proxy: not a URL") // the URL may hold a password
		}
		o.Proxy = u
	}
	return o, nil
}

// own are the addresses that we listen on.
func (b *Bridge) own() []netip.AddrPort { return b.listeners.own() }

// environ looks variables up; the last one of a name counts.
func environ(env []string) func(string) string {
	m := make(map[string]string, len(env))
	for _, kv := range env {
		for i := 1; i < len(kv); i++ {
			if kv[i] == '=' {
				m[kv[:i]] = kv[i+1:]
				break
			}
		}
	}
	return func(name string) string { return m[name] }
}
