package wire

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"go.uber.org/goleak"

	"github.com/weighbridge/weighbridge/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// authority issues certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t testing.TB, change func(*x509.Certificate)) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test root"},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if change != nil {
		change(tmpl)
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{cert: cert, key: key, pool: x509.NewCertPool()}
	a.pool.AddCert(cert)
	return a
}

// issue makes a certificate for origin.test and 127.0.0.1, changed by change.
func (a *authority) issue(t testing.TB, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"origin.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if change != nil {
		change(tmpl)
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// script is an origin that serves each connection with f; conns counts them.
type script struct {
	addr  string
	conns atomic.Int32
}

func newScript(t testing.TB, cfg *tls.Config, f func(c net.Conn, br *bufio.Reader)) *script {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{addr: ln.Addr().String()}
	var open group
	open.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.conns.Add(1)
			open.add(c)
			open.Go(func() {
				defer func() { _ = c.Close() }()
				if cfg != nil {
					tc := tls.Server(c, cfg)
					if tc.Handshake() != nil {
						return
					}
					f(tc, bufio.NewReader(tc))
					_ = tc.CloseWrite()
					return
				}
				f(c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() { _ = ln.Close(); open.end() })
	return s
}

// answers serves every request on a connection with the same bytes.
func answers(raw string) func(net.Conn, *bufio.Reader) {
	return func(c net.Conn, br *bufio.Reader) {
		for {
			if _, err := readRequest(br); err != nil {
				return
			}
			if _, err := io.WriteString(c, raw); err != nil {
				return
			}
		}
	}
}

// readRequest reads one request with its body.
func readRequest(br *bufio.Reader) (*http.Request, error) {
	req, err := http.ReadRequest(br)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, req.Body)
	return req, err
}

// rig is a client that reaches one origin, and a server in front of it.
type rig struct {
	client  *Client
	buffers *Buffers
	server  *Server
	addr    string // of the server
	dest    Dest
	http    *http.Client
	onBody  func(*Body)
	roots   *x509.CertPool
}

type rigOptions struct {
	origin    string // address
	upTLS     bool
	downTLS   bool
	ca        *authority
	budget    int64
	client    func(*ClientOptions)
	server    func(*ServerOptions)
	handler   func(r *rig) fasthttp.RequestHandler
	listenTLS *tls.Config // in place of a certificate of ca
	wrapDown  func(net.Conn) net.Conn
	wrapUp    func(net.Conn) net.Conn
}

func newRig(t testing.TB, o rigOptions) *rig {
	t.Helper()
	r := &rig{buffers: NewBuffers(o.budget), dest: Dest{Team: "team", Scheme: "http", Host: "127.0.0.1", Port: 1}}
	co := ClientOptions{
		Buffers: r.buffers,
		Dial: func(ctx context.Context, _ Dest) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, "tcp", o.origin)
			if err == nil && o.wrapUp != nil {
				c = o.wrapUp(c)
			}
			return c, err
		},
	}
	if o.ca != nil {
		co.TLS = &tls.Config{RootCAs: o.ca.pool}
		r.roots = o.ca.pool
	}
	if o.upTLS {
		r.dest.Scheme = "https"
	}
	if o.client != nil {
		o.client(&co)
	}
	r.client = NewClient(co)
	so := ServerOptions{Handler: r.forward}
	if o.handler != nil {
		so.Handler = o.handler(r)
	}
	if o.server != nil {
		o.server(&so)
	}
	r.server = NewServer(so)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = tcp.Addr().String()
	if o.wrapDown != nil {
		tcp = wrappingListener{tcp, o.wrapDown}
	}
	lo := ListenerOptions{TLS: o.listenTLS}
	if o.downTLS {
		lo.TLS = &tls.Config{Certificates: []tls.Certificate{o.ca.issue(t, nil)}}
	}
	var g group
	g.Go(func() { _ = r.server.Serve(Listen(tcp, lo)) })
	tr := &http.Transport{DisableCompression: true}
	if o.ca != nil {
		tr.TLSClientConfig = &tls.Config{RootCAs: o.ca.pool}
	}
	r.http = &http.Client{Transport: tr}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		ctx, stop := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer stop()
		_ = r.server.Shutdown(ctx)
		g.end()
		r.client.Close()
	})
	return r
}

type wrappingListener struct {
	net.Listener
	wrap func(net.Conn) net.Conn
}

func (l wrappingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		c = l.wrap(c)
	}
	return c, err
}

// forward sends the request on as it is.
func (r *rig) forward(ctx *fasthttp.RequestCtx) {
	var req fasthttp.Request
	req.Header.DisableNormalizing()
	req.Header.SetMethodBytes(ctx.Request.Header.Method())
	req.Header.SetRequestURIBytes(ctx.Request.Header.RequestURI())
	req.Header.SetHostBytes(ctx.Request.Header.Host())
	for k, v := range ctx.Request.Header.All() {
		switch string(k) {
		case "Host", "Connection", "Transfer-Encoding", "Content-Length":
		default:
			req.Header.AddBytesKV(k, v)
		}
	}
	if s := ctx.RequestBodyStream(); s != nil {
		req.SetBodyStream(s, ctx.Request.Header.ContentLength())
	}
	b, err := r.client.Do(Context(ctx), r.dest, &req, &ctx.Response)
	if err != nil {
		e := auth.AsError(err)
		ctx.Response.SetStatusCode(e.HTTPStatus())
		ctx.Response.Header.Set("X-Weighbridge-Error", string(e.Code))
		ctx.Response.SetBodyString(e.Reason)
		return
	}
	b.Bind(ctx.Conn(), nil)
	if r.onBody != nil {
		r.onBody(b)
	}
	b.Attach(&ctx.Response)
}

func (r *rig) url(path string) string {
	if r.roots != nil {
		if tr := r.http.Transport.(*http.Transport); tr.TLSClientConfig != nil && r.tlsDown() {
			return "https://" + r.addr + path
		}
	}
	return "http://" + r.addr + path
}

func (r *rig) tlsDown() bool {
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		return false
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	return tls.Client(c, &tls.Config{RootCAs: r.roots, ServerName: "127.0.0.1"}).Handshake() == nil
}

// raw opens a connection to the server, without TLS.
func (r *rig) raw(t testing.TB) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

// filler is an origin of bodies: /N is N bytes of zeros, with Content-Length,
// or chunked with ?chunked.
func filler(t testing.TB, cfg *tls.Config) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		n, err := strconv.ParseInt(req.URL.Path[1:], 10, 64)
		if err != nil {
			http.NotFound(w, req)
			return
		}
		if req.URL.RawQuery != "chunked" {
			w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
		}
		for n > 0 {
			m, err := w.Write(zeros[:min(n, int64(len(zeros)))])
			if err != nil {
				return
			}
			n -= int64(m)
		}
	})}
	addr := ln.Addr().String()
	if cfg != nil {
		cfg = cfg.Clone()
		cfg.NextProtos = []string{"http/1.1"}
		ln = tls.NewListener(ln, cfg)
	}
	var g group
	g.Go(func() { _ = srv.Serve(ln) })
	t.Cleanup(func() { _ = srv.Close(); g.end() })
	return addr
}

func codeOf(err error) auth.Code {
	var e *auth.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// eventually waits for cond, for as long as a slow machine may need.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if cond() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}
