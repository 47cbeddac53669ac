package wire

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // a signature that must be refused
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/weighbridge/weighbridge/auth"
)

// canary is a credential that must not be on the wire before the certificate
// was verified.
const canary = "Bearer hf_canary_0123456789"

// tlsOrigin keeps every byte that it received, in clear and as it was on the
// wire.
type tlsOrigin struct {
	addr string
	mu   sync.Mutex
	seen bytes.Buffer
}

func (o *tlsOrigin) bytes() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen.String()
}

type tee struct {
	net.Conn
	o *tlsOrigin
}

func (c tee) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.o.mu.Lock()
	c.o.seen.Write(p[:n])
	c.o.mu.Unlock()
	return n, err
}

func newTLSOrigin(t *testing.T, cfg *tls.Config) *tlsOrigin {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &tlsOrigin{addr: ln.Addr().String()}
	var g group
	g.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			g.add(c)
			g.Go(func() {
				defer func() { _ = c.Close() }()
				tc := tls.Server(tee{c, o}, cfg)
				clear := tee{tc, o}
				br := bufio.NewReader(clear)
				for {
					if _, err := readRequest(br); err != nil {
						return
					}
					_, _ = io.WriteString(tc, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
			})
		}
	})
	t.Cleanup(func() { _ = ln.Close(); g.end() })
	return o
}

// ask sends the canary to host at o.
func ask(t *testing.T, host string, o *tlsOrigin, base *tls.Config) error {
	t.Helper()
	c := NewClient(ClientOptions{TLS: base, Dial: func(ctx context.Context, _ Dest) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", o.addr)
	}})
	defer c.Close()
	var req fasthttp.Request
	var resp fasthttp.Response
	req.Header.SetRequestURI("/")
	req.Header.SetHost(host)
	req.Header.Set("Authorization", canary)
	b, err := c.Do(t.Context(), Dest{Team: "t", Scheme: "https", Host: host, Port: 443}, &req, &resp)
	if err != nil {
		return err
	}
	return b.Close()
}

// TestT14_R23_BadCertificates: eight bad certificates (and some more), each
// refused for its own reason, and not one byte of the credential on the wire.
func TestT14_R23_BadCertificates(t *testing.T) {
	ca := newAuthority(t, nil)
	other := newAuthority(t, nil)
	constrained := newAuthority(t, func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"elsewhere.test"}
		c.Subject.CommonName = "constrained root"
	})
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	roots.AddCert(constrained.cert)
	selfSigned := newAuthority(t, func(c *x509.Certificate) { c.DNSNames = []string{"origin.test"} })

	for _, tc := range []struct {
		name   string
		cert   tls.Certificate
		want   string
		policy func(tls.ConnectionState) error
	}{
		{name: "expired", cert: ca.issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), want: "expired at"},
		{name: "future", cert: ca.issue(t, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(30 * time.Minute) }), want: "not valid before"},
		{name: "wrong host", cert: ca.issue(t, func(c *x509.Certificate) { c.DNSNames = []string{"evil.test"} }), want: "another host"},
		{name: "no subject alternative name", cert: ca.issue(t, func(c *x509.Certificate) {
			c.DNSNames, c.IPAddresses, c.Subject.CommonName = nil, nil, "origin.test"
		}), want: "names no host"},
		{name: "self-signed", cert: tls.Certificate{Certificate: [][]byte{selfSigned.cert.Raw}, PrivateKey: selfSigned.key}, want: "self-signed"},
		{name: "unknown authority", cert: other.issue(t, nil), want: "unknown authority"},
		{name: "name-constrained", cert: constrained.issue(t, nil), want: "name constraints"},
		{name: "weak key", cert: weakKey(t, ca), want: "RSA key of 1024 bits"},
		{name: "weak signature", cert: sha1Signed(t, roots), want: "SHA1"},
		{name: "for clients", cert: ca.issue(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), want: "not for servers"},
		{name: "revoked by policy", cert: ca.issue(t, nil), want: "refused by policy: serial 2 is revoked",
			policy: func(s tls.ConnectionState) error {
				if s.PeerCertificates[0].SerialNumber.Int64() == 2 {
					return errors.New("serial 2 is revoked")
				}
				return nil
			}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := newTLSOrigin(t, &tls.Config{Certificates: []tls.Certificate{tc.cert}})
			err := ask(t, "origin.test", o, &tls.Config{
				RootCAs: roots, VerifyConnection: tc.policy,
				InsecureSkipVerify: true, //nolint:gosec // it must have no effect
			})
			e := auth.AsError(err)
			if e.Code != auth.CodeUpstreamTLS || !strings.Contains(e.Reason, tc.want) {
				t.Errorf("%s: %s; want upstream_tls with %q", e.Code, e.Reason, tc.want)
			}
			if strings.Contains(o.bytes(), "canary") || strings.Contains(o.bytes(), "GET ") {
				t.Error("the request was on the wire")
			}
		})
	}
	t.Run("a good one", func(t *testing.T) {
		o := newTLSOrigin(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}})
		if err := ask(t, "origin.test", o, &tls.Config{RootCAs: roots}); err != nil {
			t.Fatal(err)
		}
		if err := ask(t, "127.0.0.1", o, &tls.Config{RootCAs: roots}); err != nil {
			t.Errorf("by address: %v", err)
		}
		if !strings.Contains(o.bytes(), canary) {
			t.Error("the test does not see what is sent: it proves nothing")
		}
	})
}

