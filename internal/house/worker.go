package house

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/workerenv"
	"github.com/weighbridge/weighbridge/signer"
)

// ForwardURL is what HTTPS_PROXY is set to: the listener with the key.
func (h *House) ForwardURL(key string) string {
	return strings.Replace(h.Bridge.ProxyURL(), "://", "://weighbridge:"+url.PathEscape(key)+"@", 1)
}

// ReverseURL is where weighbridge serves an https URL in reverse mode.
func (h *House) ReverseURL(rawURL string) string {
	return h.Bridge.ProxyURL() + "/" + strings.TrimPrefix(rawURL, "https://")
}

// URLKeyURL is where weighbridge serves an https URL to a client that has
// nothing but the URL.
func (h *House) URLKeyURL(urlKey, rawURL string) string {
	return h.Bridge.ProxyURL() + "/.weighbridge/k/" + urlKey + "/" + strings.TrimPrefix(rawURL, "https://")
}

// CABundle is the path of the bundle that weighbridge exports.
func (h *House) CABundle() string { return filepath.Join(h.DataDir, "ca-bundle.pem") }

// WorkerEnv is what `weighbridge env` prints for a worker with this key.
func (h *House) WorkerEnv(mode workerenv.Mode, key string) []workerenv.Var {
	h.t.Helper()
	vars, err := workerenv.Variables(workerenv.Options{
		Mode: mode, ProxyURL: h.Bridge.ProxyURL(), Key: auth.NewSecret(key), Bundle: h.CABundle(), Placeholder: signer.PlaceholderToken,
	})
	h.must(err)
	return vars
}

// HTTPClient is a worker's client. It takes https URLs of the upstreams: in
// forward mode it trusts the bundle and goes through the proxy, in reverse
// mode it asks weighbridge for them. It follows no redirect, and everything
// that it receives is searched.
func (h *House) HTTPClient(mode workerenv.Mode, key string) *http.Client {
	h.t.Helper()
	base := &http.Transport{DisableCompression: true}
	next := http.RoundTripper(base)
	if mode == workerenv.Forward {
		proxy, err := url.Parse(h.ForwardURL(key))
		h.must(err)
		base.Proxy = http.ProxyURL(proxy)
		base.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: h.Roots()}
	} else {
		next = reverse{h, key, base}
	}
	h.idle = append(h.idle, base.CloseIdleConnections)
	return &http.Client{
		Transport:     h.Watch.Transport(next),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Roots is what CABundle holds: the root of the fakes, which plays the public
// ones, and ours.
func (h *House) Roots() *x509.CertPool {
	h.t.Helper()
	pem, err := os.ReadFile(h.CABundle())
	h.must(err)
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		h.t.Fatalf("%s holds no certificate", h.CABundle())
	}
	return pool
}

// reverse asks weighbridge for an upstream's URL, with the key as the bearer
// token unless the request carries it in another way.
type reverse struct {
	house *House
	key   string
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (v reverse) RoundTrip(r *http.Request) (*http.Response, error) {
	out := r.Clone(r.Context())
	if r.URL.Scheme == "https" {
		to, err := url.Parse(v.house.ReverseURL(r.URL.String()))
		if err != nil {
			return nil, err
		}
		out.URL, out.Host = to, ""
	}
	if v.key != "" && out.Header.Get("Authorization") == "" && out.Header.Get("X-Weighbridge-Key") == "" {
		out.Header.Set("Authorization", "Bearer "+v.key)
	}
	return v.next.RoundTrip(out)
}
