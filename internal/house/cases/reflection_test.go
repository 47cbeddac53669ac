package cases

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/house/registry"
	"github.com/weighbridge/weighbridge/internal/workerenv"
	"github.com/weighbridge/weighbridge/signer"
)

// mirrors are hosts that send back what they are sent, each with a credential
// of another kind, and one without.
var mirrors = map[string]string{
	"http_bearer": "echo-bearer.example.com", "http_basic": "echo-basic.example.com", "http_api_key": "echo-key.example.com", "": "echo-bare.example.com",
}

func mirrorHouse(t *testing.T) (*house.House, string, map[string]*house.Canary) {
	t.Helper()
	handlers := map[string]http.Handler{}
	for _, host := range mirrors {
		handlers[host] = registry.Echo()
	}
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, handlers), Configure: func(c *config.Config) { c.Unmatched.Reverse = auth.UnmatchedPass }})
	secrets := map[string]*house.Canary{"http_bearer": bearer(h, "http_bearer", mirrors["http_bearer"]+"/*"), "http_basic": h.Secret("pass_"), "http_api_key": h.Secret("key_")}
	h.AddCredential(admin.NewCredential{Name: "http_basic", Provider: "http_basic",
		Fields: map[string]string{"username": "somebody", "password": secrets["http_basic"].Value()}, Patterns: []string{mirrors["http_basic"] + "/*"}})
	h.AddCredential(admin.NewCredential{Name: "http_api_key", Provider: "http_api_key",
		Fields: map[string]string{"headerName": "X-Api-Key", "headerValue": secrets["http_api_key"].Value()}, Patterns: []string{mirrors["http_api_key"] + "/*"}})
	key := h.AddKey(admin.NewKey{Name: "w", Scope: "write", Credentials: []string{"http_bearer", "http_basic", "http_api_key"}}).Key
	return h, key, secrets
}

// TestT51_ReflectedSecretsAreMaskedWhateverTheWay: every way of reflecting,
// every kind of credential, both modes. That no form of a secret is in any
// answer is asserted when the house closes; here, that there was something to
// mask, and that the text around it is whole.
func TestT51_ReflectedSecretsAreMaskedWhateverTheWay(t *testing.T) {
	t.Parallel()
	h, key, secrets := mirrorHouse(t)
	for _, mode := range modes {
		w := newWorker(t, h, mode, key)
		for provider, secret := range secrets {
			url := "https://" + mirrors[provider] + "/"
			for _, way := range []string{"json", "base64", "percent", "gzip", "pieces", "header", "trailer", "error"} {
				codings := []string{"gzip"}
				if way == "json" || way == "gzip" {
					codings = []string{"", "gzip", "identity", "br, zstd, gzip;q=0.5", "*"}
				}
				for _, coding := range codings {
					h.Server.Record.Reset()
					r := w.get(url+way, "Accept-Encoding", coding)
					rows := h.Server.Record.All()
					if len(rows) != 1 || secretIn(&rows[0], secret) == "" && provider != "http_basic" {
						t.Errorf("%s, %s, %s: the upstream did not get the secret", mode, provider, way)
					}
					if len(r.body) == 0 && way != "header" || r.header.Get("X-Weighbridge-Error") != "" {
						t.Errorf("%s, %s, %s, %q: %s", mode, provider, way, coding, r)
					}
				}
			}
			inRanges(t, w, url+"json")
		}
	}
}

// inRanges reads a masked text in ranges at every step: together they are the
// masked whole.
func inRanges(t *testing.T, w worker, url string) {
	t.Helper()
	whole := w.get(url)
	if whole.status != 200 {
		t.Fatal(whole)
	}
	for _, step := range []int{1 + len(whole.body)/7, 1 + len(whole.body)/2} {
		var all []byte
		for at := 0; at < len(whole.body); at += step {
			end := min(at+step, len(whole.body))
			r := w.get(url, "Range", fmt.Sprintf("bytes=%d-%d", at, end-1))
			if want := fmt.Sprintf("bytes %d-%d/%d", at, end-1, len(whole.body)); r.status != 206 || r.header.Get("Content-Range") != want {
				t.Errorf("%s: %s: %s", want, r, r.header.Get("Content-Range"))
			}
			all = append(all, r.body...)
		}
		if !bytes.Equal(all, whole.body) {
			t.Errorf("%s: the ranges do not make the whole: %q", url, all)
		}
	}
	beyond := w.get(url, "Range", fmt.Sprintf("bytes=%d-", len(whole.body)))
	if want := fmt.Sprintf("bytes */%d", len(whole.body)); beyond.status != 416 || beyond.header.Get("Content-Range") != want {
		t.Errorf("beyond the end: %s, %q", beyond, beyond.header.Get("Content-Range"))
	}
	// Several ranges may be answered with the whole (RFC 9110, section 14.2).
	if r := w.get(url, "Range", "bytes=0-9,20-29"); r.status == 200 && !bytes.Equal(r.body, whole.body) || r.status != 200 && r.status != 206 {
		t.Errorf("several ranges: %s", r)
	}
	if r := w.get(url, "Range", "bytes=-5"); r.status != 206 || !bytes.Equal(r.body, whole.body[len(whole.body)-5:]) {
		t.Errorf("the last bytes: %s", r)
	}
}

