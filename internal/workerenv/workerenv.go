// Package workerenv says what a worker must export so that its clients go
// through weighbridge: which variables, for which mode, in the syntax of which
// shell. `weighbridge env` prints it and the client suite runs with it.
package workerenv

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// Mode is how a worker goes through weighbridge.
type Mode string

// The modes.
const (
	// Forward sets HTTPS_PROXY and its like, and the CA bundle.
	Forward Mode = "forward"
	// Reverse points clients that take an endpoint at weighbridge; no CA.
	Reverse Mode = "reverse"
)

// Var is one variable, and why it is set.
type Var struct {
	Name, Value, Why string
	// Secret variables hold the API key.
	Secret bool
}

// Options say where weighbridge is and who the worker is.
type Options struct {
	Mode Mode
	// ProxyURL is scheme://host:port of the proxy listener as the worker
	// reaches it; in reverse mode also with the path that it is below.
	ProxyURL string
	// Key is the worker's API key, or the token of its ServiceAccount (a JWT),
	// which stands for one.
	Key auth.Secret
	// NoKey is for workers whose listener implies the key (default_key): a
	// sidecar's. Key is not looked at then.
	NoKey bool
	// URLKey, where it is set, is what reverse mode shows in place of Key, in the
	// endpoint itself: for clients that send no token, such as ComfyUI-Manager.
	// It reads and nothing else.
	URLKey auth.Secret
	// Direct names more hosts that are never sent through the proxy, beside
	// the worker's own.
	Direct []string
	// Bundle is the path, on the worker, of public roots and ours.
	Bundle string
	// Placeholder stands for a Hub token where a client refuses to start
	// without one; weighbridge never sends it on.
	Placeholder string
}

// caVariables replace (or, NODE_EXTRA_CA_CERTS, extend) the trust store of a
// family of clients, so each names the bundle of public roots and ours.
var caVariables = [...]struct{ name, why string }{
	{"SSL_CERT_FILE", "OpenSSL, Go, Rust, httpx, urllib, hf_xet"},
	{"REQUESTS_CA_BUNDLE", "Python requests"},
	{"CURL_CA_BUNDLE", "curl, and requests where REQUESTS_CA_BUNDLE is not set"},
	{"GIT_SSL_CAINFO", "git and git-lfs"},
	{"AWS_CA_BUNDLE", "boto3 and the aws CLI"},
	{"NODE_EXTRA_CA_CERTS", "Node.js"},
	{"PIP_CERT", "pip"},
}

// direct are never sent through the proxy: a worker's own services.
const direct = "localhost,127.0.0.1,::1"

// Variables lists what the worker must export.
func Variables(o Options) ([]Var, error) {
	u, err := proxyURL(o.ProxyURL)
	if err != nil {
		return nil, err
	}
	if _, ok := auth.HashAPIKey(o.Key.Reveal()); !ok && !o.NoKey && !auth.IsJWT(o.Key.Reveal()) {
		return nil, fmt.Errorf("that is not an API key: it begins with %s and is shown by `weighbridge key create`", auth.KeyPrefix)
	}
	switch o.Mode {
	case Forward:
		return forward(u, o), nil
	case Reverse:
		return reverse(u, o), nil
	default:
		return nil, fmt.Errorf("mode %q: choose forward or reverse", o.Mode)
	}
}

// Warnings says, a line each, what Variables cannot do for a worker: for which
// clients no variable helps, and what does.
func Warnings(o Options) []string {
	if o.Mode != Forward || !strings.HasPrefix(o.ProxyURL, "https:") {
		return nil
	}
	bundle := o.Bundle
	if bundle == "" {
		bundle = "FILE"
	}
	return []string{
		fmt.Sprintf("curl takes no variable for the certificate of a proxy: give it --proxy-cacert '%s', or write proxy-cacert = \"%s\" into ~/.curlrc", bundle, bundle),
		"wget, aria2, and Python's urllib and aiohttp speak no TLS to a proxy (aiohttp passes it by): use `weighbridge env --mode reverse` for them, which the same listener serves",
	}
}

// proxyURL reads the URL of the proxy listener.
func proxyURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%q is not the URL of a proxy: give scheme://host:port", text)
	}
	return u, nil
}

func forward(u *url.URL, o Options) []Var {
	p := url.URL{Scheme: u.Scheme, Host: u.Host}
	if u.Port() == "" {
		// Left out, curl takes 1080 for a plain proxy and others 80.
		p.Host = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	every := "every client"
	if !o.NoKey {
		p.User = url.UserPassword("weighbridge", o.Key.Reveal())
		every = "every client; the API key is the password"
	}
	proxy, keyed, direct := p.String(), !o.NoKey, strings.Join(append([]string{direct}, o.Direct...), ",")
	vars := []Var{
		{"HTTPS_PROXY", proxy, every, keyed},
		{"https_proxy", proxy, "wget and aria2 read lower case only", keyed},
		{"HTTP_PROXY", proxy, "", keyed},
		{"http_proxy", proxy, "curl reads lower case only", keyed},
		{"NO_PROXY", direct, "the worker's own services", false},
		{"no_proxy", direct, "", false},
		// Node reads none of these by itself (nodejs.org, "Enterprise network
		// configuration"); versions before 22.21 do not know this one.
		{"NODE_USE_ENV_PROXY", "1", "Node.js 22.21, 24 and later: fetch goes through the proxy", false},
	}
	if o.Bundle != "" {
		for _, c := range caVariables {
			vars = append(vars, Var{c.name, o.Bundle, c.why, false})
		}
		if u.Scheme == "https" {
			vars = append(vars, Var{"GIT_PROXY_SSL_CAINFO", o.Bundle, "git, for the proxy's own certificate", false})
		}
	}
	if o.Placeholder != "" {
		vars = append(vars, placeholder(o.Placeholder))
	}
	return vars
}

func placeholder(token string) Var {
	return Var{"HF_TOKEN", token, "a placeholder, for clients that refuse to start without a token; never sent on", false}
}

func reverse(u *url.URL, o Options) []Var {
	token := o.Key.Reveal()
	if !auth.IsJWT(token) {
		token = auth.KeyAliasPrefix + strings.TrimPrefix(strings.TrimPrefix(token, auth.KeyPrefix), auth.KeyAliasPrefix)
	}
	// What is in front of the listener may have it below a path (public_url).
	base := u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/")
	if key := o.URLKey.Reveal(); key != "" {
		return append([]Var{{"HF_ENDPOINT", base + "/.weighbridge/k/" + key + "/huggingface.co", "holds a URL key, for clients that send no token", true}}, bundled(u, o)...)
	}
	vars := []Var{
		{"HF_ENDPOINT", base + "/huggingface.co", "huggingface_hub, transformers, diffusers, hf, ComfyUI-Manager", false},
	}
	switch {
	case !o.NoKey:
		vars = append(vars, Var{"HF_TOKEN", token, "the API key, in the form that Hub clients insist on", true})
	case o.Placeholder != "":
		vars = append(vars, placeholder(o.Placeholder))
	}
	return append(vars, bundled(u, o)...)
}

// bundled names the bundle where the listener has TLS: reverse mode needs it
// for nothing else.
func bundled(u *url.URL, o Options) (vars []Var) {
	if u.Scheme == "https" && o.Bundle != "" {
		for _, c := range caVariables {
			vars = append(vars, Var{c.name, o.Bundle, c.why, false})
		}
	}
	return vars
}
