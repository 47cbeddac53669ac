package doctor

import (
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

// keyHere stands for the API key in a line to run: doctor never prints it.
const keyHere = "$WEIGHBRIDGE_KEY"

// environment looks at the variables and says which ways lead to weighbridge.
func (x *examination) environment() (ways []way) {
	forward, endpoint := x.forward(), x.endpoint()
	if forward != nil {
		ways = append(ways, *forward)
		x.direct()
	}
	if endpoint != nil {
		ways = append(ways, *endpoint)
	}
	if forward == nil && endpoint == nil && x.env["HTTPS_PROXY"]+x.env["https_proxy"] == "" {
		x.find(Finding{Fault, "proxy_missing", "HTTPS_PROXY", "neither HTTPS_PROXY nor HF_ENDPOINT leads to weighbridge: clients go past it, without a credential",
			x.proxyLine("PROXY:8080")})
	}
	for _, name := range []string{"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"} {
		if v := strings.ToLower(x.env[name]); v == "1" || v == "true" || v == "yes" || v == "on" {
			x.find(Finding{Fault, "offline", name, "the Hub's libraries are told not to use the network", "unset " + name})
		}
	}
	if _, set := x.env["REQUEST_METHOD"]; set && forward != nil {
		x.find(Finding{Warning, "request_method", "REQUEST_METHOD", "it makes hf_xet and Go programs take this for a CGI script and pass HTTP_PROXY by", "unset REQUEST_METHOD"})
	}
	x.tokens()
	return ways
}

// proxyLine is the line that sets the proxy in both cases.
func (x *examination) proxyLine(host string) string {
	return `export HTTPS_PROXY="http://weighbridge:` + keyHere + `@` + host + `"; export https_proxy="$HTTPS_PROXY" HTTP_PROXY="$HTTPS_PROXY" http_proxy="$HTTPS_PROXY"`
}

// forward reads the proxy variables; nil where they name no proxy that can be
// asked.
func (x *examination) forward() *way {
	upper, lower := x.env["HTTPS_PROXY"], x.env["https_proxy"]
	if x.o.Proxy != "" {
		w := x.proxy("--proxy-url", x.o.Proxy)
		if w != nil && upper+lower == "" && x.env["HF_ENDPOINT"] == "" {
			x.find(Finding{Fault, "proxy_missing", "HTTPS_PROXY", "HTTPS_PROXY is not set: clients go past weighbridge, without a credential", x.proxyLine(w.proxy.Host)})
		}
		return w
	}
	switch {
	case upper == "" && lower == "":
		if all := x.env["ALL_PROXY"] + x.env["all_proxy"]; all != "" {
			x.find(Finding{Warning, "proxy_case", "ALL_PROXY", "only ALL_PROXY is set, which urllib, git-lfs and aria2's variables do not have", `export HTTPS_PROXY="$ALL_PROXY" https_proxy="$ALL_PROXY"`})
			return x.proxy("ALL_PROXY", all)
		}
		return nil
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

// proxy reads the URL of a proxy, which holds the key: its value is in no
// finding.
func (x *examination) proxy(name, value string) *way {
	fix := x.proxyLine("PROXY:8080")
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
	if err != nil || u.Host == "" {
		return bad("is not a URL (a key never needs to be escaped)")
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return bad("begins with " + printable(u.Scheme) + ":, and weighbridge speaks HTTP")
	}
	fix = x.proxyLine(u.Host)
	if u.Port() == "" {
		return bad("names no port: clients do not agree on which one is meant")
	}
	if p := strings.Trim(u.Path, "/"); p != "" || u.RawQuery != "" {
		x.find(Finding{Warning, "proxy_malformed", name, name + " has something behind the port, which some clients stumble over", fix})
	}
	w := &way{mode: workerenv.Forward, proxy: &url.URL{Scheme: u.Scheme, Host: u.Host}, key: x.o.Key}
	if !w.key.IsZero() {
		return w
	}
	shown, named := "", u.User != nil
	if named {
		shown = u.User.Username()
		if p, ok := u.User.Password(); ok {
			shown = p
		}
	}
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

// keyProblem says why s is not an API key, without repeating it.
func keyProblem(s string) string {
	if _, ok := auth.HashAPIKey(s); ok {
		return ""
	}
	switch {
	case auth.IsAdminSecret(s):
		return "is an access token of the admin API: a worker takes an API key (`weighbridge key create`)"
	case strings.TrimSpace(s) != s:
		return "begins or ends with white space"
	case strings.Contains(s, "…") || strings.Contains(s, "..."):
		return "is a shortened key: the whole one is shown once, when it is made"
	case strings.HasPrefix(s, auth.KeyPrefix):
		return "begins like one and has another length, or characters that no key has: it was cut off or mistyped"
	case strings.HasPrefix(s, auth.KeyAliasPrefix):
		return "is a token of the Hub, which belongs into a credential; a worker takes an API key of weighbridge"
	default:
		return "does not begin with " + auth.KeyPrefix
	}
}

// endpoint reads HF_ENDPOINT, by which the Hub's clients use reverse mode.
func (x *examination) endpoint() *way {
	v := x.env["HF_ENDPOINT"]
	if v == "" || v == "https://huggingface.co" {
		return nil
	}
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		x.find(Finding{Fault, "endpoint_malformed", "HF_ENDPOINT", "HF_ENDPOINT is not a URL", "export HF_ENDPOINT=http://PROXY:8080/huggingface.co"})
		return nil
	}
	base := u.Scheme + "://" + u.Host
	if strings.Trim(u.Path, "/") != "huggingface.co" {
		x.find(Finding{Fault, "endpoint_malformed", "HF_ENDPOINT", "HF_ENDPOINT does not end in /huggingface.co: weighbridge takes the upstream's name from the first part of the path",
			"export HF_ENDPOINT='" + base + "/huggingface.co'"})
		return nil
	}
	w := &way{mode: workerenv.Reverse, proxy: &url.URL{Scheme: u.Scheme, Host: u.Host}, key: x.o.Key}
	if w.key.IsZero() {
		for _, name := range []string{"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} {
			if v := x.env[name]; v != "" && v != x.o.Placeholder {
				w.key = auth.NewSecret(v)
				break
			}
		}
		if why := keyProblem(w.key.Reveal()); !w.key.IsZero() && why != "" {
			x.find(Finding{Fault, "key_malformed", "HF_TOKEN", "in reverse mode HF_TOKEN is the API key, and what stands there " + why,
				`export HF_TOKEN="hf_${WEIGHBRIDGE_KEY#wbk_}"`})
		}
	}
	return w
}

// tokens looks for secrets of upstreams, which no worker needs.
func (x *examination) tokens() {
	for _, name := range []string{"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_API_TOKEN", "CIVITAI_API_TOKEN"} {
		v := x.env[name]
		if v == "" || v == x.o.Placeholder {
			continue
		}
		if _, ours := auth.HashAPIKey(v); ours {
			continue
		}
		x.find(Finding{Warning, "token_on_worker", name, "this worker holds a token of an upstream, which it does not need: weighbridge puts its own on", "unset " + name})
	}
}
