package cases

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/house"
)

const (
	googleHost = "us-docker.pkg.dev"
	googleBlob = "/v2/proj/models/llama/blobs/sha256:00"
	googleHop  = "/artifacts-downloads/namespaces/proj/repositories/models/downloads/AOtoken-with-the-power_in-it"
)

// artifactRegistry is Google's Artifact Registry as far as a blob goes: a token
// for user and password, a blob only for the token, and then a redirect to its
// own host, relative, where nothing but the path counts and anything beside it
// is a mistake.
func artifactRegistry(password string) http.Handler {
	pair := "Basic " + base64.StdEncoding.EncodeToString([]byte("_json_key:"+password))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		authorization := r.Header.Get("Authorization")
		switch {
		case r.URL.Path == "/v2/token" && authorization == pair:
			_, _ = fmt.Fprintf(w, `{"token":"for-%s","expires_in":300}`, r.URL.Query().Get("scope"))
		case strings.HasPrefix(r.URL.Path, "/v2/") && authorization != "Bearer for-repository:proj/models/llama:pull":
			w.Header().Set("WWW-Authenticate", `Bearer realm="https://`+googleHost+`/v2/token",service="`+googleHost+`"`)
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == googleBlob:
			w.Header().Set("Location", googleHop)
			w.WriteHeader(http.StatusFound)
		case r.URL.Path == googleHop && authorization == "" && r.Header.Get("Cookie") == "":
			_, _ = w.Write(bytes.Repeat([]byte("weights"), 1000))
		default:
			w.WriteHeader(http.StatusBadRequest)
		}
	})
}

// TestT12_GoogleRegistryDownloadsFollowBare: a blob of Artifact Registry comes
// by both forms of pattern in both modes, and the hop to which it is redirected
// gets nothing put on, and is for reading alone.
func TestT12_GoogleRegistryDownloadsFollowBare(t *testing.T) {
	t.Parallel()
	secret := house.NewCanary("key_")
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{googleHost: artifactRegistry(secret.Value())})})
	h.Watch.Add(secret)
	for name, pattern := range map[string]string{"host": googleHost + "/*", "repository": googleHost + "/v2/proj/models/*"} {
		h.AddCredential(admin.NewCredential{NoValidate: true, Name: name, Provider: "oci_registry", Patterns: []string{pattern},
			Fields: map[string]string{"username": "_json_key", "password": secret.Value()}})
		key := h.AddKey(admin.NewKey{Name: "w-" + name, Credentials: []string{name}}).Key
		for _, mode := range modes {
			h.Server.Record.Reset()
			w := newWorker(t, h, mode, key)
			if r := w.follow("https://" + googleHost + googleBlob); r.status != 200 || len(r.body) != 7000 {
				t.Errorf("%s, %s: %s", pattern, mode, r)
			}
			hops := 0
			for _, r := range h.Server.Record.On(googleHost) {
				if r.Path != googleHop {
					continue
				}
				if hops++; r.Authorization() != "" || secretIn(&r, secret) != "" {
					t.Errorf("%s, %s: the second hop carries %q", pattern, mode, r.Authorization())
				}
			}
			if hops != 1 {
				t.Errorf("%s, %s: %d requests for the download", pattern, mode, hops)
			}
			if r := w.ask(http.MethodPost, "https://"+googleHost+googleHop, []byte("x")); r.code() != "scope_forbidden" {
				t.Errorf("%s, %s, a POST of it: %s", pattern, mode, r)
			}
			if r := w.ask(http.MethodHead, "https://"+googleHost+googleHop, nil); r.status != 200 {
				t.Errorf("%s, %s, a HEAD of it: %s", pattern, mode, r)
			}
		}
	}
}
