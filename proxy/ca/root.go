package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

const (
	// backdate is how far a certificate's life begins before it is made, for
	// workers whose clocks are slow.
	backdate = 5 * time.Minute
	// rootYears is how long a root of ours lives.
	rootYears = 10
	// maxCommonName is ub-common-name of RFC 5280, appendix A.1.
	maxCommonName = 64

	pemCertificate = "CERTIFICATE"
	pemPrivateKey  = "PRIVATE KEY"
)

// Root is a certificate authority that workers trust, with its key. The zero
// Root is none; New refuses it.
//
// It holds a pointer so that no printing verb reaches the key.
type Root struct{ p *root }

type root struct {
	cert *x509.Certificate
	// above leads from cert to a self-signed certificate, which is its last;
	// empty where cert is self-signed itself.
	above []*x509.Certificate
	key   crypto.Signer
}

// NewRoot makes a root: P-256, self-signed, ten years. Its common name is name
// and the beginning of its key identifier, so that two roots of the same name
// are told apart.
func NewRoot(now time.Time, name string) (Root, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Root{}, fmt.Errorf("making the root's key: %w", err)
	}
	id, err := keyID(key.Public())
	if err != nil {
		return Root{}, err
	}
	name += " " + hex.EncodeToString(id[:4])
	if len(name) > maxCommonName {
		return Root{}, fmt.Errorf("the root's name %q is longer than %d bytes", name, maxCommonName)
	}
	tmpl, err := authorityTemplate(pkix.Name{Organization: []string{organization}, CommonName: name}, id)
	if err != nil {
		return Root{}, err
	}
	tmpl.NotBefore, tmpl.NotAfter = now.Add(-backdate), now.AddDate(rootYears, 0, 0)
	tmpl.AuthorityKeyId = id
	cert, err := sign(tmpl, tmpl, key.Public(), key)
	if err != nil {
		return Root{}, fmt.Errorf("signing the root: %w", err)
	}
	return Root{p: &root{cert: cert, key: key}}, nil
}

// Certificate is the certificate whose key signs; nil for the zero Root.
func (r Root) Certificate() *x509.Certificate {
	if r.p == nil {
		return nil
	}
	return r.p.cert
}

// anchor is the self-signed certificate at the top, which workers trust.
func (r *root) anchor() *x509.Certificate {
	if n := len(r.above); n > 0 {
		return r.above[n-1]
	}
	return r.cert
}

// sent are the certificates between an intermediate of ours and the anchor.
func (r *root) sent() [][]byte {
	if len(r.above) == 0 {
		return nil
	}
	out := [][]byte{r.cert.Raw}
	for _, c := range r.above[:len(r.above)-1] {
		out = append(out, c.Raw)
	}
	return out
}

// CertPEM is the certificate that workers must trust: the root, or the
// self-signed end of the chain that the operator gave.
func (r Root) CertPEM() []byte {
	if r.p == nil {
		return nil
	}
	return encodeCert(r.p.anchor().Raw)
}

// KeyPEM is the key in PKCS #8, for sealing.
func (r Root) KeyPEM() auth.Secret {
	if r.p == nil {
		return auth.Secret{}
	}
	der, err := x509.MarshalPKCS8PrivateKey(r.p.key)
	if err != nil {
		return auth.Secret{} // not reached: both ways to a Root give an ECDSA or RSA key
	}
	return auth.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: pemPrivateKey, Bytes: der})))
}

// Fingerprint is SHA-256 over the certificate that workers must trust, in
// hexadecimal.
func (r Root) Fingerprint() string {
	if r.p == nil {
		return ""
	}
	sum := sha256.Sum256(r.p.anchor().Raw)
	return hex.EncodeToString(sum[:])
}

// String names the root by its subject.
func (r Root) String() string {
	if r.p == nil {
		return "no root"
	}
	return r.p.cert.Subject.String()
}

// Format implements fmt.Formatter, so that no verb reaches the key.
func (r Root) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

const organization = "weighbridge"

// authorityTemplate is what every CA certificate of ours has: critical
// basicConstraints and keyUsage, and a key identifier (RFC 5280, sections
// 4.2.1.9, 4.2.1.3, 4.2.1.2). The caller adds the times.
func authorityTemplate(subject pkix.Name, subjectKeyID []byte) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               subject,
		SubjectKeyId:          subjectKeyID,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLen:            -1,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, nil
}

// sign makes the certificate and reads it back.
func sign(tmpl, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, pub, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// newSerial returns 128 random bits. RFC 5280, section 4.1.2.2, wants a
// positive number of at most 20 octets.
func newSerial() (*big.Int, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, err
	}
	n := new(big.Int).SetBytes(b[:])
	if n.Sign() == 0 {
		return nil, errors.New("the random source returned zeros")
	}
	return n, nil
}

// keyID is the leftmost 160 bits of SHA-256 over the public key's bit string
// (RFC 7093, section 2, method 1).
func keyID(pub crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, err
	}
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		PublicKey asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &spki); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(spki.PublicKey.Bytes)
	return sum[:20], nil
}

func encodeCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: der})
}
