package doctor

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/trial"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

const (
	hubHost = "huggingface.co"
	urlKeys = "/.weighbridge/k/"
	// tokenFile stands for the file that `hf auth login` writes.
	tokenFile = "hf auth"
)

// endpoint reads HF_ENDPOINT, by which the Hub's clients use reverse mode:
// [/BELOW][/.weighbridge/k/URL-KEY]/huggingface.co at the listener, or the name
// of a route in place of the host.
func (x *examination) endpoint() *way {
	v := x.env["HF_ENDPOINT"]
	if v == "" {
		return nil
	}
	u, err := url.Parse(v)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || strings.ContainsAny(v, " \"'") || secretShaped(u.Host) {
		x.find(Finding{Fault, "endpoint_malformed", "HF_ENDPOINT", "HF_ENDPOINT is not a URL", "export HF_ENDPOINT=http://" + nowhere + "/" + hubHost})
		return nil
	}
	path := strings.TrimRight(u.Path, "/")
	if path == "" && (u.Hostname() == hubHost || u.Hostname() == "hf.co") {
		return nil // the Hub itself, as if it were not set
	}
	below, key, keyed := strings.Cut(path, urlKeys)
	if keyed {
		key, path, _ = strings.Cut(key, "/")
		path = "/" + path
	}
	for part := range strings.SplitSeq(below+path, "/") {
		if secretShaped(part) {
			x.find(Finding{Fault, "endpoint_malformed", "HF_ENDPOINT", "HF_ENDPOINT has a key in its path; only a URL key counts there, behind " + urlKeys,
				"export HF_ENDPOINT=" + quote(u.Scheme+"://"+u.Host+urlKeys+urlKeyHere+"/"+hubHost) + urlKeyNote})
			return nil
		}
	}
	at := strings.LastIndexByte(path, '/')
	w := &way{mode: workerenv.Reverse, proxy: &url.URL{Scheme: u.Scheme, Host: u.Host}, hub: path[at+1:]}
	if keyed {
		w.urlKey = auth.NewSecret(key)
	} else {
		below = path[:max(at, 0)]
	}
	w.proxy.Path = below
	if w.hub == "" || w.hub != hubHost && strings.Contains(w.hub, ".") {
		x.astray = w
		return nil
	}
	x.endpointKey(w, u)
	return w
}

// endpointKey finds what the Hub's clients show of who they are in reverse mode.
func (x *examination) endpointKey(w *way, u *url.URL) {
	name, token := x.hubToken()
	inURL, _ := keyOf(u)
	switch {
	case !w.urlKey.IsZero():
		if _, ok := auth.HashURLKey(w.urlKey.Reveal()); !ok {
			x.find(Finding{Fault, "key_malformed", "HF_ENDPOINT", "what stands in the path of HF_ENDPOINT is not a URL key, which begins with " + auth.URLKeyPrefix + ": an API key does not count there", w.keyLine()})
		}
		if keyProblem(token) == "" { // of another kind it is not looked at
			w.key = auth.NewSecret(token)
		}
		return
	case !x.o.Key.IsZero():
		w.key = x.o.Key
		return
	case inURL != "":
		name, token = "HF_ENDPOINT", inURL
	}
	if token == "" || token == x.o.Placeholder {
		return // a sidecar's listener implies a key; the listener will say
	}
	if name != "HF_ENDPOINT" && truth(x.env["HF_HUB_DISABLE_IMPLICIT_TOKEN"]) {
		x.find(Finding{Fault, "token_withheld", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "the Hub's libraries are told to send no token, which in reverse mode is the API key", "unset HF_HUB_DISABLE_IMPLICIT_TOKEN"})
		return
	}
	w.key, x.keyIn = auth.NewSecret(token), name
	if why := keyProblem(token); why != "" {
		x.find(Finding{Fault, "key_malformed", name, "in reverse mode the Hub's token is the API key, and what stands there " + why, w.keyLine()})
	} else if x.env[name] != "" && name != "HF_ENDPOINT" && x.env[name] != token {
		x.find(Finding{Warning, "key_malformed", name, "white space stands around the API key, which huggingface_hub takes off and others do not", w.keyLine()})
	}
}

