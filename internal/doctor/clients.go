package doctor

import (
	"context"
	"net/url"
	"strconv"
	"strings"
)

// clients looks at what some clients need beside roots to go by the proxy.
func (x *examination) clients(ctx context.Context) {
	if v, err := x.run(ctx, "git", "config", "--get", "http.proxy"); err == nil && v != "" && !x.leadsHere(v) {
		x.find(Finding{Warning, "git_proxy", "git", "git's own configuration names another proxy, which stands over HTTPS_PROXY", "git config --global --unset http.proxy"})
	}
	x.node(ctx)
	if x.env["COMFYUI_MANAGER_ARIA2_SERVER"] != "" {
		x.find(Finding{Warning, "aria2_daemon", "aria2", "ComfyUI-Manager gives its downloads to an aria2 daemon, for which the daemon's own environment counts, in lower case",
			`https_proxy="$HTTPS_PROXY" aria2c --enable-rpc --ca-certificate="$SSL_CERT_FILE" …`})
	}
}

// leadsHere reports whether a proxy that some configuration names is the one
// that was tried.
func (x *examination) leadsHere(proxy string) bool {
	u, err := url.Parse(proxy)
	return err == nil && u.Scheme+"://"+u.Host == x.report.Proxy
}

// node looks at Node's fetch, which knows the proxy's variables from 22.21 and
// 24 on, and then only where it is told so (nodejs.org, "Enterprise network
// configuration").
func (x *examination) node(ctx context.Context) {
	v, err := x.run(ctx, "node", "--version")
	switch {
	case err != nil || v == "":
	case tooOld(v):
		x.find(Finding{Warning, "node_proxy", "node", "Node " + printable(v) + " knows no proxy variable: its fetch passes HTTPS_PROXY by", "install Node 22.21, 24 or later   # or have the program use undici's EnvHttpProxyAgent"})
	case x.env["NODE_USE_ENV_PROXY"] != "1" && !strings.Contains(x.env["NODE_OPTIONS"], "--use-env-proxy"):
		x.find(Finding{Warning, "node_proxy", "node", "Node's fetch passes HTTPS_PROXY by unless it is told not to (Node 22.21, 24 and later; before, undici's EnvHttpProxyAgent)", "export NODE_USE_ENV_PROXY=1"})
	}
}

// tooOld reports whether a version as `node --version` prints it, v22.20.0,
// knows no proxy variable.
func tooOld(version string) bool {
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(minor)
	if errA != nil || errB != nil || !strings.HasPrefix(version, "v") {
		return false
	}
	return a < 22 || a == 22 && b < 21 || a == 23
}
