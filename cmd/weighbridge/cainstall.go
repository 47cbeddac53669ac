package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/internal/trial"
	"github.com/weighbridge/weighbridge/internal/truststore"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// trustFlags say which roots, and into what.
type trustFlags struct {
	from, into, root string
	fingerprints     []string
}

func (f *trustFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.into, "into", "", "a PEM file of somebody else's, such as certifi's, instead of the operating system's store")
	c.Flags().StringSliceVar(&f.fingerprints, "sha256", nil, "fingerprint of a root, as ca show prints it; only roots with these are taken (repeatable)")
	c.Flags().StringVar(&f.root, "root", "", "the directory of another system, such as an image, whose own program is run by chroot")
	c.MarkFlagsMutuallyExclusive("into", "root")
	must(c.MarkFlagFilename("into"), c.MarkFlagDirname("root"))
}

const caInstallLong = `Makes clients that take no variable trust our root: by default it is put into the operating
system's store, by the system's own program (update-ca-certificates of Debian, Ubuntu, Alpine and
SUSE, update-ca-trust of RHEL and Fedora, trust of Arch). With --into it is added to one PEM file,
such as the one that Python's certifi brings along. What is in place already is left alone, and
` + "`weighbridge ca uninstall`" + ` takes out what this put in, and nothing else.

The root is that of the running weighbridge (admin.sock in the data directory, or --address), of a
PEM file (--from FILE), or of a proxy listener (--from https://PROXY:8080). From a listener without
TLS anybody on the way could send another, so --sha256 must say which one is meant; its
operator reads it off ` + "`weighbridge ca show`" + `. Without --sha256 it asks before it changes anything.`

func (a *app) caInstall() *cobra.Command {
	var f trustFlags
	c := &cobra.Command{
		Use: "install", Short: "Put our root into the operating system's trust store, or into a PEM file", Args: noArgs, Long: caInstallLong,
		Example: "  sudo weighbridge ca install\n" +
			"  sudo weighbridge ca install --from http://proxy.example:8080 --sha256 3f9c…\n" +
			"  weighbridge ca install --from root.pem --into \"$(python3 -m certifi)\" --yes",
		RunE: func(c *cobra.Command, _ []string) error {
			want, err := fingerprints(f.fingerprints)
			if err != nil {
				return err
			}
			roots, err := a.rootsFrom(c.Context(), f.from, len(want) > 0)
			if err != nil {
				return err
			}
			if roots, err = a.chosenRoots(roots, want); err != nil {
				return err
			}
			if len(want) == 0 {
				for _, r := range roots {
					_, _ = fmt.Fprintf(a.stderr, "%s\n  SHA-256 %s\n", plain(r.Subject.String()), truststore.Fingerprint(r))
				}
				where := "this machine"
				if f.into != "" {
					where = f.into
				}
				if err := a.confirm("Make " + where + " trust what this root signs?"); err != nil {
					return err
				}
			}
			var done truststore.Change
			if f.into != "" {
				done, err = truststore.InstallFile(f.into, roots)
			} else {
				done, err = (&truststore.System{Root: f.root}).Install(c.Context(), roots)
			}
			return a.trusted(done, err, "trusted now")
		},
	}
	c.Flags().StringVar(&f.from, "from", "", "a PEM file with our root, or the URL of a proxy listener (the running weighbridge where not given)")
	f.register(c)
	return c
}

func (a *app) caUninstall() *cobra.Command {
	var f trustFlags
	c := &cobra.Command{
		Use: "uninstall", Short: "Take out what `ca install` put in", Args: noArgs,
		Long: "Takes roots that `weighbridge ca install` put in out of the operating system's store, or with\n" +
			"--into out of a PEM file: all of them, or those of --sha256. Nothing else is touched.",
		RunE: func(c *cobra.Command, _ []string) error {
			only, err := fingerprints(f.fingerprints)
			if err != nil {
				return err
			}
			var done truststore.Change
			if f.into != "" {
				done, err = truststore.UninstallFile(f.into, only)
			} else {
				done, err = (&truststore.System{Root: f.root}).Uninstall(c.Context(), only)
			}
			return a.trusted(done, err, "trusted no more")
		},
	}
	f.register(c)
	return c
}

