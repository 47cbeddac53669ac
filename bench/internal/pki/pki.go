// Package pki makes the certificates of a run: a root for the origin and for
// the peers' listeners, and a root for the peers that intercept.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Files are the certificates of a run, PEM.
type Files struct {
	// Root is what clients of the origin and of the reverse listeners trust.
	Root string
	// Cert and Key are of the origin and of the reverse listeners: P-256.
	// Both is the two in one file.
	Cert, Key, Both string
	// InterceptCert, InterceptKey and InterceptBoth are the root of the peers
	// that intercept and do not make one themselves: RSA, as they come by
	// default.
	InterceptCert, InterceptKey, InterceptBoth string
}

// life is longer than any run.
const life = 48 * time.Hour

// Make writes the certificates into dir. host is the name of the origin.
func Make(dir, host string) (*Files, error) {
	at := func(name string) string { return filepath.Join(dir, name) }
	f := &Files{
		Root: at("root.pem"), Cert: at("leaf.pem"), Key: at("leaf-key.pem"), Both: at("leaf-both.pem"),
		InterceptCert: at("intercept.pem"), InterceptKey: at("intercept-key.pem"), InterceptBoth: at("intercept-both.pem"),
	}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	root, rootPEM, err := issue(authority("weighbridge bench root"), nil, rootKey, rootKey)
	if err != nil {
		return nil, err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf := template("weighbridge bench leaf")
	leaf.KeyUsage, leaf.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	leaf.DNSNames, leaf.IPAddresses = []string{host, "localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	_, leafPEM, err := issue(leaf, root, leafKey, rootKey)
	if err != nil {
		return nil, err
	}
	interceptKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	_, interceptPEM, err := issue(authority("weighbridge bench interception"), nil, interceptKey, interceptKey)
	if err != nil {
		return nil, err
	}
	leafKeyPEM, err := keyPEM(leafKey)
	if err != nil {
		return nil, err
	}
	interceptKeyPEM, err := keyPEM(interceptKey)
	if err != nil {
		return nil, err
	}
	for path, text := range map[string][]byte{
		f.Root: rootPEM, f.Cert: leafPEM, f.Key: leafKeyPEM, f.Both: append(leafPEM, leafKeyPEM...),
		f.InterceptCert: interceptPEM, f.InterceptKey: interceptKeyPEM, f.InterceptBoth: append(interceptPEM, interceptKeyPEM...),
	} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func template(name string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(life), BasicConstraintsValid: true,
	}
}

func authority(name string) *x509.Certificate {
	t := template(name)
	t.IsCA, t.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign|x509.KeyUsageDigitalSignature
	return t
}

// issue signs t; parent nil means that it signs itself.
func issue(t, parent *x509.Certificate, key, by crypto.Signer) (*x509.Certificate, []byte, error) {
	if parent == nil {
		parent = t
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, key.Public(), by)
	if err != nil {
		return nil, nil, err
	}
	c, err := x509.ParseCertificate(der)
	return c, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), err
}

func keyPEM(k crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}
