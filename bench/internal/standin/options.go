// Package standin holds the peers that are written in Go, each served by a
// process of its own: the bare relays that are the floor, httputil's
// ReverseProxy, fasthttp as it comes, and goproxy.
package standin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"net"
	"os"
)

// Options say where a peer listens and what is behind it.
type Options struct {
	// Listen is the address; with Cert and Key it is TLS.
	Listen, Cert, Key string
	// To is the origin's address; with Name it is TLS, verified by CA.
	To, Name, CA string
	// InterceptCert and InterceptKey are the root of a peer that intercepts.
	InterceptCert, InterceptKey string
}

// Flags declares o's fields as flags.
func (o *Options) Flags(f *flag.FlagSet) {
	f.StringVar(&o.Listen, "listen", "127.0.0.1:0", "address to listen on")
	f.StringVar(&o.Cert, "cert", "", "certificate of a TLS listener, PEM")
	f.StringVar(&o.Key, "key", "", "its key, PEM")
	f.StringVar(&o.To, "to", "", "address of the origin")
	f.StringVar(&o.Name, "name", "", "name of the origin; makes it TLS")
	f.StringVar(&o.CA, "ca", "", "root of the origin, PEM")
	f.StringVar(&o.InterceptCert, "intercept-cert", "", "root of intercepted connections, PEM")
	f.StringVar(&o.InterceptKey, "intercept-key", "", "its key, PEM")
}

// listen opens the listener, in the clear.
func (o *Options) listen(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = ln.Close() })
	return ln, nil
}

// down is the TLS of the listener, nil in the clear.
func (o *Options) down() (*tls.Config, error) {
	if o.Cert == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(o.Cert, o.Key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}}, nil
}

// up is the TLS to the origin, nil in the clear.
func (o *Options) up() (*tls.Config, error) {
	if o.Name == "" {
		return nil, nil
	}
	pool, err := o.roots()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		RootCAs: pool, ServerName: o.Name, NextProtos: []string{"http/1.1"},
		ClientSessionCache: tls.NewLRUClientSessionCache(0),
	}, nil
}

func (o *Options) roots() (*x509.CertPool, error) {
	pem, err := os.ReadFile(o.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New(o.CA + " holds no certificate")
	}
	return pool, nil
}