// trusted says what was done to a store.
func (a *app) trusted(done truststore.Change, err error, word string) error {
	switch {
	case errors.Is(err, truststore.ErrUnknown):
		return fmt.Errorf("%w\n  %s", err, byHand())
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w\n  Run it as an administrator: sudo weighbridge ca install|uninstall …", err)
	case err != nil:
		return err
	}
	out := trustChange{Store: done.Store, Path: done.Path, Changed: append([]string{}, done.Changed...), Unchanged: append([]string{}, done.Unchanged...)}
	return a.print(out, func(w io.Writer) {
		for _, one := range out.Changed {
			_, _ = fmt.Fprintf(w, "%s: SHA-256 %s (%s)\n", word, one, plain(out.Path))
		}
		for _, one := range out.Unchanged {
			_, _ = fmt.Fprintf(w, "in place already: SHA-256 %s (%s)\n", one, plain(out.Path))
		}
		if len(out.Changed)+len(out.Unchanged) == 0 {
			_, _ = fmt.Fprintf(w, "There is no root of weighbridge's in %s.\n", plain(out.Path))
		}
	})
}

// trustChange is what ca install and ca uninstall print with --json.
type trustChange struct {
	Store     string   `json:"store"`
	Path      string   `json:"path"`
	Changed   []string `json:"changed"`
	Unchanged []string `json:"unchanged"`
}

// byHand is what to do where this program does not change the store.
func byHand() string {
	switch runtime.GOOS {
	case "darwin":
		return "On macOS: sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain root.pem"
	case "windows":
		return "On Windows, as an administrator: certutil -addstore -f ROOT root.pem"
	default:
		return "Install the package ca-certificates, or name a bundle in the variables of `weighbridge env`"
	}
}

// rootsFrom reads roots. pinned says that only those of a given fingerprint
// are going to be taken, whoever sent them.
func (a *app) rootsFrom(ctx context.Context, from string, pinned bool) ([]*x509.Certificate, error) {
	if from == "" {
		r, err := a.client().ListRoots(ctx)
		if err != nil {
			return nil, err
		}
		var text []byte
		for _, root := range r.Roots {
			text = append(text, root.PEM...)
		}
		return trial.Certificates(text), nil
	}
	if !strings.Contains(from, "://") {
		text, err := os.ReadFile(from)
		if err != nil {
			return nil, usage("--from: %w", err)
		}
		return trial.Certificates(text), nil
	}
	u, err := url.Parse(from)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usage("--from: give a file, or the URL of a proxy listener such as https://proxy.example:8080")
	}
	if u.Scheme == "http" && !pinned {
		return nil, usage("--from: what comes without TLS may be anybody's; say which root is meant with --sha256, as `weighbridge ca show` prints it where weighbridge runs")
	}
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/.weighbridge/ca.pem"), ""
	c := trial.New(trial.Options{Mode: workerenv.Reverse, Proxy: u})
	defer c.Close()
	l, err := c.Look(ctx)
	if err != nil {
		if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
			return nil, usage("--from: this machine does not trust the certificate of %s yet; name a bundle that does in SSL_CERT_FILE, or give our root as a file (`weighbridge ca export` where weighbridge runs)", u.Host)
		}
		return nil, fmt.Errorf("--from %s://%s: %s", u.Scheme, u.Host, trial.Cause(err))
	}
	return l.Roots, nil
}

// maxInstalled is more than the published roots of any weighbridge: a rollover
// has two. A bundle of public roots is not to be installed.
const maxInstalled = 8

// chosenRoots are those of roots that may be installed.
func (a *app) chosenRoots(roots []*x509.Certificate, want []string) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	found := map[string]bool{}
	for _, r := range roots {
		fp := truststore.Fingerprint(r)
		if found[fp] || len(want) > 0 && !slices.Contains(want, fp) {
			continue
		}
		found[fp] = true
		switch {
		case !r.IsCA || !r.BasicConstraintsValid:
			return nil, usage("%s is not the certificate of an authority (SHA-256 %s)", plain(r.Subject.String()), fp)
		case a.now().After(r.NotAfter):
			return nil, usage("the root has ended, %s (SHA-256 %s)", a.when(r.NotAfter), fp)
		}
		out = append(out, r)
	}
	for _, w := range want {
		if !found[w] {
			return nil, fmt.Errorf("there is no root with SHA-256 %s; nothing was changed\n  Compare with `weighbridge ca show` where weighbridge runs", w)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("there is no root: interception is off, or the file holds no certificate")
	}
	if len(out) > maxInstalled {
		return nil, usage("there are %d roots, which is no weighbridge's: give the file of our root alone, or say which with --sha256", len(out))
	}
	return out, nil
}

// fingerprints reads SHA-256 fingerprints, with or without colons.
func fingerprints(given []string) ([]string, error) {
	var out []string
	for _, one := range given {
		hex := strings.ToLower(strings.NewReplacer(":", "", " ", "").Replace(strings.TrimPrefix(strings.ToLower(one), "sha256:")))
		if len(hex) != 64 || strings.Trim(hex, "0123456789abcdef") != "" {
			return nil, usage("--sha256: a fingerprint has 64 hexadecimal digits, as `weighbridge ca show` prints them")
		}
		out = append(out, hex)
	}
	return out, nil
}
