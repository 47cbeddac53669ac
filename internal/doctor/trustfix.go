package doctor

import (
	"context"
	"crypto/x509"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// fingerprintNote says where a fingerprint comes from that was not seen over a
// connection which this worker trusts.
const fingerprintNote = "FINGERPRINT as `weighbridge ca show` says it where weighbridge runs"

// install is the line that puts what the worker has to trust into a store, and
// what is to be known of it.
func (x *examination) install(b bundle) (line, note string) {
	switch {
	case x.strange(b):
		return "weighbridge ca install --from AUTHORITY.pem", "   # AUTHORITY.pem has the root of the listener's certificate"
	case strings.HasPrefix(x.from, "https:") && len(x.roots) > 0:
		// The listener is verified, and so is what it publishes; sudo takes the
		// variables off that it is verified by.
		if line = "weighbridge ca install --from " + shellURL(x.from); x.good != "" && x.good != x.store.path {
			line = "env SSL_CERT_FILE=" + quote(x.good) + " " + line
		}
		return line, ""
	}
	// Who is asked without TLS might be anybody.
	return "weighbridge ca install --from " + shellURL(x.from) + " --sha256 FINGERPRINT", "   # " + fingerprintNote
}

// installListener is the line that makes this machine trust a listener whose
// certificate it does not.
const installListener = "sudo weighbridge ca install --from root.pem   # the root of the listener's certificate; `weighbridge ca export` writes weighbridge's own"

// shellURL is a URL as a shell takes it in one piece.
func shellURL(s string) string {
	if strings.ContainsAny(s, " \t'\"`$\\&;|<>()*?[]#~%{}!") {
		return quote(s)
	}
	return printable(s)
}

// trustFix is the line that makes a family trust what is shown.
func (x *examination) trustFix(f *family, b bundle, path string) string {
	install, note := x.install(b)
	switch {
	case f.name == "system":
		return "sudo " + install + note
	case len(f.variables) == 0:
		return install + " --into " + quote(path) + note
	case x.good != "":
		return "export " + f.variables[0] + "=" + quote(x.good)
	case x.store.path != "":
		return "sudo " + install + " && export " + f.variables[0] + "=" + quote(x.store.path) + note
	default:
		return "export " + f.variables[0] + "=BUNDLE   # the file that `weighbridge env` writes"
	}
}

// tlsProxy says which clients do not come through a proxy with TLS, or verify
// it by something of their own (docs/clients.md, "With TLS on weighbridge's
// listener").
func (x *examination) tlsProxy(ctx context.Context) {
	var chain []*x509.Certificate
	for _, o := range x.own {
		if o.proxy {
			chain = o.certs
		}
	}
	if chain == nil {
		return
	}
	good := x.good
	if good == "" {
		good = "BUNDLE"
	}
	if !x.alternative {
		x.find(Finding{Warning, "proxy_tls", "openssl", "Python's urllib and aiohttp (torch.hub, ComfyUI-Manager), wget and aria2 speak no TLS to a proxy: they fail, or go past it",
			"weighbridge env --mode reverse …   # where weighbridge runs: the same listener serves reverse mode"})
	}
	byStore := verifies(x.store.pool(), chain)
	if !byStore && x.has(ctx, "curl") && !x.curlKnowsProxy() {
		x.find(Finding{Warning, "proxy_tls", "curl", "curl takes no variable for the certificate of the proxy itself, and its configuration names none (proxy-cacert)",
			"echo " + quote("proxy-cacert = "+strconv.Quote(good)) + " >> ~/.curlrc"})
	}
	if x.has(ctx, "git") {
		file := x.env["GIT_PROXY_SSL_CAINFO"]
		if v, err := x.run(ctx, "git", "config", "--get", "http.proxySSLCAInfo"); file == "" && err == nil {
			file = v
		}
		if b, _ := readBundle(file); file == "" && !byStore || file != "" && !verifies(b.pool(), chain) {
			x.find(Finding{Warning, "proxy_tls", "git", "git does not trust the certificate of the proxy itself, for which it has a variable of its own", "export GIT_PROXY_SSL_CAINFO=" + quote(good)})
		}
	}
}

// curlKnowsProxy reports whether curl's own configuration names roots for
// proxies (curl(1), --config).
func (x *examination) curlKnowsProxy() bool {
	for _, name := range []string{"CURL_HOME", "XDG_CONFIG_HOME", "HOME"} {
		if x.env[name] == "" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(x.env[name], ".curlrc"))
		if err != nil {
			continue
		}
		for line := range strings.SplitSeq(string(text), "\n") {
			word := strings.TrimLeft(strings.TrimSpace(line), "-")
			if strings.HasPrefix(word, "proxy-cacert") || strings.HasPrefix(word, "proxy-insecure") {
				return true
			}
		}
		return false // curl reads the first that there is
	}
	return false
}
