//go:build realclients

package s3servers

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/workerenv"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

const storeHost = "store.example.com"

// awkward are keys that some program spells in another way on the way.
func awkward() []string {
	return []string{
		"plain.bin", "a b", "a+b", "ex!$&'()*,;:@=", "per%cent", "a%2Fb", "ha#sh", "q?m", "~tilde-_.", "caf\u00e9", "cafe\u0301",
		"deep/er/k", "ünïcödé/日本語/模型.safetensors", strings.Repeat("é/", 341) + "z",
	}
}

// spell encodes every byte of a key that has to be, and those that may be when
// all is set.
func spell(key string, all bool) string {
	var b strings.Builder
	for _, c := range []byte(key) {
		if c == '/' || strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", c) >= 0 || !all && strings.IndexByte("!$&'()*+,;:@=", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

// yard is a house before one server.
type yard struct {
	*house.House
	t      *testing.T
	server *Server
	key    string
	base   string // of the store's URL
}

func newYard(t *testing.T, s *Server, params map[string]string, patterns ...string) *yard {
	t.Helper()
	y := &yard{t: t, server: s, base: "http://" + storeHost + ":9000"}
	y.House = house.New(t, house.Options{Empty: true, Configure: func(c *config.Config) {
		c.Upstream.Resolve[storeHost+":9000"] = s.Addr
	}})
	y.link(params, patterns...)
	return y
}

// credential is one with the keys of a server.
func (y *yard) credential(name string, s *Server, params map[string]string, patterns ...string) admin.NewCredential {
	y.Watch.Add(house.CanaryOf(s.Secret.Reveal()))
	fields := map[string]string{"accessKeyId": s.ID, "secretAccessKey": s.Secret.Reveal(), "endpoint": y.base}
	for k, v := range params {
		fields[k] = v
	}
	return admin.NewCredential{Name: name, Provider: "s3", Fields: fields, Patterns: patterns}
}

func (y *yard) link(params map[string]string, patterns ...string) {
	y.t.Helper()
	if c := y.AddCredential(y.credential("store", y.server, params, patterns...)); c.Status != "valid" {
		y.t.Fatalf("the credential is %s: %+v", c.Status, c.Report)
	}
	y.key = y.AddKey(admin.NewKey{Name: "w", Credentials: []string{"store"}}).Key
}

// get asks for an escaped path of the store.
func (y *yard) get(mode workerenv.Mode, pathAndQuery string, header ...string) (int, string, []byte) {
	y.t.Helper()
	client := y.HTTPClient(mode, y.key)
	raw := y.base + pathAndQuery
	if mode == workerenv.Reverse {
		if rest, ok := strings.CutPrefix(raw, "http://"); ok {
			raw = y.Bridge.ProxyURL() + "/http:" + rest
		}
	}
	u, err := url.Parse(raw)
	if err != nil {
		y.t.Fatal(err)
	}
	// Byte for byte, whatever net/url would rather write.
	path, _, _ := strings.Cut(strings.TrimPrefix(raw, u.Scheme+"://"+u.Host), "?")
	if u.EscapedPath() != path {
		y.t.Fatalf("%s would be sent as %s", path, u.EscapedPath())
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, raw, nil)
	if err != nil {
		y.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	a, err := client.Do(r)
	if err != nil {
		y.t.Fatalf("%s %s: %v", mode, raw, err)
	}
	defer func() { _ = a.Body.Close() }()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		y.t.Fatal(err)
	}
	return a.StatusCode, a.Header.Get("X-Weighbridge-Error"), b
}

var modes = []workerenv.Mode{workerenv.Forward, workerenv.Reverse}

// servers are the two that were written apart from each other.
var servers = map[string]func(testing.TB) *Server{
	"versitygw": func(t testing.TB) *Server { return Versity(t, "us-west-2") },
	"gofakes3":  Fake,
}

// Every awkward key is fetched byte-exact, in each spelling, from both
// servers in both modes.
func TestS3KeysFromRealServers(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			for _, k := range awkward() {
				s.Put(t, "models", k, []byte("weights of "+k))
			}
			// The region is not given: versitygw's own is learned of its refusal.
			y := newYard(t, s, nil, "s3://models/*")
			for _, mode := range modes {
				for _, k := range awkward() {
					for _, all := range []bool{false, true} {
						if status, code, b := y.get(mode, "/models/"+spell(k, all)); status != 200 || string(b) != "weights of "+k {
							t.Errorf("%s %.80q (%t): %d %s %.200s", mode, k, all, status, code, b)
						}
					}
				}
				if status, _, b := y.get(mode, "/models/deep%2Fer%2fk"); status != 200 || string(b) != "weights of deep/er/k" {
					t.Errorf("%s, encoded slashes: %d %s", mode, status, b)
				}
				if status, _, b := y.get(mode, "/models/plain.bin", "Range", "bytes=2-5"); status != 206 || string(b) != "ight" {
					t.Errorf("%s, a range: %d %s", mode, status, b)
				}
				if status, _, b := y.get(mode, "/models?list-type=2&prefix=deep/"); status != 200 || !strings.Contains(string(b), "<Key>deep/er/k</Key>") {
					t.Errorf("%s, a listing: %d %s", mode, status, b)
				}
				if status, _, b := y.get(mode, "/models/absent"); status != 404 || !strings.Contains(string(b), "NoSuchKey") {
					t.Errorf("%s, an absent object: %d %s", mode, status, b)
				}
				for _, path := range []string{"/models/x/../plain.bin", "/models/x/%2e%2e/plain.bin", "/models/./plain.bin", "/models/..%2fmodels/plain.bin"} {
					if status, code, _ := y.get(mode, path); status != 400 || code != string(auth.CodeBadTarget) {
						t.Errorf("%s %s: %d %s", mode, path, status, code)
					}
				}
			}
			learned := strings.Contains(y.Log.String(), "the bucket models is in the region us-west-2")
			if learned != (s.Region != "") {
				t.Errorf("the region was learned: %t", learned)
			}
		})
	}
}

