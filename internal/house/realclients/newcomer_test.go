//go:build realclients

package realclients

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// TestNewcomer does what the README's quick start says, with the program as it
// is built and shells as people use them: serve, credential create, key
// create, env, and then curl and huggingface_hub on a worker without a token.
func TestNewcomer(t *testing.T) {
	t.Parallel()
	h, err := hub.Start(hub.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	if err := h.AddSample(); err != nil {
		t.Fatal(err)
	}
	h.AddToken(hub.Token{Value: directToken, User: "alice", Grants: []string{hub.SampleGated}})
	n := newcomer{t: t, dir: shortDir(t)}
	n.build()
	n.configure(h)
	n.serve()

	shown, err := os.ReadFile(filepath.Join(n.dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	key := regexp.MustCompile(`wbk_[A-Za-z0-9]{40,}`).FindString(string(shown))
	if key == "" {
		t.Fatalf("the first start shows no key:\n%s", shown)
	}
	n.shell("credential create", "export HF_TOKEN="+directToken+
		"\nweighbridge credential create --provider huggingface --name hub --set token=env:HF_TOKEN --key worker")
	if out := n.shell("explain", "weighbridge explain https://huggingface.co/"+hub.SampleGated+"/resolve/main/config.json --key worker"); !strings.Contains(out, "hub") {
		t.Errorf("explain does not name the credential:\n%s", out)
	}
	second := regexp.MustCompile(`wbk_[A-Za-z0-9]{40,}`).FindString(n.shell("key create", "weighbridge key create --name trainer --expires 90d --credential hub"))

	want := weightsDigest(t)
	for name, script := range map[string]string{
		"forward, curl": `eval "$(weighbridge env --key env:WEIGHBRIDGE_KEY)"
curl -fsSL -o "$OUT" https://huggingface.co/` + hub.SampleGated + `/resolve/main/` + hub.SampleWeights,
		"forward, huggingface_hub": `eval "$(weighbridge env --key env:WEIGHBRIDGE_KEY)"
cp "$("$PYTHON" "$SCRIPTS/hub_download.py" ` + hub.SampleGated + ` "$OUT.d" ` + hub.SampleWeights + `)" "$OUT"`,
		"reverse, huggingface_hub": `eval "$(weighbridge env --key env:WEIGHBRIDGE_KEY --mode reverse)"
cp "$("$PYTHON" "$SCRIPTS/hub_download.py" ` + hub.SampleGated + ` "$OUT.d" ` + hub.SampleWeights + `)" "$OUT"`,
		"reverse, curl": `eval "$(weighbridge env --key env:WEIGHBRIDGE_KEY --mode reverse)"
curl -fsSL -o "$OUT" -H "Authorization: Bearer $HF_TOKEN" "$HF_ENDPOINT/` + hub.SampleGated + `/resolve/main/` + hub.SampleWeights + `"`,
	} {
		for who, k := range map[string]string{"the first key": key, "a new key": second} {
			out := filepath.Join(t.TempDir(), "file")
			n.shell(name, "export WEIGHBRIDGE_KEY="+k+"\nOUT="+out+"\n"+script)
			got, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			if sum := sha256.Sum256(got); hex.EncodeToString(sum[:]) != want {
				t.Errorf("%s with %s: %d bytes that are not the file", name, who, len(got))
			}
		}
	}
	for _, host := range hub.CompanionHosts() {
		for _, a := range h.Server.Record.Authorizations(host) {
			if strings.Contains(a, directToken) {
				t.Errorf("%s saw the token", host)
			}
		}
	}
	if out := n.shell("audit", "weighbridge audit --key trainer"); !strings.Contains(out, "used") || strings.Contains(out, directToken) {
		t.Errorf("the record:\n%s", out)
	}
	n.stop()
	log, err := os.ReadFile(filepath.Join(n.dir, "log"))
	if err != nil || !bytes.Contains(log, []byte("stopped")) {
		t.Errorf("it did not stop by itself: %v\n%s", err, log)
	}
}

// shortDir is a directory whose path leaves room for a unix socket's.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "wb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

type newcomer struct {
	t   *testing.T
	dir string
	cmd *exec.Cmd
}

func (n *newcomer) build() {
	n.t.Helper()
	build := exec.Command("go", "build", "-o", filepath.Join(n.dir, "bin", "weighbridge"), "../../../cmd/weighbridge")
	if out, err := build.CombinedOutput(); err != nil {
		n.t.Fatalf("go build: %v\n%s", err, out)
	}
}

// configure points the hosts of the Hub at the fake one. Its root stands in
// for the public roots, which a worker's bundle holds beside ours.
func (n *newcomer) configure(h *hub.Hub) {
	n.t.Helper()
	root := filepath.Join(n.dir, "public-roots.pem")
	if err := os.WriteFile(root, h.Server.RootPEM(), 0o600); err != nil {
		n.t.Fatal(err)
	}
	text, err := yaml.Marshal(map[string]any{
		"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0",
		"upstream": map[string]any{"ca_file": root, "resolve": h.Server.Resolve()},
	})
	if err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(n.dir, "weighbridge.yaml"), text, 0o600); err != nil {
		n.t.Fatal(err)
	}
}

func (n *newcomer) environ() []string {
	path := filepath.Join(n.dir, "bin") + ":" + os.Getenv("PATH")
	return []string{"PATH=" + path, "HOME=" + n.t.TempDir(), "LANG=C.UTF-8", "HF_HUB_DISABLE_TELEMETRY=1", "PYTHON=" + python("python2-xet"), "SCRIPTS=" + scriptDir}
}

func (n *newcomer) serve() {
	n.t.Helper()
	n.cmd = exec.Command(filepath.Join(n.dir, "bin", "weighbridge"), "serve", "--config", "weighbridge.yaml")
	n.cmd.Dir = n.dir
	n.cmd.Env = append(n.environ(), "SSL_CERT_FILE="+filepath.Join(n.dir, "public-roots.pem"))
	for name, to := range map[string]*io.Writer{"out": &n.cmd.Stdout, "log": &n.cmd.Stderr} {
		f, err := os.Create(filepath.Join(n.dir, name))
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
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		log, _ := os.ReadFile(filepath.Join(n.dir, "log"))
		if bytes.Contains(log, []byte("serving")) {
			return
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("it does not serve:\n%s", log)
		}
	}
}

func (n *newcomer) stop() {
	n.t.Helper()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		n.t.Fatal(err)
	}
	if err := n.cmd.Wait(); err != nil {
		n.t.Errorf("after SIGTERM: %v", err)
	}
}

// shell runs a script as a newcomer would type it, in the directory in which
// serve was started.
func (n *newcomer) shell(what, script string) string {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-euc", script)
	cmd.Dir, cmd.Env = n.dir, n.environ()
	out, err := cmd.CombinedOutput()
	if err != nil {
		n.t.Fatalf("%s: %v\n%s", what, err, out)
	}
	return string(out)
}

// weightsDigest is what the Hub's sample weights have on branch main.
func weightsDigest(t *testing.T) string {
	t.Helper()
	files, err := hub.SampleFiles(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Path == hub.SampleWeights {
			return origin.SHA256(f.Content)
		}
	}
	t.Fatal("the sample has no weights")
	return ""
}
