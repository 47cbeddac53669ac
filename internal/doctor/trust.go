package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/internal/trial"
	"github.com/weighbridge/weighbridge/proxy/ca"
)

// bundle is a PEM file with roots.
type bundle struct {
	path  string
	certs []*x509.Certificate
}

func (b bundle) pool() *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range b.certs {
		p.AddCert(c)
	}
	return p
}

func readBundle(path string) (bundle, error) {
	text, err := os.ReadFile(path)
	return bundle{path, trial.Certificates(text)}, err
}

func (x *examination) readStore() bundle {
	text, path, err := ca.SystemRootsPEM(ca.SystemOptions{Paths: x.o.StorePaths})
	if err != nil {
		return bundle{}
	}
	return bundle{path, trial.Certificates(text)}
}

// pool is everything that anything on this worker trusts, and weighbridge's
// own roots: what is asked for here shows no secret to whom it is asked of, and
// who trusts what is looked at afterwards.
func (x *examination) pool() *x509.CertPool {
	p := x.store.pool()
	for _, f := range families() {
		for _, v := range f.variables {
			if b, err := readBundle(x.env[v]); x.env[v] != "" && err == nil {
				for _, c := range b.certs {
					p.AddCert(c)
				}
			}
		}
	}
	for _, c := range x.roots {
		p.AddCert(c)
	}
	return p
}

// trust looks at every family of clients.
func (x *examination) trust(ctx context.Context) {
	if len(x.roots) == 0 && len(x.chains) == 0 {
		return // interception is off, and nothing was shown
	}
	certifi := x.certifi(ctx)
	good := ""
	var failed []func(good string)
	for _, f := range families() {
		path, from, used := x.file(ctx, &f, certifi)
		if !used {
			continue
		}
		var b bundle
		var err error
		if path != "" {
			if b, err = readBundle(path); path == x.store.path && err != nil {
				b, err = x.store, nil
			}
		}
		why := ""
		switch {
		case path == "":
			why = "it trusts the roots that it brings along alone"
		case err != nil || len(b.certs) == 0:
			why = printable(path) + ", which " + from + ", cannot be read as a bundle"
		case !x.trusts(b):
			why = printable(path) + ", which " + from + ", does not hold weighbridge's root, or the one that signs now"
		case !f.adds && !x.public(b):
			why = printable(path) + ", which " + from + ", holds weighbridge's root alone: everything that is not intercepted, such as CDNs, fails"
		}
		if why == "" {
			if good == "" && !f.adds {
				good = path
			}
			x.find(Finding{Fine, "trust", f.name, f.clients + ": trusted by " + printable(path), ""})
			continue
		}
		failed = append(failed, func(good string) {
			x.find(Finding{f.s, "trust", f.name, f.clients + ": " + why, x.trustFix(&f, path, good)})
		})
	}
	if good == "" && x.trusts(x.store) {
		good = x.store.path
	}
	for _, say := range failed {
		say(good)
	}
	x.clients(ctx)
}

// file is where a family takes its roots from on this worker; used is false
// where the family is not here.
func (x *examination) file(ctx context.Context, f *family, certifi string) (path, from string, used bool) {
	for _, v := range f.variables {
		if x.env[v] != "" {
			return x.env[v], v + " names", true
		}
	}
	if f.program != "" {
		if _, err := x.run(ctx, f.program, "--version"); errors.Is(err, exec.ErrNotFound) {
			return "", "", false
		}
	}
	if f.setting != nil {
		if v, err := x.run(ctx, f.program, f.setting...); err == nil && v != "" {
			return v, "its own configuration names", true
		}
	}
	switch f.without {
	case fromCertifi:
		return certifi, "Python's certifi brings along", certifi != ""
	case fromItself:
		return "", "", true
	default:
		return x.store.path, "is the operating system's store", x.store.path != ""
	}
}

