package standin

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"sync"

	"github.com/elazarl/goproxy"
)

// Intercept is goproxy as an intercepting proxy, with a cache of leaves and
// upstream certificates verified.
func Intercept(ctx context.Context, o Options) error {
	ca, err := tls.LoadX509KeyPair(o.InterceptCert, o.InterceptKey)
	if err != nil {
		return err
	}
	up, err := o.up()
	if err != nil {
		return err
	}
	p := goproxy.NewProxyHttpServer()
	p.Logger = log.New(io.Discard, "", 0)
	p.CertStore = &leaves{m: map[string]*tls.Certificate{}}
	// Whatever the name, the origin is where it is.
	p.Tr = &http.Transport{
		TLSClientConfig: up, MaxIdleConnsPerHost: keptUpstream, DisableCompression: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, o.To)
		},
	}
	action := &goproxy.ConnectAction{Action: goproxy.ConnectMitm, TLSConfig: goproxy.TLSConfigFromCA(&ca)}
	p.OnRequest().HandleConnectFunc(func(host string, _ *goproxy.ProxyCtx) (*goproxy.ConnectAction, string) {
		return action, host
	})
	ln, err := o.listen(ctx)
	if err != nil {
		return err
	}
	s := &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0)}
	return ended(ctx, s.Serve(ln))
}

// leaves is a cache of leaves by host.
type leaves struct {
	mu sync.Mutex
	m  map[string]*tls.Certificate
}

var _ goproxy.CertStorage = (*leaves)(nil)

// Fetch implements goproxy.CertStorage.
func (l *leaves) Fetch(host string, gen func() (*tls.Certificate, error)) (*tls.Certificate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c, ok := l.m[host]; ok {
		return c, nil
	}
	c, err := gen()
	if err == nil {
		l.m[host] = c
	}
	return c, err
}
