package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/internal/trial"
	"github.com/weighbridge/weighbridge/internal/workerenv"
	"github.com/weighbridge/weighbridge/proxy/ca"
)

// seen is what the listeners showed, and what the worker has to trust.
type seen struct {
	// forwards says that a listener answers in forward mode.
	forwards bool
	// roots are weighbridge's, as the listener at from publishes them.
	roots []*x509.Certificate
	from  string
	// chains are those of tunnels, own those of listeners themselves.
	chains [][]*x509.Certificate
	own    []ownChain
	store  bundle
	// brought is the file of Python's certifi.
	brought bundle
	// good is a bundle on this worker that leads to all of it, if there is one.
	good string
	// clocked says that the clocks were compared, agrees that certificates are
	// of the same time for both.
	clocked, agrees bool
}

// ownChain is what a listener with TLS showed for itself.
type ownChain struct {
	certs []*x509.Certificate
	proxy bool // in forward mode
}

// met takes what a listener says of itself.
func (x *examination) met(w *way, l *trial.Listener) {
	forward := w.mode == workerenv.Forward
	x.forwards = x.forwards || forward
	if len(l.Chain) > 0 {
		x.own = append(x.own, ownChain{l.Chain, forward})
	}
	if x.roots == nil && (forward || len(l.Chain) > 0) {
		x.roots, x.from = l.Roots, w.at()+w.proxy.Path
	}
}

// shown takes what came through a tunnel.
func (x *examination) shown(chain []*x509.Certificate) {
	if len(chain) > 0 {
		x.chains = append(x.chains, chain)
	}
}

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
	for _, c := range slices.Concat(x.brought.certs, x.roots) {
		p.AddCert(c)
	}
	return p
}

// trust looks at every family of clients.
func (x *examination) trust(ctx context.Context) {
	if len(x.roots)+len(x.chains)+len(x.own) == 0 {
		return // interception is off, and nothing was shown
	}
	var failed []func()
	for _, f := range families() {
		path, from, used := x.file(ctx, &f)
		if !used {
			continue
		}
		if f.name == "rust" && !x.has(ctx, python) {
			f.s = Warning // without Python there is no hf_xet
		}
		b := bundleAt(path, x.store)
		why := x.distrust(&f, b, path, from)
		if why == "" {
			if x.good == "" && !f.adds && x.trusts(&family{}, b) {
				x.good = path
			}
			x.find(Finding{Fine, "trust", f.name, f.clients + ": trusted by " + printable(path), ""})
			continue
		}
		failed = append(failed, func() {
			x.find(Finding{f.s, "trust", f.name, f.clients + ": " + why, x.trustFix(&f, b, path)})
		})
	}
	if x.good == "" && x.trusts(&family{}, x.store) {
		x.good = x.store.path
	}
	for _, say := range failed {
		say()
	}
	x.tlsProxy(ctx)
}

// bundleAt is the bundle at path, which may be the store that was read already.
func bundleAt(path string, store bundle) bundle {
	b, err := readBundle(path)
	if err != nil && path == store.path {
		return store
	}
	return b
}

// distrust says why a family would not trust what it is shown; "" where it
// would.
func (x *examination) distrust(f *family, b bundle, path, from string) string {
	if path == "" {
		return "it trusts the roots that it brings along alone"
	}
	named := printable(path) + ", which " + from
	switch {
	case len(b.certs) == 0:
		return named + ", cannot be read as a bundle"
	case x.trusts(f, b):
	case x.strange(b):
		return named + ", does not hold the authority of the listener's own certificate"
	default:
		return named + ", does not hold weighbridge's root, or the one that signs now"
	}
	if x.forwards && !f.adds && !x.public(b) {
		return named + ", holds weighbridge's root alone: everything that is not intercepted, such as CDNs, fails"
	}
	return ""
}

// file is where a family takes its roots from on this worker; used is false
// where the family is not here.
func (x *examination) file(ctx context.Context, f *family) (path, from string, used bool) {
	for _, v := range f.variables {
		if x.env[v] != "" {
			return x.env[v], v + " names", true
		}
	}
	if f.program != "" && !x.has(ctx, f.program) {
		return "", "", false
	}
	if f.setting != nil {
		if v, err := x.run(ctx, f.program, f.setting...); err == nil && v != "" {
			return v, "its own configuration names", true
		}
	}
	switch f.without {
	case fromCertifi:
		return x.brought.path, "Python's certifi brings along", x.brought.path != ""
	case fromOpenSSL:
		if file := x.openSSL(ctx); file != "" {
			return file, "Python's OpenSSL was built to read", true
		}
	case fromItself:
		if f.name != "node" || x.env["NODE_USE_SYSTEM_CA"] != "1" && !strings.Contains(x.env["NODE_OPTIONS"], "--use-system-ca") {
			return "", "", true
		}
	}
	return x.store.path, "is the operating system's store", x.store.path != ""
}

// openSSL is the file that Python's ssl module reads where it is not the
// operating system's store, as that of conda is not; empty where it is.
func (x *examination) openSSL(ctx context.Context) string {
	out, err := x.run(ctx, x.program(python), "-c", "import ssl; p = ssl.get_default_verify_paths(); print(p.cafile or '-'); print(p.openssl_capath)")
	file, dir, _ := strings.Cut(out, "\n")
	file = strings.TrimSpace(file)
	if err != nil || file == "" || file == "-" {
		return ""
	}
	// Both are read. That of the store has what `ca install` puts there.
	real, err := filepath.EvalSymlinks(strings.TrimSpace(dir))
	store, storeErr := filepath.EvalSymlinks(filepath.Dir(x.store.path))
	if err == nil && storeErr == nil && real == store {
		return ""
	}
	return file
}

func isNotFound(err error) bool {
	return errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist)
}

// certifi is the file that Python's certifi brings along, empty where there is
// none.
func (x *examination) certifi(ctx context.Context) bundle {
	out, err := x.run(ctx, x.program(python), "-c", "import certifi; print(certifi.where())")
	if err != nil || strings.ContainsAny(out, "\n\r") || out == "" {
		return bundle{}
	}
	return bundleAt(out, bundle{})
}

// trusts reports whether b leads a family to the certificates that were shown;
// where none came through a tunnel, whether it holds one of weighbridge's roots.
// The time is that at which a certificate was made: a wrong clock is another
// finding.
func (x *examination) trusts(f *family, b bundle) bool {
	if len(b.certs) == 0 {
		return false
	}
	for _, o := range x.own {
		if (!o.proxy || !f.apart) && !verifies(b.pool(), o.certs) {
			return false
		}
	}
	return x.opens(b)
}

// opens reports whether b leads to what comes through tunnels.
func (x *examination) opens(b bundle) bool {
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
	if shown || !x.forwards || len(x.roots) == 0 {
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

// strange reports whether all that b lacks is the authority of a listener's own
// certificate, which is not weighbridge's.
func (x *examination) strange(b bundle) bool {
	for _, o := range x.own {
		if !x.ours(o.certs) && !verifies(b.pool(), o.certs) {
			return x.opens(b)
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
