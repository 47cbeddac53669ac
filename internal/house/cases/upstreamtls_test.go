package cases

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
)

const guarded = "models.example.com"

// badLeaf is a certificate that must not be believed for guarded.
type badLeaf struct {
	name string
	// says is a part of the reason that the worker is given.
	says string
	make func(t *testing.T, root *origin.Authority) *tls.Certificate
}

func edited(name string, edit func(*x509.Certificate)) func(*testing.T, *origin.Authority) *tls.Certificate {
	return func(t *testing.T, root *origin.Authority) *tls.Certificate {
		t.Helper()
		leaf, err := root.Leaf(name, edit)
		if err != nil {
			t.Fatal(err)
		}
		return leaf
	}
}

func badLeaves() []badLeaf {
	return []badLeaf{
		{"for another host", "another host", edited("other.example.com", nil)},
		{"for a host below", "another host", edited("a."+guarded, nil)},
		{"for a wildcard that does not reach it", "another host", edited("*."+guarded, nil)},
		{"expired", "expired", edited(guarded, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-time.Hour)
		})},
		{"of the future", "not valid before", edited(guarded, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(time.Hour), time.Now().Add(48*time.Hour)
		})},
		{"with its name in the subject only", "names no host", edited(guarded, func(c *x509.Certificate) {
			c.DNSNames, c.Subject = nil, pkix.Name{CommonName: guarded}
		})},
		{"for clients only", "", edited(guarded, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		})},
		{"of an unknown authority", "authority", func(t *testing.T, _ *origin.Authority) *tls.Certificate {
			root, err := origin.NewAuthority(nil)
			if err != nil {
				t.Fatal(err)
			}
			return edited(guarded, nil)(t, root)
		}},
		{"outside its authority's constraints", "", constrained},
		{"self-signed", "", selfSigned(2048)},
		{"self-signed and weak", "", selfSigned(1024)},
	}
}

// constrained is signed by an intermediate that may sign for other names only
// (RFC 5280, section 4.2.1.10).
func constrained(t *testing.T, root *origin.Authority) *tls.Certificate {
	t.Helper()
	ca := edited("intermediate.example.com", func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage, c.ExtKeyUsage = true, x509.KeyUsageCertSign, nil
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"other.example.com"}, true
	})(t, root)
	issuer, err := x509.ParseCertificate(ca.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	leaf := edited(guarded, nil)(t, root) // its key serves
	c := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{guarded}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	public := leaf.PrivateKey.(*ecdsa.PrivateKey).Public()
	der, err := x509.CreateCertificate(rand.Reader, c, issuer, public, ca.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: append([][]byte{der}, ca.Certificate...), PrivateKey: leaf.PrivateKey}
}

// selfSigned signs itself, with an RSA key of so many bits.
func selfSigned(bits int) func(*testing.T, *origin.Authority) *tls.Certificate {
	return func(t *testing.T, _ *origin.Authority) *tls.Certificate {
		t.Helper()
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: guarded}, DNSNames: []string{guarded},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
		der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	}
}

// TestT14_R23_NothingIsSentWhereTheNameIsNotVerified listens on the wire of
// upstreams whose certificates cannot be believed.
func TestT14_R23_NothingIsSentWhereTheNameIsNotVerified(t *testing.T) {
	t.Parallel()
	var root *origin.Authority
	at := ""
	h := house.New(t, house.Options{Empty: true, Mount: func(s *origin.Server) { root = s.Authority() },
		Configure: func(c *config.Config) {
			if at != "" {
				c.Upstream.Resolve[guarded+":443"] = at
			}
		}})
	secret := bearer(h, "c", guarded+"/*")
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"c"}}).Key
	for _, bad := range badLeaves() {
		p := newTap(t, bad.make(t, root), nil)
		at = p.addr()
		if _, err := h.Reload(func(*config.Config) {}); err != nil {
			t.Fatal(err)
		}
		for _, mode := range modes {
			r := newWorker(t, h, mode, key).get("https://" + guarded + "/weights?token=in-the-query")
			if r.status != 502 || r.code() != auth.CodeUpstreamTLS || !strings.Contains(string(r.body), bad.says) {
				t.Errorf("%s, %s: %s", mode, bad.name, r)
			}
		}
		wire := p.onTheWire()
		if p.heard() != "" || len(secret.Search("", wire)) > 0 || bytes.Contains(wire, []byte("in-the-query")) || bytes.Contains(wire, []byte("weights")) {
			t.Errorf("%s: a request went out", bad.name)
		}
		if p.accepted() == 0 {
			t.Errorf("%s: nobody came, so nothing was shown", bad.name)
		}
	}
	// And a good one is served, at the same place.
	p := newTap(t, edited(guarded, nil)(t, root), nil)
	at = p.addr()
	if _, err := h.Reload(func(*config.Config) {}); err != nil {
		t.Fatal(err)
	}
	if r := newWorker(t, h, modes[0], key).get("https://" + guarded + "/weights"); r.status != 200 || !strings.Contains(p.heard(), secret.Value()) {
		t.Errorf("a good certificate: %s", r)
	}
}

// TestT03_TheCredentialGoesOnlyWhereItsNameIsVerified: the name of one
// credential leads to the server of another, which has a good certificate of
// its own.
func TestT03_TheCredentialGoesOnlyWhereItsNameIsVerified(t *testing.T) {
	t.Parallel()
	const other = "other.example.com"
	var p *tap
	h := house.New(t, house.Options{Empty: true, Mount: func(s *origin.Server) {
		p = newTap(t, edited(other, nil)(t, s.Authority()), nil)
	}, Configure: func(c *config.Config) {
		c.Upstream.Resolve[guarded+":443"], c.Upstream.Resolve[other+":443"] = p.addr(), p.addr()
	}})
	secret, others := bearer(h, "c", guarded+"/*"), bearer(h, "o", other+"/*")
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"c", "o"}}).Key
	for _, mode := range modes {
		w := newWorker(t, h, mode, key)
		for range 2 { // the second time there is a connection to that server
			if r := w.get("https://" + other + "/x"); r.status != 200 {
				t.Errorf("%s: the server under its own name: %s", mode, r)
			}
			if r := w.get("https://" + guarded + "/x"); r.code() != auth.CodeUpstreamTLS {
				t.Errorf("%s: the server under another name: %s", mode, r)
			}
		}
	}
	if heard := p.heard(); strings.Contains(heard, secret.Value()) || strings.Count(heard, others.Value()) != 4 {
		t.Error("a credential went where its name was not verified")
	}
}
