package ca

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/weighbridge/weighbridge/auth"
)

// ErrServerName is in the tree of the error of a handshake whose server name
// is not the host of the CONNECT. That error is an *auth.Error with
// CodeMisdirected, and comes out of tls.Conn.HandshakeContext as it is.
var ErrServerName = errors.New("the server name is not the host of the tunnel")

type configKey struct{ teamID, host string }

// config is the one configuration of a team's host. Session tickets are sealed
// with keys that belong to a tls.Config, so a worker's next connection resumes
// only where it meets the same one; the certificate inside is exchanged as it
// is renewed.
type config struct {
	tls  *tls.Config
	cert atomic.Pointer[tls.Certificate]
}

// ConfigFor returns the server configuration for a tunnel to host, the same
// one each time, with a fresh certificate in it: HTTP/1.1 only, TLS 1.2 at
// least. A handshake fails with ErrServerName unless its server name is host;
// it may be missing where host is an IP literal, for which clients send none
// (RFC 6066, section 3). Errors are those of Certificate.
func (a *Authority) ConfigFor(ctx context.Context, teamID, host string, hosts []string) (*tls.Config, error) {
	cert, err := a.Certificate(ctx, teamID, host, hosts)
	if err != nil {
		return nil, err
	}
	c := a.configs.get(configKey{teamID, host}, func() *config { return a.newConfig(host) })
	c.cert.Store(cert)
	return c.tls, nil
}

func (a *Authority) newConfig(host string) *config {
	c := &config{tls: a.baseConfig()}
	// Here and not in GetCertificate, which a resumed session does not reach.
	c.tls.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		return nil, checkServerName(host, hello.ServerName)
	}
	c.tls.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.cert.Load(), nil }
	return c
}

func (a *Authority) baseConfig() *tls.Config {
	return &tls.Config{
		Time:       a.now,
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
	}
}

// checkServerName compares the server name of a handshake with the host of the
// tunnel, which is canonical.
func checkServerName(host, name string) error {
	if strings.EqualFold(host, name) {
		return nil
	}
	addr, err := netip.ParseAddr(host)
	isAddr := err == nil
	switch {
	case name == "" && isAddr:
		return nil
	case name == "":
		return auth.NewError(auth.CodeMisdirected, fmt.Sprintf("the TLS handshake inside the tunnel to %q names no server", host), ErrServerName)
	}
	if given, err := netip.ParseAddr(name); err == nil && isAddr && given == addr {
		return nil
	}
	return auth.NewError(auth.CodeMisdirected, fmt.Sprintf("the TLS handshake inside the tunnel to %q names the server %.300q", host, name), ErrServerName)
}

// ListenerConfig is the server configuration of the proxy's own listener where
// that presents a certificate of this authority: names are the names and
// addresses by which workers reach it. A handshake gets the certificate of the
// name it asks for; without a server name, that of the address it reached, or
// else the first of names.
func (a *Authority) ListenerConfig(names []string) (*tls.Config, error) {
	if len(names) == 0 {
		return nil, errors.New("the listener's certificate needs a name")
	}
	names = slices.Clone(names)
	for _, n := range names { // every mistake now, not at a handshake
		if _, err := a.Certificate(context.Background(), "", n, names); err != nil {
			return nil, err
		}
	}
	c := a.baseConfig()
	c.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		name, err := listenerName(names, hello)
		if err != nil {
			return nil, err
		}
		return a.Certificate(hello.Context(), "", name, names)
	}
	return c, nil
}

func listenerName(names []string, hello *tls.ClientHelloInfo) (string, error) {
	if hello.ServerName != "" {
		asked := strings.ToLower(hello.ServerName)
		if slices.Contains(names, asked) {
			return asked, nil
		}
		return "", auth.NewError(auth.CodeMisdirected, fmt.Sprintf("the TLS handshake names the server %.300q, which this listener is not", hello.ServerName), ErrServerName)
	}
	if hello.Conn != nil {
		if local, ok := hello.Conn.LocalAddr().(*net.TCPAddr); ok {
			if at := local.AddrPort().Addr().Unmap().WithZone("").String(); slices.Contains(names, at) {
				return at, nil
			}
		}
	}
	return names[0], nil
}
