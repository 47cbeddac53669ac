//go:build realclients && linux

package realclients

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/house/walk"
	"github.com/weighbridge/weighbridge/proxy/ca"
)

// The world is a network namespace with the Hub, and the pod one with a link
// to it. In the pod the worker's user has a firewall that lets nothing out,
// and the sidecar's has none: what tells them apart in a cluster is the
// gateway, here it is the user.
const (
	worldAddress = "10.77.0.1"
	podAddress   = "10.77.0.2"
	workerUser   = "1000"
	sidecarUser  = "65532"
	// inWorld marks the process that this test starts for itself.
	inWorld = "WEIGHBRIDGE_TEST_WORLD=1"
)

// TestPodInANamespace: a worker whose only way out is the sidecar on its
// loopback address, and who holds no key, downloads a gated model with curl,
// also when the sidecar is killed in the middle and started anew.
func TestPodInANamespace(t *testing.T) {
	if os.Getenv("WEIGHBRIDGE_TEST_WORLD") == "" {
		t.Parallel()
		if os.Getuid() != 0 {
			t.Fatal("this test makes network namespaces with two users in them: run it as root")
		}
		cmd := exec.Command("unshare", "-n", os.Args[0], "-test.run=^TestPodInANamespace$", "-test.v")
		cmd.Env = append(os.Environ(), inWorld)
		if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestPodInANamespace")) {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	w := newWorld(t)
	w.serve()

	// The firewall holds: the sidecar's user reaches the Hub, the worker's not.
	direct := "exec curl -sS --noproxy '*' --cacert public-roots.pem --resolve " + hub.Host + ":443:" + worldAddress + " -o /dev/null https://" + hub.Host + "/api/models"
	if out, err := w.in(sidecarUser, direct); err != nil {
		t.Fatalf("the sidecar's user: %v: %s", err, out)
	}
	if out, err := w.in(workerUser, direct); err == nil || !strings.Contains(out, "connect") {
		t.Fatalf("the worker's user gets out: %v: %s", err, out)
	}
	w.hub.Server.Record.Reset()

	w.hub.Server.Faults.Add(origin.Fault{Kind: origin.Stall, Host: hub.CDNHost, Method: "GET", After: 2 << 20, Times: 1})
	done := make(chan error, 1)
	var said string
	go func() {
		var err error
		said, err = w.in(workerUser, `. ./env.sh; n=0
until curl -fsSL -C - -o work/weights https://`+hub.Host+"/"+hub.SampleGated+"/resolve/main/"+hub.SampleWeights+`
do n=$((n+1)); [ $n -lt 300 ] || exit 1; sleep 0.2; done`)
		done <- err
	}()
	w.until("a part has arrived", func() bool {
		st, err := os.Stat(filepath.Join(w.dir, "work", "weights"))
		return err == nil && st.Size() > 1<<20
	})
	w.kill()
	w.serve()
	select {
	case err := <-done:
		if err != nil {
			t.Fatalf("the worker: %v: %s\n%s", err, said, w.log.String())
		}
	case <-time.After(patience):
		t.Fatalf("the worker does not end:\n%s", w.log.String())
	}
	got, err := os.ReadFile(filepath.Join(w.dir, "work", "weights"))
	if sum := sha256.Sum256(got); err != nil || hex.EncodeToString(sum[:]) != weightsDigest(t) {
		t.Errorf("%d bytes arrived, and not those of the Hub: %v", len(got), err)
	}
	resumed := false
	for _, r := range w.hub.Server.Record.On(hub.CDNHost) {
		resumed = resumed || strings.HasPrefix(r.Header.Get("Range"), "bytes=") && r.Header.Get("Range") != "bytes=0-"
	}
	if !resumed {
		t.Error("the download began anew")
	}
	for _, r := range w.hub.Server.Record.On(hub.Host) {
		if r.Authorization() != "Bearer "+directToken {
			t.Errorf("%s %s came with another token", r.Method, r.Path)
		}
	}
	if strings.Contains(w.log.String(), directToken) || strings.Contains(said, directToken) {
		t.Error("the token is shown")
	}
}

// world is the namespaces, and what runs in them.
type world struct {
	t   *testing.T
	hub *hub.Hub
	dir string
	// pod is a process that keeps the pod's namespace.
	pod     *exec.Cmd
	sidecar *exec.Cmd
	log     syncBuffer
}

// syncBuffer may be read while it is written.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: walk.ShortDir(t), pod: exec.Command("unshare", "-n", "sleep", "600")}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w.shell("ip link set lo up; ip link add wb-world type veth peer name wb-pod; ip addr add " + worldAddress + "/24 dev wb-world; ip link set wb-world up")
	must(w.pod.Start())
	t.Cleanup(func() { _ = w.pod.Process.Kill(); _ = w.pod.Wait() })
	own, err := os.Readlink("/proc/self/ns/net")
	must(err)
	w.until("the pod has a namespace", func() bool {
		its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", w.pod.Process.Pid))
		return err == nil && its != own
	})
	w.shell(fmt.Sprintf("ip link set wb-pod netns %d", w.pod.Process.Pid))
	w.shell(w.enter("ip link set lo up; ip addr add " + podAddress + "/24 dev wb-pod; ip link set wb-pod up; " +
		"ip rule add uidrange " + workerUser + "-" + workerUser + " lookup 100; ip route add unreachable default table 100"))

	w.hub, err = hub.Start(hub.Options{})
	must(err)
	t.Cleanup(func() { _ = w.hub.Close() })
	must(w.hub.AddSample())
	w.hub.AddToken(hub.Token{Value: directToken, User: "alice", Grants: []string{hub.SampleGated}})
	w.relay()
	walk.Build(t, w.dir)
	w.files()
	return w
}

