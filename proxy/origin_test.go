package proxy

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// request is what an origin received, in raw bytes.
type request struct {
	// head is the request line and fields with the empty line.
	head   string
	method string
	target string
	fields fields
	body   []byte
	// conn is the number of the connection.
	conn int
	// w is the connection, for answers.
	w io.Writer
	// raw is the TCP connection, for resets.
	raw net.Conn
}

// origin is an upstream that keeps every byte it gets.
type origin struct {
	t      testing.TB
	ln     net.Listener
	tls    *tls.Config
	answer func(r *request) (keep bool)

	mu    sync.Mutex
	got   []*request
	bytes lockedBuffer
	conns int
	open  map[net.Conn]struct{}
	wg    sync.WaitGroup
}

// ok answers with a short text.
func ok(r *request) bool { return text(r, "200 OK", "hello", "Content-Type: application/octet-stream") }

// text answers with a body of known length.
func text(r *request, status, body string, extra ...string) bool {
	h := "HTTP/1.1 " + status + "\r\nContent-Length: " + fmt.Sprint(len(body)) + "\r\n" + strings.Join(append(extra, ""), "\r\n") + "\r\n"
	if r.method == "HEAD" {
		body = ""
	}
	_, err := io.WriteString(r.w, h+body)
	return err == nil
}

// newOrigin starts an origin: TLS for the names, plain without any.
func newOrigin(t testing.TB, answer func(r *request) bool, names ...string) *origin {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &origin{t: t, ln: ln, answer: answer, open: map[net.Conn]struct{}{}}
	if len(names) > 0 {
		o.tls = &tls.Config{Certificates: []tls.Certificate{testCA(t).leaf(t, names...)}}
	}
	o.wg.Go(o.accept)
	t.Cleanup(o.close)
	return o
}

func (o *origin) addr() string { return o.ln.Addr().String() }

func (o *origin) close() {
	_ = o.ln.Close()
	o.mu.Lock()
	for c := range o.open {
		_ = c.Close()
	}
	o.mu.Unlock()
	o.wg.Wait()
}

func (o *origin) accept() {
	for {
		c, err := o.ln.Accept()
		if err != nil {
			return
		}
		o.mu.Lock()
		o.conns++
		n := o.conns
		o.open[c] = struct{}{}
		o.mu.Unlock()
		o.wg.Go(func() {
			o.serve(c, n)
			_ = c.Close()
			o.mu.Lock()
			delete(o.open, c)
			o.mu.Unlock()
		})
	}
}

func (o *origin) serve(raw net.Conn, n int) {
	var c net.Conn = raw
	if o.tls != nil {
		c = tls.Server(raw, o.tls)
	}
	br := bufio.NewReader(io.TeeReader(c, &o.bytes))
	for {
		head, err := rawHead(br)
		if err != nil {
			return
		}
		r := &request{head: head, conn: n, w: c, raw: raw, fields: parseTestFields(head)}
		line, _, _ := strings.Cut(head, "\r\n")
		r.method, r.target, _ = strings.Cut(line, " ")
		r.target = strings.TrimSuffix(r.target, " HTTP/1.1")
		if r.fields.has("Content-Length") || r.fields.has("Transfer-Encoding") {
			if r.body, err = readTestBody(br, r.method, 200, r.fields); err != nil {
				return
			}
		}
		o.mu.Lock()
		o.got = append(o.got, r)
		o.mu.Unlock()
		if !o.answer(r) {
			return
		}
	}
}

// requests is what came so far.
func (o *origin) requests() []*request {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]*request(nil), o.got...)
}

// last is the latest request.
func (o *origin) last() *request {
	o.t.Helper()
	got := o.requests()
	if len(got) == 0 {
		o.t.Fatal("the origin received nothing")
	}
	return got[len(got)-1]
}

// none fails where anything came at all.
func (o *origin) none() {
	o.t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.got) > 0 {
		o.t.Errorf("the origin received %q", o.got[0].head)
	}
}

// authority is the root of the tests' upstreams.
type authority struct {
	cert *x509.Certificate
	der  []byte
	key  *ecdsa.PrivateKey
}

var testRoot = sync.OnceValues(func() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "upstream root"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert, der, key}, err
})

func testCA(t testing.TB) *authority {
	t.Helper()
	a, err := testRoot()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *authority) CertPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.der})
}

// leaf makes a certificate for names.
func (a *authority) leaf(t testing.TB, names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(12 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
