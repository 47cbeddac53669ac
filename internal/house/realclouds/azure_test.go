//go:build realclients

package realclouds

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

const (
	account   = "acmemodels"
	blobHost  = account + ".blob.core.windows.net"
	loginHost = "login.microsoftonline.com"
	blobPath  = "/models/dir%20a/weights%20v1%2B2%20100%25.bin"
)

// jwt is a token as Azurite takes it with --oauth basic: it checks audience,
// issuer and times, and no signature.
func jwt() string {
	now := time.Now()
	claims := fmt.Sprintf(`{"aud":"https://storage.azure.com","iss":"https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/","nbf":%d,"iat":%d,"exp":%d}`,
		now.Add(-time.Minute).Unix(), now.Add(-time.Minute).Unix(), now.Add(time.Hour).Unix())
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + enc([]byte(claims)) + "." + enc([]byte("not looked at, but long enough to be searched for"))
}

// azure is a house before an Azurite that plays an account of Azure.
type azure struct {
	*house.House
	t *testing.T
	// addr is where Azurite listens.
	addr string
	// accountKey is the account's, clientSecret that of its Entra application.
	accountKey, clientSecret string
}

func newAzure(t *testing.T) *azure {
	t.Helper()
	key := random(64)
	accountKey, access := base64.StdEncoding.EncodeToString(key), jwt()
	addr := "127.0.0.1:" + freePort(t)
	var want *house.Canary
	h := house.New(t, house.Options{Empty: true, Mount: func(s *origin.Server) {
		leaf, err := s.Authority().Leaf(blobHost, nil)
		if err != nil {
			t.Fatal(err)
		}
		cert, certKey := pemFiles(t, leaf)
		_, port, _ := strings.Cut(addr, ":")
		serve(t, addr, []string{"AZURITE_ACCOUNTS=" + account + ":" + accountKey}, filepath.Join(cloudDir, "node_modules", ".bin", "azurite-blob"),
			"--blobHost", "127.0.0.1", "--blobPort", port, "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent",
			"--oauth", "basic", "--cert", cert, "--key", certKey)
		if err := s.Handle(loginHost, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.FormValue("client_secret") != want.Value() || r.FormValue("scope") != "https://storage.azure.com/.default" {
				http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":3599,"access_token":%q}`, access)
		})); err != nil {
			t.Fatal(err)
		}
	}, Configure: func(c *config.Config) { c.Upstream.Resolve[blobHost+":443"] = addr }})
	want = h.Secret("s~8")
	h.Watch.Add(house.CanaryOf(accountKey))
	h.Watch.Add(house.CanaryOf(access))
	return &azure{h, t, addr, accountKey, want.Value()}
}

func random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// put makes a blob, or a container, by a worker's key.
func (a *azure) put(key, rawURL string, body []byte) {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), http.MethodPut, rawURL, bytes.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set("x-ms-blob-type", "BlockBlob")
	answer, err := a.HTTPClient(workerenv.Forward, key).Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusCreated {
		a.t.Fatalf("%s: %s, %s", rawURL, answer.Status, answer.Header.Get("x-ms-error-code"))
	}
}

// writer is the key of a worker that may write by an Entra application, whose
// fields they are.
func (a *azure) writer() (key string, fields map[string]string) {
	a.t.Helper()
	fields = map[string]string{"tenantId": "acme.onmicrosoft.com", "clientId": "00000000-1111-2222-3333-444444444444", "clientSecret": a.clientSecret}
	a.AddCredential(admin.NewCredential{Name: "entra", Provider: "azure_blob", Fields: fields, Patterns: []string{blobHost + "/*"}})
	return a.AddKey(admin.NewKey{Name: "writer", Scope: "write", Credentials: []string{"entra"}}).Key, fields
}

// sas is a SAS of the container models, to read and list.
func (a *azure) sas() string {
	a.t.Helper()
	out, err := run(a.t, nil, python(), filepath.Join(scriptDir, "blob.py"), "sas", account, a.accountKey, "models")
	if err != nil {
		a.t.Fatal(out)
	}
	out = strings.TrimSpace(out)
	values, err := url.ParseQuery(out)
	if err != nil {
		a.t.Fatal(err)
	}
	a.Watch.Add(house.CanaryOf(values.Get("sig")))
	return out
}

func python() string { return filepath.Join(cloudDir, "python", "bin", "python") }

