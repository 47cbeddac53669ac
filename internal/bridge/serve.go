package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"time"

	"github.com/weighbridge/weighbridge/config"
)

// Serve serves until Drain or Close; Listen comes first. It returns nil after
// Drain and Close, and otherwise the error that ended a listener.
func (b *Bridge) Serve(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	b.ending.Lock()
	if b.closed {
		b.ending.Unlock()
		return nil
	}
	b.stop = stop
	b.watching.Add(6)
	b.ending.Unlock()
	go func() {
		defer b.watching.Done()
		b.watchFiles(ctx)
	}()
	go func() {
		defer b.watching.Done()
		b.life.Run(ctx)
	}()
	go func() {
		defer b.watching.Done()
		b.signActs(ctx)
	}()
	go func() {
		defer b.watching.Done()
		b.used.run(ctx, func() (map[string]bool, error) { return b.usable(ctx) })
	}()
	go func() {
		defer b.watching.Done()
		b.comfy.Run(ctx)
	}()
	go func() {
		defer b.watching.Done()
		b.heedOthers(ctx)
	}()
	b.keks.resume()
	failed := make(chan error, 3)
	report := func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
	l := &b.listeners
	if l.socket != nil {
		l.serveAdmin(l.socket, profiled(b.api.Local()), report)
	}
	if l.admin != nil {
		l.serveAdmin(l.admin, b.portal(), report)
	}
	served := make(chan error, 1)
	go func() { served <- b.proxy.Serve(l.proxy) }()
	select {
	case err := <-served:
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		return err
	case err := <-failed:
		return err
	}
}

// lastSignLimit is how long the end waits for a database to take the last head:
// the next start signs what was not.
const lastSignLimit = 5 * time.Second

// Leave says by readiness that this weighbridge goes, and serves as before.
func (b *Bridge) Leave() { b.proxy.Leave() }

// Drain takes no new work, lets live transfers finish until ctx ends, and
// cuts the rest by reset.
func (b *Bridge) Drain(ctx context.Context) error { return b.proxy.Drain(ctx) }

// Close ends everything at once.
func (b *Bridge) Close() error {
	var errs []error
	b.ending.Lock()
	b.closed = true
	if b.stop != nil {
		b.stop()
	}
	b.ending.Unlock()
	b.watching.Wait()
	if b.proxy != nil {
		errs = append(errs, b.proxy.Close())
	}
	if b.tracer != nil { // every request has ended
		b.tracer.Close()
	}
	b.listeners.close()
	if b.comfy != nil {
		errs = append(errs, b.comfy.Close())
	}
	if b.life != nil {
		b.life.Close()
	}
	if b.signer != nil {
		b.signer.Close()
	}
	if b.keks != nil {
		b.keks.close()
	}
	inMemory := b.loaded.Load().Config.Store.Driver == "memory"
	if !inMemory {
		errs = append(errs, b.followers.Close())
	}
	if b.usage != nil {
		errs = append(errs, b.usage.Close())
	}
	if b.record != nil {
		errs = append(errs, b.record.Close())
	}
	if inMemory { // what is not sent now is lost
		errs = append(errs, b.followers.Close())
	}
	if b.used != nil {
		b.used.write(func() (map[string]bool, error) { return b.usable(context.Background()) })
	}
	if b.store != nil {
		// The record is closed, and its end durable.
		ctx, stop := context.WithTimeout(context.Background(), lastSignLimit)
		b.signHead(ctx)
		stop()
		errs = append(errs, b.store.Close())
	}
	return errors.Join(errs...)
}

