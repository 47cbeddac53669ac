//go:build realclients

// Package s3servers runs a whole weighbridge in front of real S3 servers that
// verify signatures: versitygw, and rclone's gofakes3. They are built by
// testdata/s3/setup.sh and run as processes.
package s3servers

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house/ready"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

// Server is a running S3 server.
type Server struct {
	// Addr is where it listens on loopback, Region what it signs for; "" takes
	// any.
	Addr, Region string
	ID           string
	Secret       auth.Secret
	// client speaks to it past weighbridge.
	client *http.Client
	scheme string
	made   map[string]bool
	// roots are the directories in which a VersityWhole keeps everything.
	roots []string
}

// binaries builds the servers once, or finds them built.
var binaries = sync.OnceValues(func() (string, error) {
	dir, _, err := ready.Suite("s3")
	return dir, err
})

// patience bounds the wait for a server, which comes up in a fraction of it.
const patience = time.Minute

func start(t testing.TB, name string, args ...string) (*exec.Cmd, io.Reader) {
	t.Helper()
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(filepath.Join(dir, name), args...)
	c.Dir = t.TempDir()
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.Dir}
	var log bytes.Buffer
	c.Stderr = &log
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.StdinPipe(); err != nil { // its end ends fakes3
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if t.Failed() && log.Len() > 0 {
			t.Logf("%s: %s", name, log.String())
		}
	})
	return c, out
}

// Fake starts gofakes3, which keeps objects in memory and takes any region.
func Fake(t testing.TB) *Server {
	t.Helper()
	s := newServer()
	_, out := start(t, "fakes3", s.ID, s.Secret.Reveal())
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	s.Addr = strings.TrimSpace(line)
	return s
}

func newServer() *Server {
	return &Server{
		ID: "ROOTKEYROOTKEYROOTKEYROOTKEY", Secret: auth.NewSecret(auth.NewAPIKey().Reveal()),
		made: map[string]bool{}, scheme: "http", client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}
}

// Versity starts versitygw for one region, on files.
func Versity(t testing.TB, region string) *Server {
	t.Helper()
	s := newServer()
	s.versity(t, region, []string{"posix", "--nometa", t.TempDir()})
	return s
}

// VersityTLS starts it with a certificate and the host names of S3.
func VersityTLS(t testing.TB, region, domain, cert, key string) *Server {
	t.Helper()
	s := newServer()
	s.versityTLS(t, region, domain, cert, key)
	return s
}

// versityTLS is VersityTLS with the keys of s.
func (s *Server) versityTLS(t testing.TB, region, domain, cert, key string) {
	t.Helper()
	s.versity(t, region, s.whole(t), "--cert", cert, "--key", key, "--virtual-domain", domain)
	s.scheme = "https"
	pem, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	s.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: domain}
}

// VersityWhole is Versity with what it keeps of objects beside their content:
// types, checksums, uploads in parts.
func VersityWhole(t testing.TB, region string) *Server {
	t.Helper()
	s := newServer()
	s.versity(t, region, s.whole(t))
	return s
}

// whole is a storage for everything.
func (s *Server) whole(t testing.TB) []string {
	t.Helper()
	s.roots = []string{t.TempDir(), t.TempDir()}
	return []string{"posix", "--sidecar", s.roots[1], s.roots[0]}
}

// Wipe removes every bucket of a VersityWhole.
func (s *Server) Wipe(t testing.TB) {
	t.Helper()
	for _, root := range s.roots {
		entries, err := os.ReadDir(root)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if err := os.RemoveAll(filepath.Join(root, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// versity starts it with the keys of s, and waits until it listens.
func (s *Server) versity(t testing.TB, region string, storage []string, more ...string) {
	t.Helper()
	s.Region = region
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Addr = l.Addr().String()
	_ = l.Close()
	args := append([]string{"--access", s.ID, "--secret", s.Secret.Reveal(), "--region", region, "--port", s.Addr, "--quiet", "--keep-alive"}, more...)
	_, out := start(t, "versitygw", append(args, storage...)...)
	go func() { _, _ = io.Copy(io.Discard, out) }()
	for end := time.Now().Add(patience); ; {
		c, err := net.Dial("tcp", s.Addr)
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatal("versitygw does not come up")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Do sends a signed request of our own to it, past weighbridge, and returns
// its answer.
func (s *Server) Do(t testing.TB, method, bucket, key string, body []byte) (status int, answer []byte) {
	t.Helper()
	path, err := sigv4.ObjectPath(bucket, key, sigv4.PathRule{EmptySegments: true})
	if err != nil {
		t.Fatal(err)
	}
	region := s.Region
	if region == "" {
		region = "us-east-1"
	}
	sum := sha256.Sum256(body)
	signed, err := sigv4.NewSigner(s.ID, s.Secret, auth.Secret{}).Sign(context.Background(), sigv4.Request{
		Method: method, Host: s.Addr, Path: path, Region: region, Payload: hex.EncodeToString(sum[:]),
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, s.scheme+"://"+s.Addr+"/", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.URL = &url.URL{Scheme: s.scheme, Host: s.Addr, Path: path.Decoded(), RawPath: path.String()}
	for _, f := range signed.Fields() {
		r.Header.Set(f.Name, f.Value)
	}
	a, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, b
}

// Put makes an object, and its bucket before the first one.
func (s *Server) Put(t testing.TB, bucket, key string, body []byte) {
	t.Helper()
	if !s.made[bucket] {
		if status, b := s.Do(t, http.MethodPut, bucket, "", nil); status != 200 {
			t.Fatalf("making the bucket %s: %d %s", bucket, status, b)
		}
		s.made[bucket] = true
	}
	if status, b := s.Do(t, http.MethodPut, bucket, key, body); status != 200 {
		t.Fatalf("putting %q: %d %s", key, status, b)
	}
}
