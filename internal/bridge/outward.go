package bridge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// ownTimeout bounds a request of our own as a whole; its answers are small.
const ownTimeout = 30 * time.Second

// ownClient is for requests of our own that exchange a secret for a token: it
// dials as the data plane does, so that no credential can make weighbridge
// speak to what workers may not reach, verifies as the data plane does, and
// follows no redirect. Our own *_PROXY variables lead nowhere. roots are read
// for each connection; nil are the system's.
func ownClient(d *dialer, roots *atomic.Pointer[x509.CertPool]) *http.Client {
	dial := func(ctx context.Context, _, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, err
		}
		return d.Dial(ctx, host, uint16(n))
	}
	return client(&http.Transport{
		DialContext: dial,
		DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			host, _, _ := net.SplitHostPort(addr)
			secured := tls.Client(c, &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, RootCAs: roots.Load()})
			if err := secured.HandshakeContext(ctx); err != nil {
				_ = c.Close()
				return nil, err
			}
			return secured, nil
		},
	})
}

// machineClient is for the identity service of the machine, which the guard
// keeps everybody from. Where it goes is written in code or set by the
// environment of the process, never by a credential or a worker.
func machineClient() *http.Client {
	return client(&http.Transport{DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext})
}

func client(t *http.Transport) *http.Client {
	// Exchanges are rare: a connection kept would mostly be found closed.
	t.DisableKeepAlives = true
	return &http.Client{
		Transport: t, Timeout: ownTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
