package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// issuer is an intermediate certificate with its key. It is immutable.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	// leafKey is the key of every leaf below this intermediate. They share one
	// because it costs a third of the time of a mint, and separate keys would
	// protect nothing: all of them live and die in this process's memory, and
	// none outlives its intermediate.
	leafKey *ecdsa.PrivateKey
	// above are the certificates that are sent after the intermediate.
	above [][]byte
	fresh window
}

// window is when something cached is good for use: from its certificate's
// beginning until it is time for the next. A clock that was set back leaves
// the window as one that went forward does.
type window struct{ from, until time.Time }

func (w window) contains(now time.Time) bool { return !now.Before(w.from) && now.Before(w.until) }

// newIssuer makes an intermediate below the signing root. It may sign TLS
// server leaves for the names of c and nothing else: no further authority
// (pathlen 0), no other purpose.
func newIssuer(h *hierarchy, teamID string, c constraint, now time.Time, life time.Duration) (*issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making an intermediate's key: %w", err)
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a leaf key: %w", err)
	}
	id, err := keyID(key.Public())
	if err != nil {
		return nil, err
	}
	tmpl, err := authorityTemplate(pkix.Name{Organization: []string{organization}, CommonName: intermediateName(teamID)}, id)
	if err != nil {
		return nil, err
	}
	root := h.signer.cert
	tmpl.MaxPathLen, tmpl.MaxPathLenZero = 0, true
	tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	tmpl.AuthorityKeyId = root.SubjectKeyId
	tmpl.NotBefore, tmpl.NotAfter = now.Add(-backdate), earlier(now.Add(life), root.NotAfter)
	c.apply(tmpl)
	cert, err := sign(tmpl, root, key.Public(), h.signer.key)
	if err != nil {
		return nil, fmt.Errorf("signing an intermediate: %w", err)
	}
	return &issuer{
		cert: cert, key: key, leafKey: leafKey, above: h.above,
		// Half of its life is left for the leaves that are made last.
		fresh: window{cert.NotBefore, now.Add(cert.NotAfter.Sub(now) / 2)},
	}, nil
}

// intermediateName is a common name that tells teams apart within the bound of
// maxCommonName.
func intermediateName(teamID string) string {
	if teamID == "" {
		teamID = "listener"
	}
	name := organization + " " + teamID
	if len(name) > maxCommonName {
		sum := sha256.Sum256([]byte(teamID))
		name = organization + " " + hex.EncodeToString(sum[:16])
	}
	return name
}

// mint makes the leaf for one host: its subject alternative name is exactly
// that host. There is no common name; clients that still read it would compare
// it with constraints of another kind.
func (i *issuer) mint(host string, addr netip.Addr, now time.Time, life time.Duration) (*tls.Certificate, window, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, window{}, err
	}
	tmpl := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{organization}},
		NotBefore:             now.Add(-backdate),
		NotAfter:              earlier(now.Add(life), i.cert.NotAfter),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		AuthorityKeyId:        i.cert.SubjectKeyId,
	}
	if addr.IsValid() {
		tmpl.IPAddresses = []net.IP{addr.AsSlice()}
	} else {
		tmpl.DNSNames = []string{host}
	}
	leaf, err := sign(tmpl, i.cert, i.leafKey.Public(), i.key)
	if err != nil {
		return nil, window{}, fmt.Errorf("signing the leaf for %q: %w", host, err)
	}
	cert := &tls.Certificate{
		Certificate: append([][]byte{leaf.Raw, i.cert.Raw}, i.above...),
		PrivateKey:  i.leafKey,
		Leaf:        leaf,
	}
	// A quarter of its life is left for tunnels opened last and slow clocks.
	return cert, window{leaf.NotBefore, now.Add(leaf.NotAfter.Sub(now) * 3 / 4)}, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
