package walk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/weighbridge/weighbridge/admin"
)

// patience bounds one block, and the wait for the program. It is far beyond
// what any needs: it only keeps what hangs from taking the suite along.
const patience = 3 * time.Minute

// Upstreams say where the program finds what a page speaks of.
type Upstreams struct {
	// Roots stand in for the public roots (PEM), which a worker's bundle holds
	// beside ours.
	Roots []byte
	// Resolve is upstream.resolve: host:port to the address of a fake.
	Resolve map[string]string
}

// Newcomer is somebody who has the program and a directory.
type Newcomer struct {
	// Dir is where the program runs and where every shell begins.
	Dir string
	// Path are directories that every shell's PATH begins with, Environ its
	// variables beside PATH, HOME and PROXY, which is the listener's URL.
	Path, Environ []string

	t     testing.TB
	cmd   *exec.Cmd
	proxy string
}

// New makes a newcomer with a directory of their own, and builds the program
// into it.
func New(t testing.TB) *Newcomer {
	t.Helper()
	n := &Newcomer{Dir: ShortDir(t), t: t}
	Build(t, n.Dir)
	return n
}

// ShortDir is a directory whose path leaves room for a unix socket's. It is
// gone after the test.
func ShortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "wb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// root is the checkout, as every suite sees it.
const root = "../../.."

// Build puts the program at DIR/bin/weighbridge. It is linked once for all
// suites: where the one in .cache is up to date, go build leaves it.
func Build(t testing.TB, dir string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	const script = `mkdir -p "$1/.cache" && flock "$1/.cache/weighbridge.lock" sh -c '
go build -o "$1/.cache/weighbridge" github.com/weighbridge/weighbridge/cmd/weighbridge && cp "$1/.cache/weighbridge" "$2"' sh "$1" "$2"`
	build := exec.Command("sh", "-c", script, "sh", root, filepath.Join(dir, "bin", "weighbridge"))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
}

// Write writes a file into the newcomer's directory.
func (n *Newcomer) Write(name, text string) {
	n.t.Helper()
	if err := os.WriteFile(filepath.Join(n.Dir, name), []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// Serve starts `weighbridge serve` before the upstreams, on ports of the
// system's choice, and waits until it does.
func (n *Newcomer) Serve(up Upstreams) {
	n.t.Helper()
	roots := filepath.Join(n.Dir, "public-roots.pem")
	n.Write("public-roots.pem", string(up.Roots))
	text, err := yaml.Marshal(map[string]any{
		"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0",
		"upstream": map[string]any{"ca_file": roots, "resolve": up.Resolve},
	})
	if err != nil {
		n.t.Fatal(err)
	}
	n.Write("weighbridge.yaml", string(text))
	n.cmd = exec.Command(filepath.Join(n.Dir, "bin", "weighbridge"), "serve", "--config", "weighbridge.yaml")
	n.cmd.Dir = n.Dir
	n.cmd.Env = append(n.environ(), "SSL_CERT_FILE="+roots)
	for name, to := range map[string]*io.Writer{"out": &n.cmd.Stdout, "log": &n.cmd.Stderr} {
		f, err := os.Create(filepath.Join(n.Dir, name))
		if err != nil {
			n.t.Fatal(err)
		}
		n.t.Cleanup(func() { _ = f.Close() })
		*to = f
	}
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = n.cmd.Process.Kill(); _ = n.cmd.Wait() })
	for deadline := time.Now().Add(patience); !bytes.Contains(n.Log(), []byte("serving")); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			n.t.Fatalf("it does not serve:\n%s", n.Log())
		}
	}
	sys, err := admin.NewLocalClient(filepath.Join(n.Dir, "weighbridge-data")).GetSystem(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	n.proxy = sys.ProxyURL
}

// Log is what the program has said on standard error, Out on standard output.
func (n *Newcomer) Log() []byte { return n.said("log") }

// Out is what the program has said on standard output.
func (n *Newcomer) Out() []byte { return n.said("out") }

func (n *Newcomer) said(name string) []byte {
	n.t.Helper()
	text, err := os.ReadFile(filepath.Join(n.Dir, name))
	if err != nil {
		n.t.Fatal(err)
	}
	return text
}

// Stop ends the program as an operator does.
func (n *Newcomer) Stop() {
	n.t.Helper()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		n.t.Fatal(err)
	}
	if err := n.cmd.Wait(); err != nil {
		n.t.Errorf("after SIGTERM: %v", err)
	}
}

func (n *Newcomer) environ() []string {
	path := append(append([]string{filepath.Join(n.Dir, "bin")}, n.Path...), os.Getenv("PATH"))
	return append([]string{"PATH=" + strings.Join(path, ":"), "HOME=" + n.t.TempDir(), "LANG=C.UTF-8", "PROXY=" + n.proxy}, n.Environ...)
}

// Shell runs a script as somebody would type it, in the directory in which
// serve was started, and returns its output.
func (n *Newcomer) Shell(what, script string) string {
	n.t.Helper()
	return n.shell(what, script, 0)
}

func (n *Newcomer) shell(what, script string, status int) string {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-euc", script)
	cmd.Dir, cmd.Env = n.Dir, n.environ()
	out, err := cmd.CombinedOutput()
	ended := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		ended, err = exit.ExitCode(), nil
	}
	if err != nil || ended != status {
		n.t.Fatalf("%s: ended with %d, not %d: %v\n%s", what, ended, status, err, out)
	}
	return string(out)
}

// Walk does what docs/PAGE says. runs is how many of its blocks are run, so that
// none loses its mark unnoticed; no block prints one of secrets.
func (n *Newcomer) Walk(page string, runs int, secrets ...string) {
	n.t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", page))
	if err != nil {
		n.t.Fatal(err)
	}
	ran, said := 0, ""
	for i, b := range Blocks(string(text)) {
		what := page + ", block " + b.Info + ":\n" + b.Text
		if name, ok := b.value("file"); ok {
			n.Write(filepath.Base(name), b.Text)
		}
		switch {
		case b.mark("run"):
			ran++
			begun := time.Now()
			said = n.shell(what, b.Text, b.status())
			n.t.Logf("%s%s%s", what, said, time.Since(begun).Round(time.Millisecond))
			if at := slices.IndexFunc(secrets, func(s string) bool { return strings.Contains(said, s) }); at >= 0 {
				n.t.Errorf("%sprints secret %d", what, at)
			}
		case b.mark("out"):
			if line := b.missing(said); line != "" {
				n.t.Errorf("%sline %q is not in the output of the block before:\n%s", what, line, said)
			}
		case b.language() == "sh" && !b.mark("show"):
			n.t.Errorf("block %d of %s is marked %q, neither run nor show:\n%s", i, page, b.Info, b.Text)
		}
	}
	if ran != runs {
		n.t.Errorf("%s has %d blocks to run, not %d", page, ran, runs)
	}
}
