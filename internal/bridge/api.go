package bridge

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/admin/portal"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy"
	"github.com/weighbridge/weighbridge/signer"
)

func (b *Bridge) openAPI() {
	b.openSignIn()
	o := admin.Options{
		SignIn: b.signIn,
		Store:  b.store, TeamID: b.team.ID, Snapshot: b.live.Snapshot, Providers: b.providers,
		Record: b.record, Transfers: b.transfers, System: b.system, Ready: b.ready,
		KEK: b.keks, Backup: b.backup, Unmatched: b.unmatched, Metrics: b.metrics.handler(), MetricsToken: b.metricsToken.hash, Now: b.o.Now,
		Passable: b.passable, Hosts: func() []string { return b.loaded.Load().Config.AllowedHosts }, URL: b.frontURL,
		Validator: b.life, Asker: b.signer, Cut: b.cut, LastUsed: b.used.last, Seen: b.used.see,
		Log: func(err error) { b.log.Error().Err(err).Msg("an administrative request failed") },
		Bundle: func() ([]byte, error) {
			return nil, &auth.Error{Code: auth.CodeBadRequest, Status: http.StatusConflict,
				Reason: "interception is off: there is no root of ours", Next: "Set ca.cert_file and ca.key_file, or take store.driver bbolt."}
		},
	}
	if b.loaded.Load().Config.Store.Driver == driverPostgres {
		o.Known = b.outage
	}
	if b.usage != nil {
		o.Usage, o.UsageHours = b.usage.Rows, b.usage.Hours
	}
	if b.authority != nil {
		o.Authority, o.Bundle = b.authority, b.authority.bundle
	}
	b.api = admin.New(o)
}

// portal is what the admin listener serves: the pages, and the API behind them.
func (b *Bridge) portal() http.Handler {
	return portal.New(portal.Options{
		API: b.api, Placeholder: signer.PlaceholderToken, Now: b.o.Now,
		OIDC: func() bool { return b.loaded.Load().Config.OIDC.Issuer != "" },
		Log:  func(err error) { b.log.Error().Err(err).Msg("a page of the portal failed") },
	})
}

func (b *Bridge) unmatched() (forward, reverse auth.UnmatchedPolicy) {
	u := &b.loaded.Load().Config.Unmatched
	return u.Forward, u.Reverse
}

// passable is what the proxy asks before it connects, without any lookup.
func (b *Bridge) passable(host string, port uint16, blind bool) error {
	if blind && !slices.Contains(b.loaded.Load().Config.Upstream.ConnectPorts, port) {
		return auth.NewError(auth.CodePortForbidden, fmt.Sprintf("CONNECT to port %d is not allowed", port), nil)
	}
	return b.dialer.Check(host, port)
}

// ready says why the data plane cannot serve.
func (b *Bridge) ready() error {
	if err := b.record.Err(); err != nil {
		return err
	}
	return b.proxy.Ready()
}

func (b *Bridge) transfers() []admin.Transfer {
	live := b.proxy.Transfers()
	out := make([]admin.Transfer, len(live))
	for i, t := range live {
		out[i] = transfer(t)
	}
	return out
}

func transfer(t proxy.Transfer) admin.Transfer {
	return admin.Transfer{
		TeamID: t.TeamID, ID: t.ID, Key: t.KeyName, Worker: t.Worker, Mode: t.Mode, Method: t.Method, URL: t.URL,
		Credential: t.Credential, Signed: t.Signed, File: t.File, Bytes: t.Bytes, Total: t.Total, Started: t.Started,
	}
}

func (b *Bridge) system() admin.System {
	s := admin.System{
		Version: b.o.Version, Team: b.team.Name, TeamID: b.team.ID, DataDir: b.dir,
		Intercept: b.authority != nil, StartedAt: b.started,
		ProxyURL: b.ProxyURL(), AdminURL: cmp.Or(b.frontURL(), b.AdminURL()), ProxyEverywhere: everywhere(b.listeners.proxyAddr()),
	}
	if b.authority != nil && b.authority.dir != "" {
		s.CABundle = filepath.Join(b.dir, bundleFile)
	}
	return s
}

// ProxyURL is the proxy listener as a worker on this machine reaches it.
func (b *Bridge) ProxyURL() string {
	b.listeners.mu.Lock()
	scheme := b.listeners.scheme
	b.listeners.mu.Unlock()
	return listenerURL(scheme, b.listeners.proxyAddr())
}

// frontURL is by what browsers reach the admin listener where that is not its
// own address.
func (b *Bridge) frontURL() string { return strings.TrimSuffix(b.loaded.Load().Config.AdminURL, "/") }

// AdminURL is the admin listener, empty where there is none beside the socket.
func (b *Bridge) AdminURL() string {
	b.listeners.mu.Lock()
	scheme := b.listeners.adminScheme
	b.listeners.mu.Unlock()
	return listenerURL(scheme, b.listeners.adminAddr())
}

// everywhere reports whether a listener takes connections to any address.
func everywhere(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsUnspecified()
}

// listenerURL is the URL of a listener, with loopback in place of "every
// address": unix:PATH, which no client takes as the URL of a proxy, for a unix
// socket, and "" where there is no listener.
func listenerURL(scheme string, a net.Addr) string {
	if a == nil {
		return ""
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return "unix:" + a.String()
	}
	if ap.Addr().IsUnspecified() {
		ap = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), ap.Port())
	}
	return scheme + "://" + ap.String()
}
