package doctor

import (
	"net/url"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// What stands for a secret in a line to run: doctor never prints one. A pod's
// token lies where docs/kubernetes.md mounts it.
const (
	keyHere    = "$WEIGHBRIDGE_KEY"
	tokenHere  = "$(cat /var/run/weighbridge/token)"
	urlKeyHere = "URL-KEY"
)

// urlKeyNote says where a URL key comes from.
const urlKeyNote = "   # " + urlKeyHere + " as `weighbridge key create --url-key` shows it"

// nowhere stands for a listener that is not known.
const nowhere = "PROXY:8080"

// here is the word for a key of the form that key has.
func here(key auth.Secret) string {
	if auth.IsJWT(key.Reveal()) {
		return tokenHere
	}
	return keyHere
}

// proxyLine is the line that sets the proxy in both cases.
func proxyLine(scheme, host string, key auth.Secret) string {
	return `export HTTPS_PROXY="` + scheme + `://weighbridge:` + here(key) + `@` + host + `"; export https_proxy="$HTTPS_PROXY" HTTP_PROXY="$HTTPS_PROXY" http_proxy="$HTTPS_PROXY"`
}

// probably is what a value that no client takes probably means, for the line
// that mends it.
func probably(value string) (scheme, host string, key auth.Secret) {
	value = strings.Trim(value, "\r\n\t \"'")
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	if err != nil || u.Hostname() == "" || secretShaped(u.Host) || strings.ContainsAny(u.Host, "\"'`$\\ ") {
		return "http", nowhere, key
	}
	shown, _ := keyOf(u)
	key = auth.NewSecret(shown)
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return "http", nowhere, key
	case u.Port() == "" && u.Scheme == "http":
		return u.Scheme, u.Host + ":8080", key
	}
	return u.Scheme, u.Host, key
}

// secretShaped reports whether a host, or a part of a path, is what a key of
// ours or a token looks like: people put them there, and a finding would show it.
func secretShaped(s string) bool {
	const suspect = 16 // fewer letters and digits in a row may be a name
	s = strings.ToLower(s)
	for _, prefix := range []string{auth.KeyPrefix, auth.KeyAliasPrefix, auth.URLKeyPrefix, "wbt_", strings.ToLower(auth.JWTHead)} {
		rest, ok := strings.CutPrefix(s, prefix)
		end := strings.IndexFunc(rest, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
		if ok && (end >= suspect || end < 0 && len(rest) >= suspect) {
			return true
		}
	}
	return false
}

// line is the line by which the worker takes this way to a listener.
func (w *way) line(scheme, host string) string {
	if w.mode == workerenv.Forward {
		return proxyLine(scheme, host, w.key)
	}
	return w.endpointLine(scheme, host)
}

func (w *way) endpointLine(scheme, host string) string {
	path := w.proxy.Path
	if !w.urlKey.IsZero() {
		path += "/.weighbridge/k/" + urlKeyHere
	}
	line := "export HF_ENDPOINT=" + quote(scheme+"://"+host+path+"/"+w.hub)
	if !w.urlKey.IsZero() {
		line += urlKeyNote
	}
	return line
}

// keyLine is the line that gives this way another key.
func (w *way) keyLine() string {
	switch {
	case w.mode == workerenv.Forward || !w.urlKey.IsZero():
		return w.line(w.proxy.Scheme, w.proxy.Host)
	case auth.IsJWT(w.key.Reveal()):
		return `export HF_TOKEN="` + tokenHere + `"`
	}
	return `export HF_TOKEN="hf_${WEIGHBRIDGE_KEY#wbk_}"`
}