// relay leads the world's address to the Hub, which is on loopback.
func (w *world) relay() {
	w.t.Helper()
	l, err := net.Listen("tcp", worldAddress+":443")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = from.Close() }()
				to, err := net.Dial("tcp", w.hub.Server.Addr())
				if err != nil {
					return
				}
				defer func() { _ = to.Close() }()
				go func() { _, _ = io.Copy(to, from); _ = to.Close() }()
				_, _ = io.Copy(from, to)
			}()
		}
	}()
}

// files are the pod's volumes, and what its init step makes.
func (w *world) files() {
	w.t.Helper()
	root, err := ca.NewRoot(time.Now(), "pod root")
	if err != nil {
		w.t.Fatal(err)
	}
	var resolve strings.Builder
	for at := range w.hub.Server.Resolve() {
		if strings.HasSuffix(at, ":443") {
			fmt.Fprintf(&resolve, "    %q: %q\n", at, worldAddress+":443")
		}
	}
	for name, text := range map[string]string{
		"public-roots.pem": string(w.hub.Server.RootPEM()), "tls.crt": string(root.CertPEM()), "tls.key": root.KeyPEM().Reveal(),
		"token": directToken, "key": auth.NewAPIKey().Reveal(),
		"weighbridge.yaml": "data_dir: off\nlisten: 127.0.0.1:8080\nadmin_listen: off\nstore: {driver: memory}\ndefault_key: pod\nunmatched: {forward: deny}\n" +
			"ca: {cert_file: tls.crt, key_file: tls.key}\nupstream:\n  ca_file: public-roots.pem\n  resolve:\n" + resolve.String() +
			"credentials: [{name: hub, provider: huggingface, fields: {token: {file: token}}, patterns: [" + hub.Host + "/acme/*]}]\n" +
			"keys: [{name: pod, value: {file: key}, credentials: [hub]}]\n",
	} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	w.shell("chown " + sidecarUser + " token key tls.key weighbridge.yaml; chmod 755 . bin; chmod 644 public-roots.pem tls.crt; mkdir work; chown " + workerUser + " work; " +
		"SSL_CERT_FILE=public-roots.pem bin/weighbridge env --no-key --ca-file tls.crt --proxy-url http://127.0.0.1:8080 --bundle ca-bundle.pem --out env.sh")
	// The worker cannot read what the sidecar holds.
	if out, err := w.in(workerUser, "cat token"); err == nil {
		w.t.Fatalf("the worker reads %s", out)
	}
}

// shell runs a script in the world, as root.
func (w *world) shell(script string) {
	w.t.Helper()
	cmd := exec.Command("sh", "-euc", script)
	cmd.Dir = w.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("%s: %v: %s", script, err, out)
	}
}

// enter is a script that runs another in the pod.
func (w *world) enter(script string) string {
	return fmt.Sprintf("exec nsenter -t %d -n sh -euc '%s'", w.pod.Process.Pid, script)
}

// command is a script in the pod as one of its users.
func (w *world) command(user, script string) *exec.Cmd {
	cmd := exec.Command("nsenter", "-t", fmt.Sprint(w.pod.Process.Pid), "-n", "setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--no-new-privs", "sh", "-uc", script)
	cmd.Dir = w.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "LANG=C.UTF-8"}
	return cmd
}

func (w *world) in(user, script string) (string, error) {
	out, err := w.command(user, script).CombinedOutput()
	return string(out), err
}

// serve starts the sidecar and waits until it is healthy, up to a tunnel.
func (w *world) serve() {
	w.t.Helper()
	w.sidecar = w.command(sidecarUser, "exec bin/weighbridge serve --config weighbridge.yaml")
	w.sidecar.Stdout, w.sidecar.Stderr = &w.log, &w.log
	if err := w.sidecar.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(w.kill)
	w.until("the sidecar is healthy", func() bool {
		_, err := w.in(sidecarUser, "exec bin/weighbridge healthcheck --connect "+hub.Host)
		return err == nil
	})
}

func (w *world) kill() {
	_ = w.sidecar.Process.Kill()
	_ = w.sidecar.Wait()
}

func (w *world) until(what string, ready func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); !ready(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("%s: never\n%s", what, w.log.String())
		}
	}
}