// TestT52_AnswersLeaveNothingBehind: the fields by which an upstream that was
// given a credential could bind, move or instruct a worker.
func TestT52_AnswersLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	h, key, _ := mirrorHouse(t)
	for _, mode := range modes {
		w := newWorker(t, h, mode, key)
		for provider, host := range mirrors {
			injected := provider != ""
			if !injected && mode == workerenv.Forward {
				continue // a blind tunnel: nobody but the worker sees it
			}
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				r := w.ask(method, "https://"+host+"/header", nil)
				if r.status != 200 || r.err != nil {
					t.Errorf("%s, %s: %s", mode, host, r)
				}
				for _, name := range []string{"Set-Cookie", "Authentication-Info", "Proxy-Authenticate", "Proxy-Authentication-Info", "Alt-Svc"} {
					gone := injected || name != "Authentication-Info"
					if got := r.header.Values(name); len(got) > 0 == gone {
						t.Errorf("%s, %s, %s: %s is %q", mode, host, method, name, got)
					}
				}
				for _, name := range []string{"X-Echo", "WWW-Authenticate"} {
					if r.header.Get(name) == "" {
						t.Errorf("%s, %s, %s: %s is lost", mode, host, method, name)
					}
				}
			}
		}
	}
}

// TestT52_AnUpstreamCannotSpeakForWeighbridge: our own fields come from us.
func TestT52_AnUpstreamCannotSpeakForWeighbridge(t *testing.T) {
	t.Parallel()
	forge := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Weighbridge-Error", "key_revoked")
		w.Header().Set("X-Weighbridge-Decision", "forged")
		w.Header().Set("Connection", "X-Named")
		w.Header().Set("X-Named", "hop by hop")
		w.Header().Set("Keep-Alive", "timeout=5")
		w.Header().Set("WWW-Authenticate", `Basic realm="models"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{guarded: forge})})
	bearer(h, "c", guarded+"/*")
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"c"}}).Key
	for _, mode := range modes {
		r := newWorker(t, h, mode, key).get("https://" + guarded + "/x")
		said := r.header.Get("X-Weighbridge-Decision")
		if r.status != 401 || r.code() != "" || !strings.Contains(said, `used credential "c"`) || strings.Contains(said, "forged") {
			t.Errorf("%s: %s, %q", mode, r, said)
		}
		if r.header.Get("X-Named") != "" || r.header.Get("Keep-Alive") != "" || r.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %v", mode, r.header)
		}
	}
}

// TestT54_PlaceholdersStayWhereTheyAre: in a body, a query, a cookie or a
// Referer a placeholder is a text like any other; only the place that the
// provider names gets the secret.
func TestT54_PlaceholdersStayWhereTheyAre(t *testing.T) {
	t.Parallel()
	h, key, secrets := mirrorHouse(t)
	const text = signer.PlaceholderToken
	for _, mode := range modes {
		w := newWorker(t, h, mode, key)
		for provider, secret := range secrets {
			host := mirrors[provider]
			h.Server.Record.Reset()
			r := w.ask(http.MethodPost, "https://"+host+"/body?token="+text, []byte(`{"token":"`+text+`"}`),
				"Authorization", authorization(mode, key), "X-Token", text, "Referer", "https://example.com/?t="+text)
			rows := h.Server.Record.All()
			if string(r.body) != `{"token":"`+text+`"}` || len(rows) != 1 || rows[0].Query != "token="+text || rows[0].Header.Get("X-Token") != text {
				t.Errorf("%s, %s: %s", mode, provider, r)
				continue
			}
			for name := range rows[0].Header {
				if where := secretIn(&origin.Request{Header: http.Header{name: rows[0].Header[name]}}, secret); where != "" && where != "Authorization" && where != "X-Api-Key" {
					t.Errorf("%s, %s: the secret is in %s", mode, provider, where)
				}
			}
		}
	}
}
