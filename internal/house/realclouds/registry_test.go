//go:build realclients

package realclouds

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

const (
	registryHost = "registry.example.com"
	tokenHost    = "auth.example.com"
	repository   = "acme/models/llama"
)

// tokenServer signs what a registry of Docker takes ("Token Authentication
// Implementation"): RS256, with its certificate beside it.
type tokenServer struct {
	key    *rsa.PrivateKey
	cert   []byte
	secret *house.Canary
	// asked counts what was given out; scopes is the last scope.
	asked  atomic.Int64
	scopes atomic.Value
	given  func(token string)
}

func newTokenServer(t *testing.T) *tokenServer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "token server"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tokenServer{key: key, cert: cert}
}

func (s *tokenServer) sign(scope string, actions ...string) string {
	enc := base64.RawURLEncoding.EncodeToString
	access := []map[string]any{}
	if parts := strings.Split(scope, ":"); len(parts) == 3 {
		access = append(access, map[string]any{"type": parts[0], "name": parts[1], "actions": actions})
	}
	now := time.Now().Unix()
	header, _ := json.Marshal(map[string]any{"typ": "JWT", "alg": "RS256", "x5c": []string{base64.StdEncoding.EncodeToString(s.cert)}})
	claims, _ := json.Marshal(map[string]any{"iss": "suite", "sub": "bot", "aud": "registry", "iat": now - 10, "nbf": now - 10, "exp": now + 300,
		"jti": fmt.Sprint(s.asked.Add(1)), "access": access})
	text := enc(header) + "." + enc(claims)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return text + "." + enc(sig)
}