// TestAzureClientsDownloadWithoutASecret: every way of giving the credential,
// every client, both modes: the bytes are those that were put there, and what
// the client printed holds no secret.
func TestAzureClientsDownloadWithoutASecret(t *testing.T) {
	h := newAzure(t)
	accountKey := h.accountKey

	// Put there by a worker whose key may write, by Entra and by account key.
	writer, entra := h.writer()
	h.AddCredential(admin.NewCredential{Name: "account", Provider: "azure_blob", Fields: map[string]string{"accountName": account, "accountKey": accountKey}})
	keyWriter := h.AddKey(admin.NewKey{Name: "keyWriter", Scope: "write", Credentials: []string{"account"}}).Key
	weights := random(1_500_000)
	h.put(writer, "https://"+blobHost+"/models?restype=container", nil)
	h.put(keyWriter, "https://"+blobHost+blobPath, weights)
	h.put(writer, "https://"+blobHost+"/models/second.bin", []byte("second"))

	sas := h.sas()
	h.AddCredential(admin.NewCredential{Name: "sas", Provider: "azure_blob", Fields: map[string]string{"sasToken": "?" + sas}})

	probeAzure(t, h.House, accountKey, sas, entra)

	for _, credential := range []string{"sas", "account", "entra"} {
		key := h.AddKey(admin.NewKey{Name: "w-" + credential, URLKey: true, Credentials: []string{credential}})
		for _, c := range []struct {
			name, file string
			command    []string
		}{
			{"curl", "curl.bin", []string{"curl", "-sS", "--fail-with-body", "-o", "FILE", "URL"}},
			{"azure-storage-blob", "python.bin", []string{python(), filepath.Join(scriptDir, "blob.py"), "get", "URL", "FILE"}},
			{"@azure/storage-blob", "node.bin", []string{"node", filepath.Join(scriptDir, "blob.cjs"), "URL", "FILE"}},
			{"azure-storage-blob lists", "", []string{python(), filepath.Join(scriptDir, "blob.py"), "list", "CONTAINER"}},
			{"azure-storage-blob lists containers", "", []string{python(), filepath.Join(scriptDir, "blob.py"), "containers", "ACCOUNT"}},
		} {
			if credential == "sas" && strings.Contains(c.name, "containers") {
				continue // it is for one container
			}
			for _, mode := range []workerenv.Mode{workerenv.Forward, workerenv.Reverse} {
				t.Run(fmt.Sprint(credential, "/", c.name, "/", mode), func(t *testing.T) {
					base := "https://" + blobHost
					var env []string
					if mode == workerenv.Reverse {
						base = strings.TrimSuffix(h.URLKeyURL(key.URLKey, base+"/"), "/")
					} else {
						env = environ(h.House, mode, key.Key)
					}
					file := filepath.Join(t.TempDir(), "out.bin")
					command := make([]string, len(c.command))
					for i, word := range c.command {
						command[i] = map[string]string{"URL": base + blobPath, "FILE": file, "CONTAINER": base + "/models", "ACCOUNT": base}[word]
						if command[i] == "" {
							command[i] = word
						}
					}
					out, err := run(t, env, command...)
					h.Watch.See("output of "+c.name, []byte(out))
					if err != nil {
						t.Fatalf("%v\n%s", err, out)
					}
					if strings.Contains(c.name, "containers") {
						if out != "models models\n" {
							t.Errorf("listed %q", out)
						}
						return
					}
					if c.file == "" {
						if !strings.Contains(out, "dir a/weights v1+2 100%.bin\n") || !strings.Contains(out, "second.bin\n") {
							t.Errorf("listed %q", out)
						}
						return
					}
					if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, weights) {
						t.Errorf("%d bytes of %d, %v", len(got), len(weights), err)
					}
				})
			}
		}
	}
}

// probeAzure looks at what is said of credentials, right and wrong ones.
func probeAzure(t *testing.T, h *house.House, accountKey, sas string, entra map[string]string) {
	t.Helper()
	wrongKey := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("another key ", 5)))
	wrongSecret := map[string]string{"tenantId": entra["tenantId"], "clientId": entra["clientId"], "clientSecret": "s~8-another"}
	for i, c := range []struct {
		fields  map[string]string
		pattern string
		status  string
		says    string
	}{
		{map[string]string{"sasToken": sas}, "/models/*", "valid", "models/*: may be read"},
		{map[string]string{"sasToken": sas}, blobPath, "valid", "may be read"},
		{map[string]string{"sasToken": sas}, "/*", "valid", "name yours"},
		{map[string]string{"sasToken": sas}, "/other/*", "invalid", "the emulator does not take the SAS token"},
		{map[string]string{"accountName": account, "accountKey": accountKey}, "/*", "valid", "Azure takes the account key"},
		{map[string]string{"accountName": account, "accountKey": accountKey}, "/models/*", "valid", "may be read"},
		{map[string]string{"accountName": account, "accountKey": wrongKey}, "/*", "invalid", "does not take the account key"},
		{entra, "/models/*", "valid", "Azure takes the identity"},
		{wrongSecret, "/models/*", "invalid", "gave no token: status 401"},
	} {
		got := h.AddCredential(admin.NewCredential{Name: fmt.Sprint("probe", i), Provider: "azure_blob", Fields: c.fields, Patterns: []string{blobHost + c.pattern}})
		if words := fmt.Sprintf("%+v", got.Report); got.Status != c.status || !strings.Contains(words, c.says) {
			t.Errorf("%d: %s, want %s and %q: %s", i, got.Status, c.status, c.says, words)
		}
	}
}
