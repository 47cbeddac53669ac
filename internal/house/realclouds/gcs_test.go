//go:build realclients

package realclouds

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

const (
	gcsHost     = "storage.googleapis.com"
	gcsAccount  = "reader@acme.iam.gserviceaccount.com"
	gcsReadOnly = "https://www.googleapis.com/auth/devstorage.read_only"
)

// google gives tokens for assertions that the key of the account has signed,
// and lets through to the emulator, which looks at none, what carries one.
type google struct {
	t     *testing.T
	key   *rsa.PrivateKey
	watch *house.Watch
	mu    sync.Mutex
	given map[string]bool
}

// token is the token endpoint (RFC 7523, section 3).
func (g *google) token(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if scope, ok := g.asserted(r.FormValue("assertion")); !ok || scope != gcsReadOnly || r.FormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`))
		return
	}
	token := "ya29." + rand.Text()
	g.watch.Add(house.CanaryOf(token))
	g.mu.Lock()
	g.given[token] = true
	g.mu.Unlock()
	_, _ = fmt.Fprintf(w, `{"access_token":%q,"expires_in":3599,"token_type":"Bearer"}`, token)
}

// asserted verifies a JSON Web Token of RS256 and returns the scope in it.
func (g *google) asserted(token string) (scope string, ok bool) {
	head, sig, _ := cutLast(token, ".")
	signature, err := base64.RawURLEncoding.DecodeString(sig)
	sum := sha256.Sum256([]byte(head))
	if err != nil || rsa.VerifyPKCS1v15(&g.key.PublicKey, crypto.SHA256, sum[:], signature) != nil {
		return "", false
	}
	_, payload, _ := strings.Cut(head, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	var claims struct {
		Issuer   string `json:"iss"`
		Audience string `json:"aud"`
		Scope    string `json:"scope"`
		Expires  int64  `json:"exp"`
	}
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return "", false
	}
	return claims.Scope, claims.Issuer == gcsAccount && claims.Audience == "https://oauth2.googleapis.com/token" && claims.Expires > time.Now().Unix()
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// guard is Cloud Storage: the emulator behind a look at the token.
func (g *google) guard(emulator string) http.Handler {
	behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: emulator})
	behind.ModifyResponse = func(a *http.Response) error {
		// The emulator has no words for it ("XML API errors").
		if a.StatusCode == http.StatusNotFound && !strings.Contains(a.Request.URL.Path, "/storage/v1/") {
			const text = "<Error><Code>NoSuchKey</Code></Error>"
			_ = a.Body.Close()
			a.Body, a.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
			a.Header = http.Header{"Content-Type": {"application/xml"}, "Content-Length": {fmt.Sprint(len(text))}}
		}
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		g.mu.Lock()
		known := g.given[token]
		g.mu.Unlock()
		if !known {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte("<Error><Code>AuthenticationRequired</Code></Error>"))
			return
		}
		behind.ServeHTTP(w, r)
	})
}

// file is the JSON file of a key of the account.
func (g *google) file(key *rsa.PrivateKey) string {
	g.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		g.t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "acme", "private_key_id": "k1", "client_email": gcsAccount, "token_uri": "https://oauth2.googleapis.com/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return string(text)
}

// TestCloudStorageClientsDownloadWithoutASecret: curl by the XML API and
// Google's client by the JSON API, in both modes.
func TestCloudStorageClientsDownloadWithoutASecret(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	g := &google{t: t, key: key, given: map[string]bool{}}
	python := filepath.Join(cloudDir, "python", "bin", "python")
	addr := "127.0.0.1:" + freePort(t)
	_, port, _ := strings.Cut(addr, ":")
	serve(t, addr, nil, python, "-m", "gcp_storage_emulator", "start", "--host", "127.0.0.1", "--port", port, "--in-memory", "--default-bucket", "models", "--quiet")
	h := house.New(t, house.Options{Empty: true, Mount: mountAll(t, map[string]http.Handler{
		"oauth2.googleapis.com": http.HandlerFunc(g.token), gcsHost: g.guard(addr),
	})})
	g.watch = h.Watch

	weights := []byte(strings.Repeat("weights ", 100_000))
	const object = "sd/a b+c.bin"
	upload(t, "http://"+addr+"/upload/storage/v1/b/models/o?uploadType=media&name="+url.QueryEscape(object), weights)

	for name, c := range map[string]struct {
		key    *rsa.PrivateKey
		status string
		says   string
	}{"reader": {key, "valid", "models/*: may be"}, "stale": {other, "invalid", "gave no token: status 400, invalid_grant"}} {
		got := h.AddCredential(admin.NewCredential{Name: name, Provider: "gcs", Fields: map[string]string{"serviceAccountJson": g.file(c.key)}, Patterns: []string{gcsHost + "/models/*"}})
		if words := fmt.Sprintf("%+v", got.Report); got.Status != c.status || !strings.Contains(words, c.says) {
			t.Errorf("%s: %s, want %s and %q: %s", name, got.Status, c.status, c.says, words)
		}
	}
	worker := h.AddKey(admin.NewKey{Name: "w", URLKey: true, Credentials: []string{"reader"}})
	for _, mode := range []workerenv.Mode{workerenv.Forward, workerenv.Reverse} {
		base := "https://" + gcsHost
		var env []string
		if mode == workerenv.Reverse {
			base = strings.TrimSuffix(h.URLKeyURL(worker.URLKey, base+"/"), "/")
		} else {
			env = environ(h, mode, worker.Key)
		}
		file := filepath.Join(t.TempDir(), "out.bin")
		for name, command := range map[string][]string{
			"curl":                 {"curl", "-sS", "--fail-with-body", "-o", file, base + "/models/sd/a%20b%2Bc.bin"},
			"google-cloud-storage": {python, filepath.Join(scriptDir, "gcs.py"), "get", base, "models", object, file},
		} {
			_ = os.Remove(file)
			out, err := run(t, env, command...)
			h.Watch.See("output of "+name, []byte(out))
			if got, e := os.ReadFile(file); err != nil || e != nil || !bytes.Equal(got, weights) {
				t.Errorf("%s %s: %d bytes of %d, %v %v\n%s", mode, name, len(got), len(weights), err, e, out)
			}
		}
		if out, err := run(t, env, python, filepath.Join(scriptDir, "gcs.py"), "list", base, "models"); err != nil || out != object+"\n" {
			t.Errorf("%s: listed %q, %v", mode, out, err)
		}
	}
}

// upload puts an object into the emulator, past everything.
func upload(t *testing.T, to string, body []byte) {
	t.Helper()
	answer, err := http.Post(to, "application/octet-stream", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("uploading: %s", answer.Status)
	}
}

// mountAll serves hosts.
func mountAll(t *testing.T, hosts map[string]http.Handler) func(*origin.Server) {
	return func(s *origin.Server) {
		for host, h := range hosts {
			if err := s.Handle(host, h); err != nil {
				t.Error(err)
			}
		}
	}
}
