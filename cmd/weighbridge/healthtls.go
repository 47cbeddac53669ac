package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/weighbridge/weighbridge/internal/trial"
)

// ownTLS takes the listener's TLS from the variables that `serve` takes it from,
// so that the HEALTHCHECK of an image needs no flags of its own.
func (h *health) ownTLS(a *app) error {
	file := a.env("WEIGHBRIDGE_TLS_CERT_FILE")
	// What cannot be read as yes or no, serve does not start with.
	ownCA, err := strconv.ParseBool(cmp.Or(a.env("WEIGHBRIDGE_TLS_OWN_CA"), "false"))
	switch {
	case err == nil && ownCA:
		// Such a certificate is for loopback too, whatever else it is for.
		host := "localhost"
		if h.network == "tcp" {
			host, _, _ = net.SplitHostPort(h.address)
		}
		h.tls = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
		root := filepath.Join(a.dataDir, "ca.pem")
		if a.dataDir == "off" {
			root = a.env("WEIGHBRIDGE_CA_CERT_FILE")
		}
		return h.anchor("WEIGHBRIDGE_TLS_OWN_CA", root)
	case file != "":
		return h.certificate(file)
	}
	return nil
}

// certificate takes the operator's certificate: the one in file, or another of
// an authority that stands behind it there, which it may have been renewed by a
// moment ago.
func (h *health) certificate(file string) error {
	const what = "WEIGHBRIDGE_TLS_CERT_FILE"
	text, err := os.ReadFile(file)
	if err != nil {
		return usage("%s: %w", what, err)
	}
	chain := trial.Certificates(text)
	if len(chain) == 0 {
		return usage("%s: %s holds no certificate", what, file)
	}
	// Who connects from here knows none of its names; any of them will do.
	name := ""
	switch leaf := chain[0]; {
	case len(leaf.DNSNames) > 0:
		name = strings.Replace(leaf.DNSNames[0], "*", "weighbridge", 1)
	case len(leaf.IPAddresses) > 0:
		name = leaf.IPAddresses[0].String()
	default:
		return usage("%s: %s is for no name", what, file)
	}
	h.tls = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: name, RootCAs: x509.NewCertPool()}
	if system, err := x509.SystemCertPool(); err == nil {
		h.tls.RootCAs = system
	}
	for _, c := range chain {
		h.tls.RootCAs.AddCert(c)
	}
	return nil
}

// trust takes what flags say of a listener with TLS.
func (h *health) trust(caFile, serverName string) error {
	if h.tls == nil {
		return nil
	}
	h.tls.ServerName = cmp.Or(serverName, h.tls.ServerName)
	if caFile == "" {
		return nil
	}
	return h.anchor("--ca-file", caFile)
}

// anchor takes the roots in file, and no others.
func (h *health) anchor(what, file string) error {
	pem, err := os.ReadFile(file)
	if err != nil {
		return usage("%s: %w", what, err)
	}
	h.tls.RootCAs = x509.NewCertPool()
	if !h.tls.RootCAs.AppendCertsFromPEM(pem) {
		return usage("%s: %s holds no certificate", what, file)
	}
	return nil
}
