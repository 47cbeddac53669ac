package cases

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
)

const entraHost = "login.microsoftonline.com"

// TestT12_TheSecretOfAnApplicationGoesToItsAuthorityOnly: the secret reaches
// the token endpoint, the token reaches the account, and neither the worker.
func TestT12_TheSecretOfAnApplicationGoesToItsAuthorityOnly(t *testing.T) {
	t.Parallel()
	var secret, access *house.Canary
	var exchanges atomic.Int64
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{
		entraHost: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			switch {
			case r.URL.Path == "/moved/oauth2/v2.0/token":
				http.Redirect(w, r, "https://"+azureHost+"/steal", http.StatusTemporaryRedirect)
			case r.FormValue("client_secret") != secret.Value() || r.FormValue("grant_type") != "client_credentials":
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = fmt.Fprintf(w, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret %s"}`, r.FormValue("client_secret"))
			default:
				exchanges.Add(1)
				_, _ = fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":3599,"access_token":%q}`, access.Value())
			}
		}),
		azureHost: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+access.Value() || r.Header.Get("X-Ms-Version") < "2017-11-09" {
				w.Header().Set("WWW-Authenticate", "Bearer authorization_uri=https://login.microsoftonline.com/t/oauth2/authorize resource_id=https://storage.azure.com")
				http.Error(w, "InvalidAuthenticationInfo", http.StatusUnauthorized)
				return
			}
			_, _ = fmt.Fprintf(w, "weights for %s", r.Header.Get("Authorization"))
		}),
	})})
	secret, access = h.Secret("s~8"), h.Secret("eyJ")
	add := func(name, tenant, value, pattern string) {
		h.AddCredential(admin.NewCredential{NoValidate: true, Name: name, Provider: "azure_blob", Patterns: []string{azureHost + pattern}, Fields: map[string]string{
			"tenantId": tenant, "clientId": "00000000-1111-2222-3333-444444444444", "clientSecret": value}})
	}
	add("good", "acme", secret.Value(), "/*")
	add("moved", "moved", secret.Value(), "/moved/*")
	add("wrong", "acme", h.Secret("old").Value(), "/wrong/*")
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"good", "moved", "wrong"}}).Key
	for _, mode := range modes {
		w := newWorker(t, h, mode, key)
		for range 3 {
			if r := w.get("https://" + azureHost + "/models/x"); r.status != 200 || !strings.HasPrefix(string(r.body), "weights for Bearer *") {
				t.Errorf("%s: %s", mode, r)
			}
		}
		for path, want := range map[string]string{"/moved/x": "login.microsoftonline.com gave no token: status 307", "/wrong/x": "gave no token: status 401, invalid_client (AADSTS7000215)"} {
			if r := w.get("https://" + azureHost + path); r.code() != "credential_unavailable" || !strings.Contains(string(r.body), want) {
				t.Errorf("%s, %s: %s", mode, path, r)
			}
		}
	}
	if n := exchanges.Load(); n != 1 {
		t.Errorf("%d exchanges", n)
	}
	for _, r := range h.Server.Record.On(azureHost) {
		if where := secretIn(&r, secret); where != "" {
			t.Errorf("the account got the application's secret in %s", where)
		}
	}
}

// TestT31_OurOwnRequestsPassTheGuardToo: a credential cannot make
// weighbridge speak to what a worker could not reach.
func TestT31_OurOwnRequestsPassTheGuardToo(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{Empty: true, Mount: func(s *origin.Server) {}, Configure: func(c *config.Config) { c.Upstream.Resolve[azureHost+":443"] = "127.0.0.1:1" }})
	for i, host := range []string{"169.254.169.254", "127.0.0.1", "[::1]:8443", "10.0.0.1"} {
		name := fmt.Sprint("c", i)
		h.AddCredential(admin.NewCredential{NoValidate: true, Name: name, Provider: "azure_blob", Patterns: []string{azureHost + "/" + name + "/*"}, Fields: map[string]string{
			"tenantId": "acme", "clientId": "00000000-1111-2222-3333-444444444444", "clientSecret": h.Secret("s~8").Value(), "authorityHost": host}})
		key := h.AddKey(admin.NewKey{Name: name, Credentials: []string{name}}).Key
		for _, mode := range modes {
			if r := newWorker(t, h, mode, key).get("https://" + azureHost + "/" + name + "/x"); r.code() != "credential_unavailable" || !strings.Contains(string(r.body), "could not be reached") {
				t.Errorf("%s, %s: %s", mode, host, r)
			}
		}
	}
}

// TestAzureCredentialsWithoutASecretOrWithAnAccountKey: they can be made, and
// what they are is said.
func TestAzureCredentialsWithoutASecretOrWithAnAccountKey(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{
		azureHost: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "weights") }),
	})})
	c := h.AddCredential(admin.NewCredential{NoValidate: true, Name: "machine", Provider: "azure_blob", Patterns: []string{azureHost + "/a/*"}, Fields: map[string]string{"source": "workload_identity"}})
	if c.Fields["source"] != "workload_identity" || len(c.Warnings) > 0 {
		t.Errorf("%+v", c)
	}
	accountKey := h.Secret("").Value() + h.Secret("").Value() + "123456789012=="
	if _, err := base64.StdEncoding.DecodeString(accountKey); err != nil {
		t.Fatal(err)
	}
	c = h.AddCredential(admin.NewCredential{Name: "account", Provider: "azure_blob", Fields: map[string]string{"accountName": "acme", "accountKey": accountKey}})
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "an account key can do everything") {
		t.Errorf("%q", c.Warnings)
	}
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"machine", "account"}}).Key
	for _, mode := range modes {
		w := newWorker(t, h, mode, key)
		if r := w.get("https://" + azureHost + "/a/x"); r.code() != "credential_unavailable" || !strings.Contains(string(r.body), "no workload identity") {
			t.Errorf("%s: %s", mode, r)
		}
		h.Server.Record.Reset()
		if r := w.get("https://" + azureHost + "/models/x"); r.status != 200 {
			t.Errorf("%s: %s", mode, r)
		}
		rows := h.Server.Record.On(azureHost)
		if len(rows) != 1 || !strings.HasPrefix(rows[0].Query, "sv=2022-11-02&spr=https&se=") || !strings.Contains(rows[0].Query, "&sr=b&sp=r&sig=") {
			t.Errorf("%s: %d requests", mode, len(rows))
		}
	}
}