// A rule about a prefix is not got round by segments that a server merges.
func TestS3PrefixRuleBeforeAServerThatMergesSlashes(t *testing.T) {
	s := Versity(t, "us-east-1")
	s.Put(t, "models", "a/plain.bin", []byte("weights"))
	y := newYard(t, s, nil, "s3://models/a/*")
	for _, mode := range modes {
		if status, _, b := y.get(mode, "/models/a/plain.bin"); status != 200 || string(b) != "weights" {
			t.Errorf("%s: %d %s", mode, status, b)
		}
		if status, code, _ := y.get(mode, "/models/a//plain.bin"); status != 400 || code != string(auth.CodeBadTarget) {
			t.Errorf("%s: %d %s", mode, status, code)
		}
	}
}

// T08: a presigned URL of somebody else passes as it is, and is judged by the
// server.
func TestT08_S3PresignedBeforeARealServer(t *testing.T) {
	s := Versity(t, "us-east-1")
	s.Put(t, "models", "a+b", []byte("weights"))
	y := newYard(t, s, nil, "s3://models/*")
	path, err := sigv4.ObjectPath("models", "a+b", sigv4.PathRule{})
	if err != nil {
		t.Fatal(err)
	}
	query, err := sigv4.NewSigner(s.ID, s.Secret, auth.Secret{}).Presign(t.Context(), sigv4.Request{
		Method: "GET", Host: storeHost + ":9000", Path: path, Region: "us-east-1",
	}, time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range modes {
		if status, code, b := y.get(mode, path.String()+"?"+query); status != 200 || string(b) != "weights" {
			t.Errorf("%s: %d %s %s", mode, status, code, b)
		}
		if status, code, b := y.get(mode, path.String()+"?"+strings.Replace(query, "X-Amz-Signature=", "X-Amz-Signature=0", 1)); status != 403 || code != "" {
			t.Errorf("%s, tampered: %d %s %s", mode, status, code, b)
		}
	}
}

// Keys that only a store of keys has, and no file system: empty segments, a
// final slash.
func TestS3KeysThatNoFileHas(t *testing.T) {
	s := Fake(t)
	keys := []string{"a//b", "dir/", "a//", "x//y//z"}
	for _, k := range keys {
		s.Put(t, "models", k, []byte("weights of "+k))
	}
	y := newYard(t, s, nil, "s3://models/*")
	for _, mode := range modes {
		for _, k := range keys {
			if status, code, b := y.get(mode, "/models/"+k); status != 200 || string(b) != "weights of "+k {
				t.Errorf("%s %q: %d %s %.200s", mode, k, status, code, b)
			}
		}
	}
}

// Our clock is 40 minutes late: the server's is learned of its refusal, by one
// request more.
func TestS3SkewBeforeARealServer(t *testing.T) {
	s := Versity(t, "us-east-1")
	s.Put(t, "models", "x", []byte("weights"))
	y := &yard{t: t, server: s, base: "http://" + storeHost + ":9000"}
	y.House = house.New(t, house.Options{
		Empty: true, Now: func() time.Time { return time.Now().Add(-40 * time.Minute) },
		Configure: func(c *config.Config) { c.Upstream.Resolve[storeHost+":9000"] = s.Addr },
	})
	y.link(nil, "s3://models/*")
	for range 2 {
		if status, code, b := y.get(workerenv.Reverse, "/models/x"); status != 200 || string(b) != "weights" {
			t.Errorf("%d %s %s", status, code, b)
		}
	}
	if n := strings.Count(y.Log.String(), "40m0s apart"); n != 1 {
		t.Errorf("the log tells %d times of the clock", n)
	}
}

// A wrong secret is the server's refusal, in its words and without ours.
func TestS3WrongSecretBeforeARealServer(t *testing.T) {
	s := Versity(t, "us-east-1")
	s.Put(t, "models", "x", []byte("weights"))
	wrong := *s
	wrong.Secret = auth.NewSecret(auth.NewAPIKey().Reveal())
	for _, mode := range modes {
		y := newYard(t, s, nil, "s3://models/*")
		// Stored without asking, and asked about only after the first refusal.
		c := y.credential("wrong", &wrong, nil, "s3://models/*")
		c.NoValidate = true
		y.AddCredential(c)
		y.key = y.AddKey(admin.NewKey{Name: "w2", Credentials: []string{"wrong"}}).Key
		status, _, b := y.get(mode, "/models/x")
		if status != 403 || !strings.Contains(string(b), "<Code>SignatureDoesNotMatch</Code>") || strings.Contains(string(b), s.ID) || strings.Contains(string(b), "AWS4-HMAC") {
			t.Errorf("%s: %d %s", mode, status, b)
		}
	}
}

// Hosts of S3 itself, over TLS: virtual-hosted, path style, and a bucket with
// dots, for which no certificate is good.
func TestS3HostsOverTLS(t *testing.T) {
	const domain = "s3.us-west-2.amazonaws.com"
	cert, key, root := certificate(t, domain, "*."+domain)
	s := VersityTLS(t, "us-west-2", domain, cert, key)
	s.Put(t, "models", "a b+c", []byte("weights"))
	s.Put(t, "dot.ted", "x", []byte("dotted"))
	y := &yard{t: t, server: s}
	y.House = house.New(t, house.Options{Empty: true, Configure: func(c *config.Config) {
		c.Upstream.CAFile = root
		for _, host := range []string{domain, "models." + domain} {
			c.Upstream.Resolve[host+":443"] = s.Addr
		}
	}})
	y.link(map[string]string{"endpoint": "", "region": "us-west-2"}, "s3://models/*", "s3://dot.ted/*")
	for _, mode := range modes {
		for _, c := range [][2]string{
			{"https://models." + domain + "/a%20b+c", "weights"}, {"https://" + domain + "/models/a%20b%2Bc", "weights"}, {"https://dot.ted." + domain + "/x", "dotted"},
		} {
			y.base = c[0]
			if status, code, b := y.get(mode, ""); status != 200 || string(b) != c[1] {
				t.Errorf("%s %s: %d %s %s", mode, c[0], status, code, b)
			}
		}
	}
}

// certificate makes files of a certificate for names, and of its root.
func certificate(t *testing.T, names ...string) (cert, key, root string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "S3 of a test"}, DNSNames: names, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert = write("cert.pem", "CERTIFICATE", der)
	return cert, write("key.pem", "EC PRIVATE KEY", private), cert
}