// weakKey is a certificate for an RSA key of 1024 bits, signed well.
func weakKey(t *testing.T, a *authority) tls.Certificate {
	t.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(3), DNSNames: []string{"origin.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// sha1Signed is a certificate whose signature is ECDSA with SHA-1, by an
// authority that is added to roots. crypto/x509 does not make such: its
// signature is put in by hand.
func sha1Signed(t *testing.T, roots *x509.CertPool) tls.Certificate {
	t.Helper()
	a := newAuthority(t, func(c *x509.Certificate) { c.Subject.CommonName = "SHA-1 root" })
	roots.AddCert(a.cert)
	good := a.issue(t, nil)
	var outer struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(good.Certificate[0], &outer); err != nil {
		t.Fatal(err)
	}
	sha256OID, err := asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2})
	if err != nil {
		t.Fatal(err)
	}
	// ecdsa-with-SHA1 is one byte shorter: RFC 3279 section 2.2.3.
	var tbs []asn1.RawValue
	if _, err := asn1.Unmarshal(outer.TBS.FullBytes, &tbs); err != nil {
		t.Fatal(err)
	}
	sha1Alg := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}}
	for i := range tbs {
		if bytes.Contains(tbs[i].FullBytes, sha256OID) && len(tbs[i].FullBytes) < 16 {
			der, err := asn1.Marshal(sha1Alg)
			if err != nil {
				t.Fatal(err)
			}
			tbs[i] = asn1.RawValue{FullBytes: der}
			break
		}
	}
	tbsDER, err := asn1.Marshal(tbs)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha1.Sum(tbsDER) //nolint:gosec // see above
	sig, err := ecdsa.SignASN1(rand.Reader, a.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	der, err := asn1.Marshal(struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{asn1.RawValue{FullBytes: tbsDER}, sha1Alg, asn1.BitString{Bytes: sig, BitLength: 8 * len(sig)}})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := x509.ParseCertificate(der); err != nil || c.SignatureAlgorithm != x509.ECDSAWithSHA1 {
		t.Fatal(c, err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: good.PrivateKey}
}

// TestT03_OnlyTheVerifiedName: a host that was resolved to somebody else's
// address gets nothing, although that one has a good certificate of its own.
func TestT03_OnlyTheVerifiedName(t *testing.T) {
	ca := newAuthority(t, nil)
	evil := newTLSOrigin(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, func(c *x509.Certificate) {
		c.DNSNames, c.IPAddresses = []string{"evil.test", "*.origin.test"}, nil
	})}})
	for _, host := range []string{"origin.test", "127.0.0.1", "a.b.origin.test"} {
		if err := ask(t, host, evil, &tls.Config{RootCAs: ca.pool}); codeOf(err) != auth.CodeUpstreamTLS {
			t.Errorf("%s: %v", host, err)
		}
	}
	if strings.Contains(evil.bytes(), "canary") {
		t.Error("the credential went to another host")
	}
}