// hubToken is the token that huggingface_hub takes, without the white space
// around it, and where it has it from: the first variable that is set, or what
// `hf auth login` left in a file.
func (x *examination) hubToken() (name, token string) {
	for _, name := range []string{"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} {
		if v := strings.TrimSpace(x.env[name]); v != "" {
			return name, v
		}
	}
	file := x.env["HF_TOKEN_PATH"]
	if file == "" {
		home := x.env["HF_HOME"]
		if home == "" {
			if cache := x.env["XDG_CACHE_HOME"]; cache != "" {
				home = filepath.Join(cache, "huggingface")
			} else if user := x.env["HOME"]; user != "" {
				home = filepath.Join(user, ".cache", "huggingface")
			}
		}
		if home == "" {
			return "", ""
		}
		file = filepath.Join(home, "token")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", "" // most workers have none
	}
	if v := strings.TrimSpace(string(text)); v != "" {
		return tokenFile, v
	}
	return "", ""
}

// strayed says what an endpoint without the Hub's name behind it is: weighbridge
// without its path, or somebody else.
func (x *examination) strayed(ctx context.Context, forward bool) {
	if x.astray == nil {
		return
	}
	c := x.caller(*x.astray)
	defer c.Close()
	if _, err := c.Look(ctx); err == nil {
		x.find(x.withoutHub())
		return
	}
	f := Finding{Fault, "endpoint_other", "HF_ENDPOINT", "HF_ENDPOINT names " + printable(x.astray.proxy.Host) + ", which does not answer as weighbridge: the Hub's libraries go there, without a credential",
		"export HF_ENDPOINT=http://" + nowhere + "/" + hubHost}
	if forward {
		f.Fix = "unset HF_ENDPOINT"
	}
	x.find(f)
}

// withoutHub is the finding about an endpoint at weighbridge without the Hub's
// name behind it.
func (x *examination) withoutHub() Finding {
	w := *x.astray
	w.hub = hubHost
	return Finding{Fault, "endpoint_malformed", "HF_ENDPOINT", "HF_ENDPOINT does not end in /" + hubHost + ": weighbridge takes the upstream's name from the first part of the path",
		w.endpointLine(w.proxy.Scheme, w.proxy.Host)}
}

// throughProxy says where clients would ask for the endpoint by a proxy.
func (x *examination) throughProxy(w way) {
	names := []string{"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"}
	if w.proxy.Scheme == "https" {
		names[0], names[1] = "https_proxy", "HTTPS_PROXY"
	}
	name, value := x.first(names...)
	port := w.proxy.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[w.proxy.Scheme]
	}
	for _, e := range append(split(x.env["NO_PROXY"]), split(x.env["no_proxy"])...) {
		if covers(e, w.proxy.Hostname(), port) {
			return
		}
	}
	if value == "" {
		return
	}
	f := Finding{Warning, "endpoint_proxied", "NO_PROXY", "clients ask for HF_ENDPOINT through the proxy that " + name + " names", ""}
	if u, err := url.Parse(value); err == nil && u.Host == w.proxy.Host {
		f.Severity, f.Detail = Fault, f.Detail+", which is weighbridge itself: it leads nobody to itself"
	}
	host := shellWord(w.proxy.Hostname())
	f.Fix = `export NO_PROXY="` + host + `${NO_PROXY:+,$NO_PROXY}"; export no_proxy="$NO_PROXY"`
	x.find(f)
}

// shellWord is s where it means the same between double quotes, else a word
// for it.
func shellWord(s string) string {
	if strings.ContainsAny(s, "\"'`$\\") || printable(s) != s {
		return "HOST"
	}
	return s
}

// options are how this way is tried.
func (w *way) options() trial.Options {
	o := trial.Options{Mode: w.mode, Proxy: w.proxy, Key: w.key, URLKey: w.urlKey}
	if w.hub != hubHost {
		o.HubRoute = w.hub
	}
	return o
}
