package ca

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// minRSABits is what current clients accept (CA/Browser Forum baseline
// requirements, section 6.1.5).
const minRSABits = 2048

// ParseRoot takes an operator's own authority. certPEM holds its certificate
// first and, where that is not self-signed, the chain above it up to and
// including the self-signed one that workers trust; keyPEM its RSA or ECDSA
// key, not encrypted (PKCS #8, PKCS #1 or SEC 1).
//
// The error names everything that is wrong with it at once, and quotes nothing
// of the key.
func ParseRoot(certPEM []byte, keyPEM auth.Secret, now time.Time) (Root, error) {
	certs, err := parseCerts(certPEM)
	if err != nil {
		return Root{}, err
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return Root{}, err
	}
	r := &root{cert: certs[0], above: certs[1:], key: key}
	if err := errors.Join(faults(r, now)...); err != nil {
		return Root{}, fmt.Errorf("the CA certificate %q cannot be used: %w", r.cert.Subject.String(), err)
	}
	return Root{p: r}, nil
}

// faults lists what would make clients refuse chains below r. The extensions
// are what OpenSSL asks for under X509_V_FLAG_X509_STRICT.
func faults(r *root, now time.Time) (out []error) {
	bad := func(format string, args ...any) { out = append(out, fmt.Errorf(format, args...)) }
	c := r.cert
	if !c.BasicConstraintsValid || !c.IsCA {
		bad("it is not a CA (basicConstraints must be critical, CA:TRUE)")
	} else {
		if !basicConstraintsCritical(c) {
			bad("its basicConstraints are not critical, which strict clients refuse")
		}
		if c.MaxPathLenZero {
			bad("its pathlen is 0, but an intermediate for each team has to fit below it")
		}
	}
	if c.KeyUsage&x509.KeyUsageCertSign == 0 {
		bad("its keyUsage lacks keyCertSign")
	}
	if len(c.SubjectKeyId) == 0 {
		bad("it has no subjectKeyIdentifier, which strict clients ask for")
	}
	if now.Before(c.NotBefore) {
		bad("it is not valid before %s", c.NotBefore.UTC().Format(time.RFC3339))
	}
	if now.After(c.NotAfter) {
		bad("it expired at %s", c.NotAfter.UTC().Format(time.RFC3339))
	}
	if pub, ok := r.key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !pub.Equal(c.PublicKey) {
		bad("the key does not belong to it")
	}
	if k, ok := r.key.(*rsa.PrivateKey); ok && k.N.BitLen() < minRSABits {
		bad("its RSA key has %d bits; at least %d are needed", k.N.BitLen(), minRSABits)
	}
	if len(out) == 0 {
		if err := checkChain(r, now); err != nil {
			out = append(out, err)
		}
	}
	return out
}

// checkChain verifies that what lies above the certificate leads, in order, to
// a self-signed certificate.
func checkChain(r *root, now time.Time) error {
	below := r.cert
	for _, c := range r.above {
		if err := below.CheckSignatureFrom(c); err != nil {
			return fmt.Errorf("the file's certificate %q is not followed by its issuer %q", below.Subject.String(), below.Issuer.String())
		}
		below = c
	}
	anchor := r.anchor()
	if !selfSigned(anchor) {
		return fmt.Errorf("%q is not self-signed: append the certificates above it, up to the self-signed one (%q comes next)", anchor.Subject.String(), anchor.Issuer.String())
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(anchor)
	for _, c := range r.above {
		between.AddCert(c)
	}
	_, err := r.cert.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	if err != nil {
		return fmt.Errorf("its chain does not verify: %w", err)
	}
	return nil
}

func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawSubject, c.RawIssuer) && c.CheckSignatureFrom(c) == nil
}

func basicConstraintsCritical(c *x509.Certificate) bool {
	for _, e := range c.Extensions {
		if e.Id.Equal([]int{2, 5, 29, 19}) { // id-ce-basicConstraints, RFC 5280, section 4.2.1.9
			return e.Critical
		}
	}
	return false
}

// parseCerts reads the certificates of b; there is at least one.
func parseCerts(b []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		if block.Type != pemCertificate {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of the CA file: %w", len(out)+1, err)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, errors.New("the CA file holds no PEM block CERTIFICATE")
	}
	return out, nil
}

// parseKey reads the one private key of s. Its errors quote nothing of s.
func parseKey(s auth.Secret) (crypto.Signer, error) {
	for rest := []byte(s.Reveal()); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errors.New("the CA key file holds no PEM block PRIVATE KEY, EC PRIVATE KEY or RSA PRIVATE KEY")
		}
		var key any
		var err error
		switch block.Type {
		case pemPrivateKey:
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, errEncrypted
		default:
			continue // such as EC PARAMETERS
		}
		if block.Headers["DEK-Info"] != "" { // RFC 1421, section 4.6.1.3
			return nil, errEncrypted
		}
		if err != nil {
			return nil, fmt.Errorf("the CA key file's %s cannot be read", block.Type) // the cause could quote the key
		}
		switch k := key.(type) {
		case *ecdsa.PrivateKey:
			return k, nil
		case *rsa.PrivateKey:
			return k, nil
		default:
			return nil, fmt.Errorf("the CA key is a %T; clients want RSA or ECDSA", key)
		}
	}
}

var errEncrypted = errors.New("the CA key is encrypted; give it decrypted (openssl pkey -in … -out …), in a file that only weighbridge may read")