func TestTLSHandshakeFailures(t *testing.T) {
	ca := newAuthority(t, nil)
	leaf := ca.issue(t, nil)
	old := newTLSOrigin(t, &tls.Config{Certificates: []tls.Certificate{leaf}, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
	other := newTLSOrigin(t, &tls.Config{Certificates: []tls.Certificate{leaf}, NextProtos: []string{"other"}})
	plain := newScript(t, nil, func(c net.Conn, _ *bufio.Reader) {
		_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
	})
	closing := newScript(t, nil, func(net.Conn, *bufio.Reader) {})
	for _, tc := range []struct {
		name, addr string
		code       auth.Code
		want       string
	}{
		{"TLS 1.1", old.addr, auth.CodeUpstreamTLS, "protocol version"},
		{"another protocol", other.addr, auth.CodeUpstreamTLS, "alert"},
		{"no TLS", plain.addr, auth.CodeUpstreamTLS, "does not speak TLS"},
		{"closes", closing.addr, auth.CodeUpstreamUnreachable, "closed the connection"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := ask(t, "origin.test", &tlsOrigin{addr: tc.addr}, &tls.Config{RootCAs: ca.pool})
			if e := auth.AsError(err); e.Code != tc.code || !strings.Contains(e.Reason, tc.want) {
				t.Errorf("%s: %s; want %s with %q", e.Code, e.Reason, tc.code, tc.want)
			}
		})
	}
	t.Run("silent", func(t *testing.T) {
		stop := make(chan struct{})
		defer close(stop)
		s := newScript(t, nil, func(net.Conn, *bufio.Reader) { <-stop })
		c := NewClient(ClientOptions{ConnectTimeout: 50 * time.Millisecond, Dial: func(ctx context.Context, _ Dest) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", s.addr)
		}})
		defer c.Close()
		var req fasthttp.Request
		var resp fasthttp.Response
		req.Header.SetHost("origin.test")
		if _, err := c.Do(t.Context(), Dest{Scheme: "https", Host: "origin.test", Port: 443}, &req, &resp); codeOf(err) != auth.CodeUpstreamTimeout {
			t.Error(err)
		}
	})
}

// TestTLSSessionsArePerDest: sessions are resumed within a Dest, and never
// shared between teams.
func TestTLSSessionsArePerDest(t *testing.T) {
	ca := newAuthority(t, nil)
	var mu sync.Mutex
	var resumed []bool
	cfg := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}, VerifyConnection: func(s tls.ConnectionState) error {
		mu.Lock()
		defer mu.Unlock()
		resumed = append(resumed, s.DidResume)
		return nil
	}}
	o := newTLSOrigin(t, cfg)
	c := NewClient(ClientOptions{TLS: &tls.Config{RootCAs: ca.pool}, IdleTimeout: time.Nanosecond, Dial: func(ctx context.Context, _ Dest) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", o.addr)
	}})
	defer c.Close()
	for _, team := range []string{"a", "a", "b", "b"} {
		var req fasthttp.Request
		var resp fasthttp.Response
		req.Header.SetHost("origin.test")
		b, err := c.Do(t.Context(), Dest{Team: team, Scheme: "https", Host: "origin.test", Port: 443}, &req, &resp)
		if err != nil {
			t.Fatal(err)
		}
		_ = b.Close()
	}
	mu.Lock()
	defer mu.Unlock()
	if want := []bool{false, true, false, true}; len(resumed) != 4 || resumed[0] != want[0] || resumed[1] != want[1] || resumed[2] != want[2] || resumed[3] != want[3] {
		t.Errorf("resumed %v, want %v", resumed, want)
	}
}