// Reload takes a new configuration without dropping a byte. Where it fails
// the old one stands. restart lists the fields that changed and only hold
// after a restart.
func (b *Bridge) Reload(ctx context.Context, loaded *config.Loaded) (restart []string, err error) {
	b.reload.Lock()
	defer b.reload.Unlock()
	was, is := &b.loaded.Load().Config, &loaded.Config
	g, err := b.newGuard(is)
	if err != nil {
		return nil, err
	}
	servers, err := b.newServersGuard(is)
	if err != nil {
		return nil, err
	}
	renewCertificate, err := b.tls.renewed(is)
	if err != nil {
		return nil, err
	}
	renewAdmin, err := b.adminTLS.renewed(is)
	if err != nil {
		return nil, err
	}
	renewRoots, err := b.renewedRoots(is)
	if err != nil {
		return nil, err
	}
	renewToken, err := b.metricsToken.renewed(loaded)
	if err != nil {
		return nil, err
	}
	// Declared rows first: the policy may name a declared key.
	if err := b.declare(ctx, loaded); err != nil {
		return nil, err
	}
	policy, err := b.policy(ctx, is)
	if err != nil {
		return nil, errors.Join(err, b.declare(ctx, b.loaded.Load()))
	}
	taken, err := b.accountsOf(ctx, is)
	if err != nil {
		return nil, errors.Join(err, b.declare(ctx, b.loaded.Load()))
	}
	comfy, err := b.comfySettings(ctx, is)
	if err != nil {
		return nil, errors.Join(err, b.declare(ctx, b.loaded.Load()))
	}
	if err := b.front.SetDomains(is.S3.Domains); err != nil {
		return nil, errors.Join(fmt.Errorf("s3.domains: %w", err), b.declare(ctx, b.loaded.Load()))
	}
	b.dialer.current.Store(g)
	b.servers.current.Store(servers)
	if err := b.comfy.Set(comfy); err != nil {
		return nil, err // not of a configuration that was loaded
	}
	b.proxy.ForgetConnections() // what was dialled under the old rules
	b.proxy.SetPolicy(policy)
	b.accounts.current.Store(taken)
	renewRoots()
	renewCertificate()
	renewAdmin()
	renewToken()
	b.loaded.Store(loaded)
	return needRestart(was, is, func(uri string) bool { return b.keks.names(ctx, uri) }), nil
}

// DrainLimit is how long live downloads may go on after SIGTERM, by the
// configuration that stands now.
func (b *Bridge) DrainLimit() time.Duration { return b.loaded.Load().Config.Drain }

// DrainDelay is how long it serves as before after SIGTERM, by the configuration
// that stands now.
func (b *Bridge) DrainDelay() time.Duration { return b.loaded.Load().Config.DrainDelay }

// otherTLS reports whether a listener is to be another one than it was.
func otherTLS(was, is config.TLS) bool {
	return was.OwnCA != is.OwnCA || (was.CertFile == "") != (is.CertFile == "")
}

// needRestart names what a running weighbridge cannot change. named reports
// whether a URI names the KEK that is in use already, after a rotation.
func needRestart(was, is *config.Config, named func(kek string) bool) []string {
	var out []string
	for _, f := range []struct {
		name    string
		changed bool
	}{
		{"data_dir", was.DataDir != is.DataDir},
		{"listen", was.Listen != is.Listen},
		{"socket_access", was.SocketAccess != is.SocketAccess},
		{"admin_listen", was.AdminListen != is.AdminListen},
		// Another certificate from files is taken as it comes.
		{"tls", otherTLS(was.TLS, is.TLS)},
		{"admin_tls", otherTLS(was.AdminTLS, is.AdminTLS)},
		{"log", was.Log != is.Log},
		{"ca", was.CA != is.CA},
		{"kek", was.KEK != is.KEK && !named(is.KEK)},
		{"kek_cache", was.KEKCache != is.KEKCache},
		{"store", was.Store.Driver != is.Store.Driver || was.Store.DSN != is.Store.DSN},
		{"tracing", was.Tracing != is.Tracing},
		{"validation", was.Validation != is.Validation},
		{"audit", !reflect.DeepEqual(was.Audit, is.Audit)},
		{"limits.connections", was.Limits.Connections != is.Limits.Connections},
		{"upstream.idle_timeout", was.Upstream.IdleTimeout != is.Upstream.IdleTimeout},
	} {
		if f.changed {
			out = append(out, f.name)
		}
	}
	return out
}
