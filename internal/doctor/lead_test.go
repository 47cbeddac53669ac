package doctor_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/doctor"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/trial"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

func somebodyElse(t testing.TB) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	t.Cleanup(s.Close)
	return s.URL
}

// An endpoint that is the Hub itself is as good as none; one that is somebody
// else is not mended by a path behind it.
func endpointsOfOthers(t *testing.T, h *house.House, key admin.Key) {
	for _, itself := range []string{"https://huggingface.co", "https://huggingface.co/", "https://hf.co"} {
		w := newWorker(t, h, key)
		w.write(w.store, mustRead(t, h.CABundle()))
		w.env["HF_ENDPOINT"] = itself
		healthy(t, w.examine(gatedURL))
	}
	other := somebodyElse(t)
	w := newWorker(t, h, key)
	w.env["HF_ENDPOINT"] = other
	if f := expect(t, w.examine(gatedURL), doctor.Fault, "endpoint_other", "HF_ENDPOINT"); f.Fix != "unset HF_ENDPOINT" {
		t.Error(f.Fix)
	}
	w.env = map[string]string{"HF_ENDPOINT": other}
	if f := expect(t, w.examine(gatedURL), doctor.Fault, "endpoint_other", "HF_ENDPOINT"); f.Fix != "export HF_ENDPOINT=http://PROXY:8080/huggingface.co" {
		t.Error(f.Fix)
	}
}

// A proxy for everything else beside an endpoint at weighbridge is how that
// worker is meant to be, as long as the endpoint is not asked for through it.
func anotherProxy(t *testing.T, h *house.House, key admin.Key) {
	other := somebodyElse(t)
	w := reverseOnly(t, h, key)
	w.env["HTTPS_PROXY"], w.env["https_proxy"] = other, other
	w.env["NO_PROXY"], w.env["no_proxy"] = "localhost,127.0.0.1", "localhost,127.0.0.1"
	r := w.examine(gatedURL)
	expect(t, r, doctor.Warning, "proxy_other", other)
	expect(t, r, doctor.Fine, "download", gatedURL)
	if r.Proxy != h.Bridge.ProxyURL() {
		t.Error(r.Proxy)
	}
	if way, err := w.lead(); err != nil || way.Mode != workerenv.Reverse {
		t.Errorf("preflight would ask by %s, %v", way.Mode, err)
	}
	w.env["http_proxy"] = other
	w.env["NO_PROXY"], w.env["no_proxy"] = "localhost", "localhost"
	if f := expect(t, w.examine(gatedURL), doctor.Warning, "endpoint_proxied", "NO_PROXY"); f.Fix != `export NO_PROXY="127.0.0.1${NO_PROXY:+,$NO_PROXY}"; export no_proxy="$NO_PROXY"` {
		t.Error(f.Fix)
	}

	// Both modes at once, and nothing that keeps the one out of the other.
	w = newWorker(t, h, key)
	for _, v := range h.WorkerEnv(workerenv.Reverse, key.Key) {
		w.env[v.Name] = v.Value
	}
	w.env["NO_PROXY"], w.env["no_proxy"] = "localhost", "localhost"
	expect(t, w.examine(gatedURL), doctor.Fault, "endpoint_proxied", "NO_PROXY")
	resp, err := h.HTTPClient(workerenv.Forward, key.Key).Get(h.ReverseURL(gatedURL))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if got := resp.Header.Get("X-Weighbridge-Error"); got != string(auth.CodeAddressForbidden) {
		t.Errorf("weighbridge, asked for itself, says %q", got)
	}
}

// The key is where huggingface_hub has it from, and nowhere else.
func hubTokens(t *testing.T, h *house.House, key admin.Key) {
	keep := func(w *worker, token string) {
		w.env["HOME"] = t.TempDir()
		file := filepath.Join(w.env["HOME"], ".cache", "huggingface", "token")
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		w.write(file, []byte(token+"\n"))
	}
	w := reverseOnly(t, h, key)
	delete(w.env, "HF_TOKEN")
	expect(t, w.examine(gatedURL), doctor.Fault, "key_missing", "reverse")
	keep(w, key.Key)
	healthy(t, w.examine(gatedURL))
	keep(w, "hf_"+strings.Repeat("b", 34))
	if f := expect(t, w.examine(gatedURL), doctor.Fault, "key_malformed", "hf auth"); !strings.HasPrefix(f.Fix, "export HF_TOKEN=") {
		t.Error(f.Fix)
	}
	forward := newWorker(t, h, key)
	forward.env["HF_TOKEN"] = ""
	keep(forward, "hf_"+strings.Repeat("b", 34))
	if f := expect(t, forward.examine(gatedURL), doctor.Warning, "token_on_worker", "hf auth"); f.Fix != "hf auth logout" {
		t.Error(f.Fix)
	}

	w = reverseOnly(t, h, key)
	w.env["HF_TOKEN"] = key.Key + "\n"
	if r := w.examine(gatedURL); !r.OK {
		t.Errorf("huggingface_hub takes white space off:\n%s", list(r))
	}
	w.env["HF_HUB_DISABLE_IMPLICIT_TOKEN"] = "1"
	expect(t, w.examine(gatedURL), doctor.Fault, "token_withheld", "")
	// The first that is set counts, also where it is the placeholder.
	w = reverseOnly(t, h, key)
	w.env["HF_TOKEN"], w.env["HUGGING_FACE_HUB_TOKEN"] = "hf_weighbridgePlaceholderNotASecret00", key.Key
	expect(t, w.examine(gatedURL), doctor.Fault, "key_missing", "reverse")
	// What stands in place of the key is said once, with one line.
	w = reverseOnly(t, h, key)
	w.env["HF_TOKEN"] = "hf_" + strings.Repeat("b", 34)
	r := w.examine(gatedURL)
	expect(t, r, doctor.Fault, "key_malformed", "HF_TOKEN")
	for _, f := range r.Findings {
		if f.Check == "token_on_worker" {
			t.Errorf("and also: %s", f.Fix)
		}
	}
}

