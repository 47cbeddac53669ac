package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"os"
	"time"
)

// handshakeLimit bounds the look at our own listener, which is on this machine.
const handshakeLimit = 3 * time.Second

// listenerProblem says why a worker that trusts the bundle would not take the
// certificate that listener (the URL of a TLS listener on this machine) shows
// to those who reach it as proxyURL; "" where it would, and where that cannot
// be told from here.
func listenerProblem(ctx context.Context, listener, proxyURL, bundle string) string {
	at, err := url.Parse(listener)
	if err != nil || at.Scheme != "https" {
		return ""
	}
	as, err := url.Parse(proxyURL)
	if err != nil || as.Scheme != "https" {
		return ""
	}
	roots := x509.NewCertPool()
	if pem, err := os.ReadFile(bundle); err != nil || !roots.AppendCertsFromPEM(pem) {
		return ""
	}
	address := at.Host
	if _, err := netip.ParseAddr(as.Hostname()); err == nil {
		// Who names an address gets the certificate of that address.
		port := as.Port()
		if port == "" {
			port = "443"
		}
		address = net.JoinHostPort(as.Hostname(), port)
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeLimit)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: as.Hostname()}}
	c, err := d.DialContext(ctx, "tcp", address)
	if err == nil {
		_ = c.Close()
		return ""
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the bundle does not hold the authority of the listener's certificate (tls.cert_file): append that authority to " + bundle +
			", or put it into the system's roots of this machine and restart"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the listener's certificate is not for " + as.Hostname() + ": say with --proxy-url by which name workers reach it"
	}
	if _, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return "the listener's certificate is not valid: " + err.Error()
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "remote error" { // crypto/tls's word for an alert
		return "the listener has no certificate for " + as.Hostname() + ": name it in public_url, or say with --proxy-url by which name workers reach it"
	}
	return ""
}
