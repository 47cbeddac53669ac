package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/bridge"
	"github.com/weighbridge/weighbridge/internal/workerenv"
	"github.com/weighbridge/weighbridge/signer"
)

// greet prints the first API key, once, and where everything is. The note that
// it was shown is made after it was written, so a start that is killed in
// between shows a fresh one the next time.
//
// With a file for the key, the key is in it and not in what is printed.
func (a *app) greet(ctx context.Context, b *bridge.Bridge, cfg *config.Config, file string) error {
	w := b.Welcome()
	if w == nil {
		return nil
	}
	sys := b.API().System()
	var out bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&out, format, args...) }
	p("\nweighbridge is ready. This is shown once.\n\n")
	if file == "" {
		p("  API key of the worker   %s\n", w.Key.Reveal())
	} else {
		if err := writeFirstKey(file, w.Key); err != nil {
			return err
		}
		p("  API key of the worker   in %s: take it from there, and delete the file\n", file)
	}
	p("  Proxy                   %s\n", sys.ProxyURL)
	p("  Administration          %s\n", cmp.Or(sys.AdminURL, "admin.sock in the data directory"))
	if sys.CABundle != "" {
		p("  CA bundle               %s\n", sys.CABundle)
	}
	p("  Data directory          %s\n\n", sys.DataDir)
	dir := ""
	if cfg.DataDir != "./weighbridge-data" {
		dir = " --data-dir " + quoteArg(cfg.DataDir)
	}
	if file != "" {
		p("What to export on a worker:\n\n  %s env%s --key @%s\n", program(), dir, quoteArg(file))
	} else if err := a.lines(&out, w.Key, sys); err != nil {
		return err
	}
	p("\nNext, give it a credential (the token is read without echo and sealed):\n\n")
	p("  %s credential create%s --provider huggingface --name hub --set token=- --key worker\n\n", program(), dir)
	if _, err := a.stdout.Write(out.Bytes()); err != nil {
		return err
	}
	return b.Welcomed(ctx)
}

// lines are what to export on a worker, in both modes.
func (a *app) lines(out *bytes.Buffer, key auth.Secret, sys admin.System) error {
	if socket, ok := strings.CutPrefix(sys.ProxyURL, "unix:"); ok {
		fmt.Fprintf(out, "The proxy listens on a unix socket, which no variable names. For example, in reverse mode:\n\n"+
			"  curl --unix-socket %s -H 'X-Weighbridge-Key: '\"$WEIGHBRIDGE_KEY\" http://localhost/HOST/PATH\n\n"+
			"`weighbridge env --proxy-url URL` prints the variables for a URL that leads to it.\n", quoteArg(socket))
		return nil
	}
	reverse := "or reverse mode (clients that take an endpoint; no CA needed):"
	if strings.HasPrefix(sys.ProxyURL, "https:") {
		reverse = "or reverse mode (clients that take an endpoint):"
	}
	fmt.Fprintf(out, "On a worker, forward mode (every client that knows HTTPS_PROXY):\n\n")
	if err := a.exports(out, workerenv.Forward, key, sys.ProxyURL, sys.CABundle); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s\n\n", reverse)
	return a.exports(out, workerenv.Reverse, key, sys.ProxyURL, sys.CABundle)
}

func (a *app) exports(out io.Writer, mode workerenv.Mode, key auth.Secret, proxyURL, bundle string) error {
	o := workerenv.Options{Mode: mode, ProxyURL: proxyURL, Key: key, Bundle: bundle, Placeholder: signer.PlaceholderToken}
	vars, err := workerenv.Variables(o)
	if err != nil {
		return err
	}
	for i := range vars {
		vars[i].Why = ""
	}
	if err := workerenv.Render(indented{out}, "sh", vars); err != nil {
		return err
	}
	for _, one := range workerenv.Warnings(o) {
		if _, err := fmt.Fprintf(indented{out}, "# %s\n", one); err != nil {
			return err
		}
	}
	return nil
}

// indented writes lines two columns in.
type indented struct{ w io.Writer }

func (i indented) Write(b []byte) (int, error) {
	start := 0
	for n, c := range b {
		if c == '\n' {
			if _, err := fmt.Fprintf(i.w, "  %s", b[start:n+1]); err != nil {
				return start, err
			}
			start = n + 1
		}
	}
	if start < len(b) {
		if _, err := fmt.Fprintf(i.w, "  %s", b[start:]); err != nil {
			return start, err
		}
	}
	return len(b), nil
}

// program is how this program is called from where it was: `go run` puts what
// it builds below a directory of that name, and nothing on the PATH.
func program() string {
	exe, err := os.Executable()
	if err == nil && strings.Contains(filepath.ToSlash(exe), "/go-build") {
		return "go run ./cmd/weighbridge"
	}
	return "weighbridge"
}

// writeFirstKey puts the key into a file that only its owner may read. A file
// that holds another API key is left from a start that was killed before it was
// noted that the key was shown, and is replaced; anything else is not.
func writeFirstKey(path string, key auth.Secret) error {
	was, err := os.ReadFile(path)
	if err == nil {
		if _, ok := auth.HashAPIKey(strings.TrimSpace(string(was))); !ok {
			return fmt.Errorf("--first-key: %s exists and holds something else, so it is not replaced: name another file", path)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--first-key: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".first-key-*") // mode 0600
	if err != nil {
		return fmt.Errorf("--first-key: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = fmt.Fprintln(f, key.Reveal())
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("--first-key: %w", err)
	}
	return nil
}

// greetFirstUser prints the link by which the first user is made, where there
// is none. Where secrets are not to be printed it says the other way.
func (a *app) greetFirstUser(ctx context.Context, b *bridge.Bridge, quiet bool) error {
	if quiet {
		return nil
	}
	link, err := b.FirstUserLink(ctx)
	if err != nil || link.IsZero() {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "\nNobody can sign in to the administration yet. Make the first user with this link,\nwhich is good once and for a day, or with `%s user create EMAIL --role owner`:\n\n  %s\n\n", program(), link.Reveal())
	return err
}
