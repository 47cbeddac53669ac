package doctor

import (
	"net"
	"net/url"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

func environ(lines []string) map[string]string {
	env := map[string]string{}
	for _, l := range lines {
		if name, value, ok := strings.Cut(l, "="); ok {
			env[name] = value
		}
	}
	return env
}

// first is the first of the variables that is set, with its name.
func (x *examination) first(names ...string) (name, value string) {
	for _, n := range names {
		if v := x.env[n]; v != "" {
			return n, v
		}
	}
	return "", ""
}

// truth is what the Hub's libraries take for yes (huggingface_hub,
// constants.ENV_VARS_TRUE_VALUES).
func truth(v string) bool {
	switch strings.ToLower(v) {
	case "1", "true", "yes", "on":
		return true
	}
	return false
}

// environment looks at the variables and says which ways lead to weighbridge,
// forward mode first unless only the other shows who asks.
func (x *examination) environment() (ways []way) {
	forward, endpoint := x.forward(), x.endpoint()
	if forward != nil {
		ways = append(ways, *forward)
		x.direct()
		x.plain()
	}
	if endpoint != nil {
		x.alternative = true
		ways = append(ways, *endpoint)
		x.throughProxy(*endpoint)
	}
	if forward != nil && endpoint != nil && x.o.Proxy == "" && forward.nameless() && !endpoint.nameless() {
		ways[0], ways[1] = ways[1], ways[0]
	}
	if forward == nil && endpoint == nil && x.env["HTTPS_PROXY"]+x.env["https_proxy"] == "" {
		x.find(Finding{Fault, "proxy_missing", "HTTPS_PROXY", "neither HTTPS_PROXY nor HF_ENDPOINT leads to weighbridge: clients go past it, without a credential",
			proxyLine("http", nowhere, auth.Secret{})})
	}
	for _, name := range []string{"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"} {
		if truth(x.env[name]) {
			x.find(Finding{Fault, "offline", name, "the Hub's libraries are told not to use the network", "unset " + name})
		}
	}
	if _, set := x.env["REQUEST_METHOD"]; set && forward != nil {
		x.find(Finding{Warning, "request_method", "REQUEST_METHOD", "it makes hf_xet and Go programs take this for a CGI script and pass HTTP_PROXY by", "unset REQUEST_METHOD"})
	}
	x.tokens()
	return ways
}

// forward reads the proxy variables; nil where they name no proxy that can be
// asked.
func (x *examination) forward() *way {
	upper, lower := x.env["HTTPS_PROXY"], x.env["https_proxy"]
	if x.o.Proxy != "" {
		w := x.proxy("--proxy-url", x.o.Proxy)
		if w == nil {
			return nil
		}
		if w.key.IsZero() {
			w.key = x.keyAround()
		}
		if upper+lower == "" && x.env["HF_ENDPOINT"] == "" {
			x.find(Finding{Fault, "proxy_missing", "HTTPS_PROXY", "HTTPS_PROXY is not set: clients go past weighbridge, without a credential", w.line(w.proxy.Scheme, w.proxy.Host)})
		}
		return w
	}
	switch {
	case upper == "" && lower == "":
		name, all := x.first("ALL_PROXY", "all_proxy")
		if all == "" {
			return nil
		}
		x.find(Finding{Warning, "proxy_case", name, "only " + name + " is set, which urllib, git-lfs and aria2's variables do not have", `export HTTPS_PROXY="$` + name + `" https_proxy="$` + name + `"`})
		return x.proxy(name, all)
	case lower == "":
		x.find(Finding{Warning, "proxy_case", "https_proxy", "only HTTPS_PROXY is set: wget and aria2 read lower case alone", `export https_proxy="$HTTPS_PROXY"`})
	case upper == "":
		x.find(Finding{Warning, "proxy_case", "HTTPS_PROXY", "only https_proxy is set: some clients read upper case alone", `export HTTPS_PROXY="$https_proxy"`})
	case upper != lower:
		x.find(Finding{Fault, "proxy_differs", "HTTPS_PROXY", "HTTPS_PROXY and https_proxy differ: which one counts depends on the client", `export https_proxy="$HTTPS_PROXY"`})
	}
	if upper == "" {
		upper = lower
	}
	return x.proxy("HTTPS_PROXY", upper)
}

// keyAround is the key that the environment has, for a proxy that it does not
// name.
func (x *examination) keyAround() auth.Secret {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		if u, err := url.Parse(x.env[name]); err == nil {
			if key, _ := keyOf(u); keyProblem(key) == "" {
				return auth.NewSecret(key)
			}
		}
	}
	if _, token := x.hubToken(); keyProblem(token) == "" {
		return auth.NewSecret(token)
	}
	return auth.Secret{}
}

