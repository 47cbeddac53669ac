package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
)

// maxPEM bounds a PEM file; a bundle of all public roots has about 250 KiB.
const maxPEM = 4 << 20

// checkFiles checks the certificates and keys that the configuration names.
func (l *loader) checkFiles() {
	c := &l.config
	l.checkTLS("tls", c.TLS)
	l.checkTLS("admin_tls", c.AdminTLS)
	l.checkPair("ca", c.CA.CertFile, c.CA.KeyFile, true)
	if c.Store.Driver == "memory" && !c.CA.Given() {
		l.wrong("store.driver", "memory would forget the root that workers trust with every restart", "set ca.cert_file and ca.key_file, or take bbolt")
	}
	if path := c.Upstream.CAFile; path != "" {
		text, ok := l.pem("upstream.ca_file", path)
		if ok && !x509.NewCertPool().AppendCertsFromPEM(text) {
			l.wrong("upstream.ca_file", fmt.Sprintf("there is no certificate in %s", show(path)), "give a PEM file with BEGIN CERTIFICATE blocks")
		}
	}
}

// checkTLS checks the certificate of a listener.
func (l *loader) checkTLS(path string, t TLS) {
	l.checkPair(path, t.CertFile, t.KeyFile, false)
	if t.OwnCA && (t.CertFile != "" || t.KeyFile != "") {
		l.wrong(join(path, "own_ca"), "is set beside a certificate", "keep one of the two")
	}
}

// checkPair checks a certificate and its key.
func (l *loader) checkPair(path, certFile, keyFile string, authority bool) {
	certPath, keyPath := join(path, "cert_file"), join(path, "key_file")
	switch {
	case certFile == "" && keyFile == "":
		return
	case keyFile == "":
		l.wrong(certPath, "is set without "+keyPath, "set both or neither")
	case certFile == "":
		l.wrong(keyPath, "is set without "+certPath, "set both or neither")
	}
	var cert, key []byte
	certOK, keyOK := false, false
	if certFile != "" {
		cert, certOK = l.pem(certPath, certFile)
	}
	if keyFile != "" {
		key, keyOK = l.pem(keyPath, keyFile)
		if who := exposed(keyFile, true); keyOK && who != "" {
			l.wrong(keyPath, fmt.Sprintf("%s can be used by others: %s it", show(keyFile), who), fmt.Sprintf("chmod 600 %s", show(keyFile)))
		}
	}
	if !certOK || !keyOK {
		return
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		l.wrong(certPath, fmt.Sprintf("%s and %s do not make a pair: %s", show(certFile), show(keyFile), err), "give the certificate and the private key that belongs to it, as PEM")
		return
	}
	if authority && !pair.Leaf.IsCA {
		l.wrong(certPath, show(certFile)+" is not the certificate of an authority", "give a root or intermediate certificate with CA:TRUE")
	}
}

// pem reads a file that must be there.
func (l *loader) pem(path, file string) ([]byte, bool) {
	text, err := readFile(file, maxPEM)
	if err != nil {
		l.wrong(path, fmt.Sprintf("%s cannot be read: %s", show(file), cause(err)), "")
		return nil, false
	}
	return text, true
}