func (s *tokenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	if user != "bot" || password != s.secret.Value() || r.FormValue("service") != "registry" {
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
		return
	}
	scope := r.FormValue("scope")
	s.scopes.Store(scope)
	token := s.sign(scope, "pull")
	s.given(token)
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"token":%q,"expires_in":300}`, token)
}

func registryProgram() string {
	if path, err := exec.LookPath("docker-registry"); err == nil {
		return path
	}
	return filepath.Join(cloudDir, "registry", "usr", "bin", "docker-registry")
}

// TestRegistryWithTokens: workers that know of no token pull from a registry
// that wants one, and nobody pushes.
func TestRegistryWithTokens(t *testing.T) {
	tokens := newTokenServer(t)
	addr := "127.0.0.1:" + freePort(t)
	var direct *http.Client
	h := house.New(t, house.Options{Empty: true, Mount: func(s *origin.Server) {
		leaf, err := s.Authority().Leaf(registryHost, nil)
		if err != nil {
			t.Fatal(err)
		}
		cert, key := pemFiles(t, leaf)
		dir := t.TempDir()
		bundle, settings := filepath.Join(dir, "bundle.pem"), filepath.Join(dir, "config.yml")
		text := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {inmemory: {}}\nhttp: {addr: %q, tls: {certificate: %q, key: %q}}\n"+
			"auth: {token: {realm: \"https://%s/token\", service: registry, issuer: suite, rootcertbundle: %q}}\n", addr, cert, key, tokenHost, bundle)
		for name, b := range map[string][]byte{bundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tokens.cert}), settings: []byte(text)} {
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		serve(t, addr, nil, registryProgram(), "serve", settings)
		if err := s.Handle(tokenHost, tokens); err != nil {
			t.Fatal(err)
		}
	}, Configure: func(c *config.Config) { c.Upstream.Resolve[registryHost+":443"] = addr }})
	tokens.secret = h.Secret("dckr_pat_")
	tokens.given = func(token string) { h.Watch.Add(house.CanaryOf(token)) }

	open := h.AddKey(admin.NewKey{Name: "open"}).Key // linked to nothing
	direct = h.HTTPClient(workerenv.Forward, open)
	weights := bytes.Repeat([]byte("weights "), 50_000)
	digest := push(t, direct, tokens, weights)

	for name, host := range map[string]string{"pinned": tokenHost, "strange": ""} {
		fields := map[string]string{"username": "bot", "password": tokens.secret.Value()}
		if host != "" {
			fields["tokenHost"] = host
		}
		// What is said of it: a token server that nobody named is not asked.
		c := admin.NewCredential{Name: name, Provider: "oci_registry", Fields: fields, Patterns: []string{registryHost + "/v2/*"}}
		got := h.AddCredential(admin.NewCredential{Name: name + "-asked", Provider: c.Provider, Fields: c.Fields, Patterns: c.Patterns})
		if want := map[string]string{"pinned": "valid", "strange": "pending"}[name]; got.Status != want {
			t.Errorf("%s is %s: %+v", name, got.Status, got.Report)
		}
		c.NoValidate = true
		h.AddCredential(c)
	}
	for password, want := range map[string]string{tokens.secret.Value(): "acme/models/llama: may be pulled", "wrong-password": "gave no token: status 401"} {
		got := h.AddCredential(admin.NewCredential{Name: "probe " + want[:4], Provider: "oci_registry", Patterns: []string{registryHost + "/v2/" + repository + "/*"},
			Fields: map[string]string{"username": "bot", "password": password, "tokenHost": tokenHost}})
		if words := fmt.Sprintf("%+v", got.Report); !strings.Contains(words, want) || (got.Status == "valid") != (password != "wrong-password") {
			t.Errorf("%s: %s", got.Status, words)
		}
	}
	base := "https://" + registryHost + "/v2/" + repository
	for _, mode := range []workerenv.Mode{workerenv.Forward, workerenv.Reverse} {
		key := h.AddKey(admin.NewKey{Name: "pinned-" + string(mode), Scope: "write", Credentials: []string{"pinned"}}).Key
		client := h.HTTPClient(mode, key)
		if status, body := get(t, client, "GET", "https://"+registryHost+"/v2/", ""); status != 200 {
			t.Errorf("%s: %d %s", mode, status, body)
		}
		if status, body := get(t, client, "GET", base+"/manifests/latest", ""); status != 200 || !strings.Contains(body, digest) {
			t.Errorf("%s: %d %s", mode, status, body)
		}
		if status, body := get(t, client, "GET", base+"/blobs/"+digest, ""); status != 200 || body != string(weights) {
			t.Errorf("%s: %d, %d bytes", mode, status, len(body))
		}
		if status, body := get(t, client, "GET", base+"/blobs/"+digest, "bytes=8-15"); status != 206 || body != "weights " {
			t.Errorf("%s: %d, %q", mode, status, body)
		}
		if mode == workerenv.Forward {
			// A client of the ORAS project's library, which verifies what it pulls.
			env := environ(h, mode, key)
			out, err := run(t, env, filepath.Join(cloudDir, "oras"), registryHost+"/"+repository, "latest")
			h.Watch.See("output of oras", []byte(out))
			if want := fmt.Sprintln(digest, len(weights)); err != nil || out != want {
				t.Errorf("oras: %v, %q, want %q", err, out, want)
			}
		}
		if got := tokens.scopes.Load(); got != "repository:"+repository+":pull" {
			t.Errorf("%s: asked for %v", mode, got)
		}
		for _, method := range []string{"PUT", "DELETE", "POST"} {
			if status, body := get(t, client, method, base+"/manifests/latest", ""); status != 403 || !strings.Contains(body, "scope_forbidden") {
				t.Errorf("%s: %s: %d %s", mode, method, status, body)
			}
		}
		// A token server that nobody named gets nothing.
		strange := h.HTTPClient(mode, h.AddKey(admin.NewKey{Name: "strange-" + string(mode), Credentials: []string{"strange"}}).Key)
		before := tokens.asked.Load()
		if status, body := get(t, strange, "GET", base+"/manifests/latest", ""); status != 502 || !strings.Contains(body, "name it as tokenHost") || tokens.asked.Load() != before {
			t.Errorf("%s: %d %s", mode, status, body)
		}
	}
	if status, _ := get(t, direct, "GET", base+"/manifests/latest", ""); status != 401 {
		t.Errorf("without a credential: %d", status)
	}
}

func get(t *testing.T, c *http.Client, method, url, ranges string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json")
	if ranges != "" {
		r.Header.Set("Range", ranges)
	}
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// push puts a model into the registry, by a token of the suite's own that
// weighbridge only carries.
func push(t *testing.T, c *http.Client, s *tokenServer, weights []byte) (digest string) {
	t.Helper()
	token := s.sign("repository:"+repository+":push", "pull", "push")
	do := func(method, url, contentType string, body []byte, want int) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", contentType)
		answer, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != want {
			t.Fatalf("%s %s: %s, %s", method, url, answer.Status, text)
		}
		return answer
	}
	base := "https://" + registryHost + "/v2/" + repository
	put := func(blob []byte) string {
		digest := fmt.Sprintf("sha256:%x", sha256.Sum256(blob))
		to := do("POST", base+"/blobs/uploads/", "application/octet-stream", nil, 202).Header.Get("Location")
		do("PUT", to+"&digest="+digest, "application/octet-stream", blob, 201)
		return digest
	}
	settings := []byte("{}")
	config, digest := put(settings), put(weights)
	const manifest = "application/vnd.oci.image.manifest.v1+json"
	do("PUT", base+"/manifests/latest", manifest, fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},`+
		`"layers":[{"mediaType":"application/octet-stream","digest":%q,"size":%d}]}`, manifest, config, len(settings), digest, len(weights)), 201)
	return digest
}
