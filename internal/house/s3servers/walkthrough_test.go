//go:build realclients

package s3servers

import (
	"crypto/tls"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house/walk"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

// The hosts that docs/s3.md speaks of.
const (
	frankfurt = "s3.eu-central-1.amazonaws.com"
	oregon    = "s3.us-west-2.amazonaws.com"
	global    = "s3.amazonaws.com"
	r2Host    = "0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com"
	minioHost = "minio.example.com"
)

// TestWalkthrough does what docs/s3.md says, before a server for each region
// and each storage in it.
func TestWalkthrough(t *testing.T) {
	t.Parallel()
	dir, err := clientDir()
	if err != nil {
		t.Fatal(err)
	}
	cert, key, root := certificate(t, frankfurt, "*."+frankfurt, oregon, "*."+oregon, global, "*."+global, r2Host)
	weights := make([]byte, 9<<20) // more than one part of any client
	for i := range weights {
		weights[i] = byte(rand.Uint32())
	}
	eu, us := VersityTLS(t, "eu-central-1", frankfurt, cert, key), newServer()
	us.Secret = eu.Secret // one account
	us.versityTLS(t, "us-west-2", oregon, cert, key)
	r2, minio := VersityTLS(t, "auto", r2Host, cert, key), Versity(t, "us-east-1")
	eu.Put(t, "acme-models", "sd/model.safetensors", weights)
	eu.Put(t, "acme-models", "sd/vae.safetensors", weights[:1000])
	eu.Put(t, "acme-models", "other/secret.bin", weights[:10])
	us.Put(t, "acme-loras", "style.safetensors", weights[:2000])
	r2.Put(t, "acme-r2", "weights.bin", weights[:3000])
	minio.Put(t, "lab", "weights.bin", weights[:4000])

	public, err := os.ReadFile(root)
	if err != nil {
		t.Fatal(err)
	}
	n := walk.New(t)
	n.Path = []string{filepath.Join(dir, "python", "bin")}
	n.Environ = []string{"AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1"}
	n.Serve(walk.Upstreams{Roots: public, Resolve: map[string]string{
		frankfurt + ":443": eu.Addr, "acme-models." + frankfurt + ":443": eu.Addr,
		oregon + ":443": us.Addr, "acme-loras." + oregon + ":443": us.Addr,
		global + ":443": everywhere(t, cert, key), r2Host + ":443": r2.Addr, minioHost + ":9000": minio.Addr,
	}})
	for name, s := range map[string]*Server{"": eu, "r2-": r2, "minio-": minio} {
		n.Write(name+"access-key-id.txt", s.ID+"\n")
		n.Write(name+"secret-access-key.txt", s.Secret.Reveal()+"\n")
	}
	n.Write("presigned.url", presign(t, eu, "acme-models."+frankfurt, "/sd/vae.safetensors"))
	n.Walk("s3.md", 20, eu.Secret.Reveal(), r2.Secret.Reveal(), minio.Secret.Reveal())
	n.Stop()
}

// everywhere plays the host of S3 that is of no region: it says where a bucket
// is (Amazon S3 User Guide, "Request routing").
func everywhere(t *testing.T, cert, key string) (addr string) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bucket, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		w.Header().Set("X-Amz-Bucket-Region", map[string]string{"acme-models": "eu-central-1", "acme-loras": "us-west-2"}[bucket])
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusMovedPermanently)
		_, _ = w.Write([]byte("<Error><Code>PermanentRedirect</Code></Error>"))
	}))
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// presign is a URL for whoever has it, made with the storage's own keys.
func presign(t *testing.T, s *Server, host, path string) string {
	t.Helper()
	p, err := sigv4.ParsePath(path, sigv4.PathRule{})
	if err != nil {
		t.Fatal(err)
	}
	query, err := sigv4.NewSigner(s.ID, s.Secret, auth.Secret{}).Presign(t.Context(), sigv4.Request{Method: http.MethodGet, Host: host, Path: p, Region: s.Region}, time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return "https://" + host + p.String() + "?" + query
}