// certifi is the file that Python's certifi brings along, empty where there is
// none.
func (x *examination) certifi(ctx context.Context) string {
	python := x.o.Python
	if python == "" {
		python = "python3"
	}
	out, err := x.run(ctx, python, "-c", "import certifi; print(certifi.where())")
	if err != nil || strings.ContainsAny(out, "\n\r") {
		return ""
	}
	return out
}

// trusts reports whether b leads to the certificates that were shown; where
// none was, whether it holds one of weighbridge's roots. The time is that at
// which a certificate was made: a wrong clock is another finding.
func (x *examination) trusts(b bundle) bool {
	if len(b.certs) == 0 {
		return false
	}
	shown := false
	for _, chain := range x.chains {
		if !x.ours(chain) {
			continue
		}
		shown = true
		if !verifies(b.pool(), chain) {
			return false
		}
	}
	if shown || len(x.roots) == 0 {
		return true
	}
	for _, r := range x.roots {
		for _, c := range b.certs {
			if c.Equal(r) {
				return true
			}
		}
	}
	return false
}

// ours reports whether weighbridge made the certificate that was shown.
func (x *examination) ours(chain []*x509.Certificate) bool {
	return verifies(bundle{certs: x.roots}.pool(), chain)
}

func verifies(roots *x509.CertPool, chain []*x509.Certificate) bool {
	o := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool(), CurrentTime: chain[0].NotBefore.Add(time.Minute)}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(o)
	return err == nil
}

// public reports whether b holds anything beside weighbridge's roots.
func (x *examination) public(b bundle) bool {
	for _, c := range b.certs {
		known := false
		for _, r := range x.roots {
			known = known || c.Equal(r)
		}
		if !known {
			return true
		}
	}
	return false
}

// trustFix is the line that makes a family trust what is shown. good is a
// bundle on this worker that does already, where there is one.
func (x *examination) trustFix(f *family, path, good string) string {
	// Who is asked without TLS might be anybody: the fingerprint comes from
	// where weighbridge runs.
	install := "weighbridge ca install --from " + x.report.Proxy
	if !strings.HasPrefix(x.report.Proxy, "https:") {
		install += " --sha256 FINGERPRINT"
	}
	note := ""
	if strings.Contains(install, "FINGERPRINT") {
		note = "   # FINGERPRINT as `weighbridge ca show` says it where weighbridge runs"
	}
	switch {
	case f.name == "system":
		return "sudo " + install + note
	case len(f.variables) == 0:
		return install + " --into " + quote(path) + note
	case good != "":
		return "export " + f.variables[0] + "=" + quote(good)
	case x.store.path != "":
		return "sudo " + install + " && export " + f.variables[0] + "=" + quote(x.store.path) + note
	default:
		return "export " + f.variables[0] + "=BUNDLE   # the file that `weighbridge env` writes"
	}
}

// clients looks at what some clients need beside roots.
func (x *examination) clients(ctx context.Context) {
	if v, err := x.run(ctx, "git", "config", "--get", "http.proxy"); err == nil && v != "" {
		x.find(Finding{Warning, "git_proxy", "git", "git's own configuration names a proxy, which stands over HTTPS_PROXY", "git config --global --unset http.proxy"})
	}
	if v, err := x.run(ctx, "node", "--version"); err == nil && v != "" && x.env["NODE_USE_ENV_PROXY"] != "1" && !strings.Contains(x.env["NODE_OPTIONS"], "--use-env-proxy") {
		x.find(Finding{Warning, "node_proxy", "node", "Node's fetch passes HTTPS_PROXY by unless it is told not to (Node 22.21, 24 and later; before, undici's EnvHttpProxyAgent)", "export NODE_USE_ENV_PROXY=1"})
	}
	if x.env["COMFYUI_MANAGER_ARIA2_SERVER"] != "" {
		x.find(Finding{Warning, "aria2_daemon", "aria2", "ComfyUI-Manager gives its downloads to an aria2 daemon, for which the daemon's own environment counts, in lower case",
			`https_proxy="$HTTPS_PROXY" aria2c --enable-rpc --ca-certificate="$SSL_CERT_FILE" …`})
	}
}