// keyOf is what stands as the API key in a URL; named says that there is a
// place for one.
func keyOf(u *url.URL) (key string, named bool) {
	if u.User == nil {
		return "", false
	}
	if p, ok := u.User.Password(); ok {
		return p, true
	}
	return u.User.Username(), true
}

// proxy reads the URL of a proxy, which holds the key: its value is in no
// finding.
func (x *examination) proxy(name, value string) *way {
	fix := proxyLine(probably(value))
	bad := func(why string) *way {
		x.find(Finding{Fault, "proxy_malformed", name, name + " " + why, fix})
		return nil
	}
	if strings.TrimSpace(value) != value || strings.ContainsAny(value, "\r\n\t \"'") {
		return bad("holds white space or quotes, which clients take for part of the URL")
	}
	if !strings.Contains(value, "://") {
		return bad("has no scheme: curl takes it, requests and httpx do not")
	}
	u, err := url.Parse(value)
	if err != nil || u.Hostname() == "" {
		return bad("is not a URL (a key never needs to be escaped)")
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return bad("begins with " + printable(u.Scheme) + ":, and weighbridge speaks HTTP")
	}
	if secretShaped(u.Host) {
		return bad("has the API key in the place of the proxy's name")
	}
	if u.Port() == "" {
		if u.Scheme == "http" {
			return bad("names no port: clients do not agree on which one is meant")
		}
		u.Host = net.JoinHostPort(u.Hostname(), "443") // of TLS they do
	}
	if p := strings.Trim(u.Path, "/"); p != "" || u.RawQuery != "" {
		x.find(Finding{Warning, "proxy_malformed", name, name + " has something behind the port, which some clients stumble over", fix})
	}
	w := &way{mode: workerenv.Forward, proxy: &url.URL{Scheme: u.Scheme, Host: u.Host}, key: x.o.Key}
	if !w.key.IsZero() {
		return w
	}
	shown, named := keyOf(u)
	if shown == "" {
		if named {
			x.find(Finding{Fault, "key_malformed", name, "the place of the API key in " + name + " is empty: was the variable set when the line ran?", fix})
		}
		return w // a sidecar's listener implies a key; the listener will say
	}
	w.key = auth.NewSecret(shown)
	if why := keyProblem(shown); why != "" {
		x.find(Finding{Fault, "key_malformed", name, "what stands as the API key in " + name + " " + why, fix})
	}
	return w
}

// keyProblem says why s is not an API key, or a token that stands for one,
// without repeating it.
func keyProblem(s string) string {
	if _, ok := auth.HashAPIKey(s); ok || auth.IsJWT(s) {
		return ""
	}
	_, forURLs := auth.HashURLKey(s)
	switch {
	case s == "":
		return "is empty"
	case auth.IsAdminSecret(s):
		return "is an access token of the admin API: a worker takes an API key (`weighbridge key create`)"
	case forURLs:
		return "is a URL key, which counts in the path of a URL alone"
	case strings.TrimSpace(s) != s:
		return "begins or ends with white space"
	case strings.Contains(s, "…") || strings.Contains(s, "..."):
		return "is a shortened key: the whole one is shown once, when it is made"
	case strings.HasPrefix(s, auth.JWTHead):
		return "begins like the token of a ServiceAccount and is not whole"
	case strings.HasPrefix(s, auth.KeyPrefix):
		return "begins like one and has another length, or characters that no key has: it was cut off or mistyped"
	case strings.HasPrefix(s, auth.KeyAliasPrefix):
		return "is a token of the Hub, which belongs into a credential; a worker takes an API key of weighbridge"
	default:
		return "does not begin with " + auth.KeyPrefix
	}
}

// tokens looks for secrets of upstreams, which no worker needs.
func (x *examination) tokens() {
	for _, name := range []string{"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_API_TOKEN", "CIVITAI_API_TOKEN", "COMFY_CLOUD_API_KEY"} {
		v := strings.TrimSpace(x.env[name])
		if v == "" || v == x.o.Placeholder || name == x.keyIn || keyProblem(v) == "" {
			continue
		}
		x.find(Finding{Warning, "token_on_worker", name, "this worker holds a token of an upstream, which it does not need: weighbridge puts its own on", "unset " + name})
	}
	// What `hf auth login` keeps counts where no variable does.
	if name, v := x.hubToken(); name == tokenFile && name != x.keyIn && v != x.o.Placeholder && keyProblem(v) != "" {
		x.find(Finding{Warning, "token_on_worker", tokenFile, "the Hub's libraries hold a token of an upstream, which this worker does not need: weighbridge puts its own on", "hf auth logout"})
	}
}
