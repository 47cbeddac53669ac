package guard

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

// corporateProxy answers one CONNECT with answer and then echoes; asked gets
// the request.
func corporateProxy(t *testing.T, cfg *tls.Config, answer string) (addr string, asked chan *http.Request) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked = make(chan *http.Request, 8)
	done := make(chan struct{})
	t.Cleanup(func() { _ = ln.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			if cfg != nil {
				c = tls.Server(c, cfg)
			}
			req, err := http.ReadRequest(bufio.NewReader(c))
			if err == nil {
				asked <- req
				_, _ = io.WriteString(c, answer)
				if strings.HasPrefix(answer, "HTTP/1.1 200") {
					_, _ = io.CopyN(c, c, 4)
				}
			}
			_ = c.Close()
		}
	}()
	return ln.Addr().String(), asked
}

func TestCorporateProxyGetsTheCheckedAddress(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1") // ignored
	addr, asked := corporateProxy(t, nil, "HTTP/1.1 200 OK\r\n\r\n")
	r := &record{names: map[string][]string{"hub.test": {"93.184.216.34"}, "bad.test": {"10.0.0.1"}}}
	d := newDialer(t, Options{Resolver: r, Proxy: mustURL("http://user:p%40ss@" + addr)})
	c, err := d.Dial(t.Context(), "hub.test", 443)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	req := <-asked
	if req.Method != "CONNECT" || req.Host != "93.184.216.34:443" {
		t.Errorf("%s %s", req.Method, req.Host)
	}
	if got := req.Header.Get("Proxy-Authorization"); got != "Basic dXNlcjpwQHNz" {
		t.Errorf("Proxy-Authorization %q", got)
	}
	if _, err := io.WriteString(c, "ping"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); string(b) != "ping" {
		t.Errorf("%q, %v", b, err)
	}
	if err := d.Recheck("hub.test", 443, c); err != nil {
		t.Errorf("Recheck: %v", err)
	}
	if _, err := d.Dial(t.Context(), "bad.test", 443); codeOf(err) != auth.CodeAddressForbidden || len(asked) != 0 {
		t.Errorf("a private address went to the corporate proxy: %v", err)
	}
}

func TestCorporateProxyResolves(t *testing.T) {
	addr, asked := corporateProxy(t, nil, "HTTP/1.1 200 OK\r\n\r\n")
	r := &record{}
	d := newDialer(t, Options{Resolver: r, Proxy: mustURL("http://" + addr), ProxyResolves: true})
	c, err := d.Dial(t.Context(), "hub.test", 443)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if req := <-asked; req.Host != "hub.test:443" || len(r.lookups) != 0 {
		t.Errorf("asked for %s after lookups %v", req.Host, r.lookups)
	}
	for _, h := range []string{"169.254.169.254", "10.0.0.1", "metadata.google.internal", "127.1"} {
		if _, err := d.Dial(t.Context(), h, 443); codeOf(err) != auth.CodeAddressForbidden {
			t.Errorf("%s: %v", h, err)
		}
	}
}

func TestCorporateProxyRefusals(t *testing.T) {
	for name, answer := range map[string]string{
		"407":            "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
		"garbage":        "SSH-2.0-x\r\n",
		"early bytes":    "HTTP/1.1 200 OK\r\n\r\nhello",
		"endless header": "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 20<<10) + "\r\n\r\n",
		"nothing":        "",
	} {
		t.Run(name, func(t *testing.T) {
			addr, _ := corporateProxy(t, nil, answer)
			d := newDialer(t, Options{Proxy: mustURL("http://user:hunter2@" + addr), Resolver: &record{}})
			_, err := d.Dial(t.Context(), "93.184.216.34", 443)
			if codeOf(err) != auth.CodeUpstreamUnreachable {
				t.Errorf("%v, want upstream_unreachable", err)
			}
			for e := err; e != nil; e = errors.Unwrap(e) {
				if strings.Contains(e.Error(), "hunter2") {
					t.Errorf("the password is in %q", e)
				}
			}
		})
	}
}

func TestCorporateProxyOverTLSIsVerified(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	addr, asked := corporateProxy(t, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, "HTTP/1.1 200 OK\r\n\r\n")
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	d := newDialer(t, Options{Resolver: &record{}, Proxy: mustURL("https://u:p@" + addr), ProxyTLS: &tls.Config{RootCAs: roots}})
	c, err := d.Dial(t.Context(), "93.184.216.34", 443)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	<-asked
	d = newDialer(t, Options{Resolver: &record{}, Proxy: mustURL("https://u:p@" + addr), ProxyTLS: &tls.Config{RootCAs: x509.NewCertPool(), InsecureSkipVerify: true}})
	if _, err := d.Dial(t.Context(), "93.184.216.34", 443); codeOf(err) != auth.CodeUpstreamUnreachable || len(asked) != 0 {
		t.Errorf("an unverified proxy got the password: %v", err)
	}
}

func TestCorporateProxyMayNotBeMetadataOrOurs(t *testing.T) {
	r := &record{names: map[string][]string{"proxy.test": {"169.254.169.254"}}}
	for _, p := range []string{"http://169.254.169.254:80", "http://proxy.test", "http://127.0.0.1:8080"} {
		d := newDialer(t, Options{Resolver: r, Connect: r.connect, Proxy: mustURL(p), Own: func() []netip.AddrPort {
			return []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:8080")}
		}})
		if _, err := d.Dial(t.Context(), "93.184.216.34", 443); codeOf(err) != auth.CodeAddressForbidden || len(r.dials) != 0 {
			t.Errorf("%s: %v", p, err)
		}
	}
}
