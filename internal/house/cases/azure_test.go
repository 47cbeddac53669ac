package cases

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

const (
	azureHost = "acme.blob.core.windows.net"
	// azureSig has every character by which spellings of base64 differ.
	azureSig     = "Q2FuYXJ5+2FuYXJ5/2FuYXJ5+UNhbmFyeUNhbmFyeTE="
	azureSASHead = "sv=2022-11-02&sr=c&sp=r&se=2099-01-01T00%3A00%3A00Z&spr=https"
)

// azureMirror is a storage account that verifies, and tells what it got in the
// ways of Azure's answers and in worse ones.
func azureMirror(sas string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		own, _ := strings.CutSuffix(r.URL.RawQuery, sas)
		sig := r.URL.Query()["sig"]
		decoded := ""
		if len(sig) > 0 {
			decoded = sig[0]
		}
		way := strings.TrimPrefix(r.URL.Path, "/models/")
		switch {
		case !strings.HasSuffix(r.URL.RawQuery, sas) || len(sig) != 1 || r.Header.Get("Authorization") != "":
			w.Header().Set("X-Ms-Error-Code", "AuthenticationFailed")
			w.WriteHeader(http.StatusForbidden)
		case way == "xml":
			w.Header().Set("Content-Type", "application/xml")
			w.Header().Set("X-Ms-Error-Code", "AuthenticationFailed")
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprintf(w, "<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed</Code><Message>Server failed.</Message>"+
				"<AuthenticationErrorDetail>Signature %s did not match. %s %s %s %s</AuthenticationErrorDetail></Error>",
				decoded, html.EscapeString(r.URL.RawQuery), html.EscapeString(decoded), url.QueryEscape(r.URL.RawQuery), strings.ToLower(url.QueryEscape(decoded)))
		case way == "json":
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"url":%q,"sig":%q,"escaped":"%s"}`, r.URL.String(), decoded, strings.ReplaceAll(strings.ReplaceAll(r.URL.RawQuery, "&", `\u0026`), "/", `\/`))
		case way == "fields":
			w.Header().Set("X-Ms-Copy-Source", "https://"+azureHost+r.URL.String())
			w.Header().Set("X-Ms-Meta-Sig", decoded)
			w.Header().Set("X-Ms-Meta-Twice", url.QueryEscape(url.QueryEscape(decoded)))
			w.Header().Set("Link", "<"+r.URL.String()+">; rel=next")
		case strings.HasPrefix(way, "to-"):
			to := map[string]string{"to-path": "/models/blob", "to-host": "https://" + azureHost + "/models/blob", "to-other": "https://other.example.com/blob"}[way]
			w.Header().Set("Location", to+"?"+r.URL.RawQuery)
			w.WriteHeader(http.StatusTemporaryRedirect)
		default:
			_, _ = fmt.Fprintf(w, "weights, asked with %q", own)
		}
	})
}

// TestT10_AzureSASNeverReachesTheWorker: it arrives at the account exactly
// once, and in no answer in any spelling; a redirect within the account works.
func TestT10_AzureSASNeverReachesTheWorker(t *testing.T) {
	t.Parallel()
	sas := azureSASHead + "&sig=" + url.QueryEscape(azureSig)
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{
		azureHost: azureMirror(sas), "other.example.com": http.NotFoundHandler(),
	})})
	secret := house.CanaryOf(azureSig)
	h.Watch.Add(secret)
	c := h.AddCredential(admin.NewCredential{Name: "azure", Provider: "azure_blob", Fields: map[string]string{"sasToken": "?" + azureSASHead + "&sig=" + azureSig + "\n"}})
	if c.ExpiresAt == nil || c.ExpiresAt.Year() != 2099 || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "every storage account") || !strings.Contains(strings.Join(c.Facts, ";"), "permissions: read") {
		t.Errorf("the credential is shown as %+v", c)
	}
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"azure"}}).Key
	for _, mode := range modes {
		w := newWorker(t, h, mode, key)
		const base = "https://" + azureHost + "/models/"
		for query, want := range map[string]string{"": "", "?sig=x&comp=list&restype=container&SR=b": "comp=list&restype=container&", "?snapshot=2026-01-01T00:00:00.0000000Z": "snapshot=2026-01-01T00:00:00.0000000Z&"} {
			if r := w.get(base + "blob" + query); r.status != 200 || string(r.body) != fmt.Sprintf("weights, asked with %q", want) {
				t.Errorf("%s, %q: %s", mode, query, r)
			}
		}
		for _, way := range []string{"xml", "json", "fields"} {
			r := w.get(base + way)
			text := string(r.body) + fmt.Sprint(r.header)
			if len(r.body) == 0 && way != "fields" || r.code() != "" || strings.Contains(text, "2FuYXJ5/") {
				t.Errorf("%s, %s: %s", mode, way, text)
			}
			if way == "xml" && (r.status != 403 || !strings.Contains(text, "<Code>AuthenticationFailed</Code><Message>Server failed.</Message>") || !strings.Contains(r.header.Get("X-Weighbridge-Decision"), `"azure"`)) {
				t.Errorf("%s: what the account says is lost: %s", mode, text)
			}
		}
		for _, way := range []string{"to-path", "to-host", "to-other"} {
			r := w.get(base + way)
			location := r.header.Get("Location")
			if r.status != 307 || way != "to-other" && (strings.Contains(location, "?") || !strings.HasSuffix(location, "/models/blob")) {
				t.Errorf("%s, %s: %s to %s", mode, way, r, location)
			}
			if way == "to-other" {
				continue
			}
			if r := w.follow(base + way); r.status != 200 || string(r.body) != `weights, asked with ""` {
				t.Errorf("%s, %s followed: %s", mode, way, r)
			}
		}
		// Another's complete signature is none of ours: nothing is put on.
		if r := w.get(base + "blob?sv=1&se=2099-01-01&sig=foreign"); r.status != 403 || r.code() != "" {
			t.Errorf("%s, signed by another: %s", mode, r)
		}
		// Settings and keys of the account are refused, whatever the scope.
		if r := w.ask(http.MethodPost, "https://"+azureHost+"/?restype=service&comp=userdelegationkey", []byte("x")); r.status != 403 || r.code() != "scope_forbidden" {
			t.Errorf("%s, a delegation key: %s", mode, r)
		}
	}
}

// TestT08_ASASOfOursThatNamesItsUserKeepsTheWorkersBearer: the only credential
// beside which the worker's own token travels, and never a key of ours.
func TestT08_ASASOfOursThatNamesItsUserKeepsTheWorkersBearer(t *testing.T) {
	t.Parallel()
	seen := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, "ok") })
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{azureHost: seen, "plain.blob.core.windows.net": seen})})
	h.Watch.Add(house.CanaryOf(azureSig))
	sig := "&sig=" + url.QueryEscape(azureSig)
	for name, c := range map[string]struct{ host, sas string }{
		"bound": {azureHost, "sv=2025-07-05&sr=c&sp=r&se=2099-01-01&skoid=o&sktid=t&skt=2026-01-01&ske=2099-01-01&sks=b&skv=2025-07-05&sduoid=u" + sig},
		"plain": {"plain.blob.core.windows.net", azureSASHead + sig},
	} {
		h.AddCredential(admin.NewCredential{Name: name, Provider: "azure_blob", Fields: map[string]string{"sasToken": c.sas}, Patterns: []string{c.host + "/*"}})
	}
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"bound", "plain"}}).Key
	for _, c := range []struct {
		mode            workerenv.Mode
		host, own, want string
	}{
		{workerenv.Forward, azureHost, "Bearer the-users", "Bearer the-users"},
		{workerenv.Forward, azureHost, "Basic dTpw", ""},
		{workerenv.Forward, azureHost, "Bearer " + key, ""},
		{workerenv.Forward, "plain.blob.core.windows.net", "Bearer the-users", ""},
		{workerenv.Reverse, azureHost, "Bearer " + key, ""},
	} {
		h.Server.Record.Reset()
		r := newWorker(t, h, c.mode, key).get("https://"+c.host+"/models/x", "Authorization", c.own)
		rows := h.Server.Record.On(c.host)
		if r.status != 200 || len(rows) != 1 || rows[0].Authorization() != c.want || !strings.HasSuffix(rows[0].Query, sig) {
			t.Errorf("%s, %s, %q: %s; %d requests", c.mode, c.host, c.own, r, len(rows))
		}
	}
}

// 89: Azure words the want of a credential as a conflict; the answer says that
// nothing was put on.
func TestAzureConflictSaysThatNothingWasPutOn(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{
		Empty: true, Configure: func(c *config.Config) { c.Unmatched.Reverse = auth.UnmatchedPass },
		Mount: mount(t, map[string]http.Handler{azureHost: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Ms-Error-Code", "PublicAccessNotPermitted")
			w.WriteHeader(http.StatusConflict)
		})}),
	})
	key := h.AddKey(admin.NewKey{Name: "w"}).Key
	r := newWorker(t, h, workerenv.Reverse, key).get("https://" + azureHost + "/models/blob")
	if said := r.header.Get("X-Weighbridge-Decision"); r.status != 409 || !strings.HasPrefix(said, "nothing was put on the request: no credential") {
		t.Errorf("%s: %q", r, said)
	}
}
