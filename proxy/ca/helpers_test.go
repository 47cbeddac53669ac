package ca

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// clock is a hand-turned clock.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func testRoot(t testing.TB, now time.Time) Root {
	t.Helper()
	r, err := NewRoot(now, "weighbridge test root")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// testAuthority is an authority with one root and a clock that starts now.
func testAuthority(t testing.TB, o Options) (*Authority, *clock) {
	t.Helper()
	c := &clock{time.Now()}
	if o.Now == nil {
		o.Now = c.now
	}
	if o.Roots == nil {
		o.Roots = []Root{testRoot(t, c.t)}
	}
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a, c
}

// verify verifies a chain as a Go client would that trusts roots.
func verify(chain [][]byte, host string, now time.Time, roots ...Root) error {
	pool, between := x509.NewCertPool(), x509.NewCertPool()
	for _, r := range roots {
		pool.AppendCertsFromPEM(r.CertPEM())
	}
	certs := make([]*x509.Certificate, len(chain))
	for i, der := range chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		if certs[i] = c; i > 0 {
			between.AddCert(c)
		}
	}
	_, err := certs[0].Verify(x509.VerifyOptions{DNSName: host, Roots: pool, Intermediates: between, CurrentTime: now})
	return err
}

func wantCode(t testing.TB, err error, code auth.Code) {
	t.Helper()
	if err == nil || auth.AsError(err).Code != code {
		t.Fatalf("error %v, want code %s", err, code)
	}
}