// The lines are for the mode that they mend, and hold what is known of the
// listener and nothing of a key, wherever that stands.
func linesOfAMode(t *testing.T, h *house.House, key admin.Key) {
	host := strings.TrimPrefix(h.Bridge.ProxyURL(), "http://")
	w := reverseOnly(t, h, key)
	w.env["HF_ENDPOINT"] = "https://" + host + "/huggingface.co"
	if f := expect(t, w.examine(gatedURL), doctor.Fault, "proxy_scheme", "https://"+host); f.Fix != "export HF_ENDPOINT='http://"+host+"/huggingface.co'" {
		t.Error(f.Fix)
	}
	w.env["HF_ENDPOINT"] = h.Bridge.ProxyURL() + "/" + key.Key + "/huggingface.co"
	if f := expect(t, w.examine(gatedURL), doctor.Fault, "endpoint_malformed", "HF_ENDPOINT"); !strings.HasPrefix(f.Fix, "export HF_ENDPOINT='"+h.Bridge.ProxyURL()+"/.weighbridge/k/URL-KEY/huggingface.co'") {
		t.Error(f.Fix)
	}
	w = newWorker(t, h, key)
	for value, want := range map[string]string{
		"http://" + key.Key + ":8080":                            `export HTTPS_PROXY="http://weighbridge:$WEIGHBRIDGE_KEY@PROXY:8080"`,
		"weighbridge:" + key.Key + "@" + host:                    `export HTTPS_PROXY="http://weighbridge:$WEIGHBRIDGE_KEY@` + host + `"`,
		`"https://weighbridge:` + key.Key + `@gw.example:8443" `: `export HTTPS_PROXY="https://weighbridge:$WEIGHBRIDGE_KEY@gw.example:8443"`,
	} {
		w.env["HTTPS_PROXY"], w.env["https_proxy"] = value, value
		if f := expect(t, w.examine(gatedURL), doctor.Fault, "proxy_malformed", "HTTPS_PROXY"); !strings.HasPrefix(f.Fix, want) {
			t.Error(f.Fix)
		}
	}
	// Of https clients agree on the port.
	value := "https://weighbridge:" + key.Key + "@gw.invalid"
	w.env["HTTPS_PROXY"], w.env["https_proxy"] = value, value
	if f := expect(t, w.examine(gatedURL), doctor.Fault, "proxy_unreachable", "https://gw.invalid:443"); !strings.HasPrefix(f.Fix, "curl -sS --noproxy '*' 'https://gw.invalid:443/") {
		t.Error(f.Fix)
	}
	// A proxy by the flag, and the key that the environment has.
	w = newWorker(t, h, key)
	w.options.Proxy = h.Bridge.ProxyURL()
	w.env["HTTPS_PROXY"], w.env["https_proxy"] = strings.Replace(h.ForwardURL(key.Key), host, "gw.invalid:8080", 1), ""
	expect(t, w.examine(gatedURL), doctor.Fine, "download", gatedURL)
	// URLs without TLS go by another variable.
	w = newWorker(t, h, key)
	w.env["HTTP_PROXY"], w.env["http_proxy"] = "", ""
	expect(t, w.examine("http://models.example.org/x.bin"), doctor.Fault, "proxy_missing", "http_proxy")
}

// What is in front of weighbridge may have it below a path, which public_url
// says; a worker that calls it by another name is sent away from its key.
func TestBelowAPath(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{Configure: func(c *config.Config) { c.Routes = map[string]string{"models": "https://huggingface.co"} }})
	key := h.HubWorker("hub", "huggingface.co/*", "hf.co/*")
	routed := reverseOnly(t, h, key)
	routed.env["HF_ENDPOINT"] = h.Bridge.ProxyURL() + "/models/"
	healthy(t, routed.examine(gatedURL))
	routed.env["HF_ENDPOINT"] = h.Bridge.ProxyURL() + "/model"
	if f := expect(t, routed.examine(gatedURL), doctor.Fault, "bad_target", gatedURL); !strings.Contains(f.Fix, "/huggingface.co") {
		t.Error(f.Fix)
	}
	front := httptest.NewServer(http.StripPrefix("/wb", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(mustURL(t, h.Bridge.ProxyURL()))
	}}))
	defer front.Close()
	if _, err := h.Reload(func(c *config.Config) { c.PublicURL = front.URL + "/wb" }); err != nil {
		t.Fatal(err)
	}
	w := reverseOnly(t, h, key)
	w.env["HF_ENDPOINT"] = front.URL + "/wb/huggingface.co"
	healthy(t, w.examine(gatedURL))
	w.env["HF_ENDPOINT"] = front.URL + "/wb/.weighbridge/k/" + key.URLKey + "/huggingface.co"
	delete(w.env, "HF_TOKEN")
	healthy(t, w.examine(gatedURL))

	// hf.co redirects to the Hub's whole URL, and so to weighbridge's own name.
	absoluteURL := strings.Replace(gatedURL, "huggingface.co", "hf.co", 1)
	w = reverseOnly(t, h, key)
	f := expect(t, w.examine(absoluteURL), doctor.Fault, trial.OtherName, absoluteURL)
	if !strings.Contains(f.Detail, front.URL) || !strings.Contains(f.Fix, "public_url") {
		t.Errorf("%s\n\t%s", f.Detail, f.Fix)
	}
}
