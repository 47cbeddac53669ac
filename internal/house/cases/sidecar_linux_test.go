package cases

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/proxy/ca"
)

// nobody is the user that a sidecar runs as where the tests run as root: the
// image's.
const nobody = 65532

// pod is what a sidecar finds in its pod: a root file system that it cannot
// write, and a Secret mounted by the kubelet.
type pod struct {
	t       *testing.T
	dir     string
	secrets string
	version int
}

func newPod(t *testing.T) *pod {
	t.Helper()
	dir := t.TempDir()
	chmod(t, filepath.Dir(dir), 0o755) // others enter it
	p := &pod{t: t, dir: dir, secrets: filepath.Join(dir, "secrets")}
	if err := os.Mkdir(p.secrets, 0o755); err != nil {
		t.Fatal(err)
	}
	return p
}

// mount puts files into the Secret's volume, or replaces them, as the kubelet's
// atomic writer does: a new directory, the link ..data turned to it by rename,
// the old directory removed.
func (p *pod) mount(files map[string]string) {
	p.t.Helper()
	p.version++
	was, _ := os.Readlink(filepath.Join(p.secrets, "..data"))
	is := fmt.Sprintf("..2026_01_01_00_00_%02d", p.version)
	must := func(err error) {
		p.t.Helper()
		if err != nil {
			p.t.Fatal(err)
		}
	}
	must(os.Mkdir(filepath.Join(p.secrets, is), 0o755))
	for name, text := range files {
		path := filepath.Join(p.secrets, is, name)
		must(os.WriteFile(path, []byte(text), 0o644)) //nolint:gosec // the mode of a mounted Secret
		chmod(p.t, path, 0o644)
	}
	must(os.Symlink(is, filepath.Join(p.secrets, "..data_tmp")))
	must(os.Rename(filepath.Join(p.secrets, "..data_tmp"), filepath.Join(p.secrets, "..data")))
	for name := range files {
		if err := os.Symlink("..data/"+name, filepath.Join(p.secrets, name)); err != nil && was == "" {
			p.t.Fatal(err)
		}
	}
	if was != "" {
		must(os.RemoveAll(filepath.Join(p.secrets, was)))
	}
}

// root makes a signing root, and what a Secret needs of it and of the pod's key.
func (p *pod) root() (ca.Root, map[string]string) {
	p.t.Helper()
	root, err := ca.NewRoot(time.Now(), "pod root")
	if err != nil {
		p.t.Fatal(err)
	}
	return root, map[string]string{"key": auth.NewAPIKey().Reveal(), "tls.crt": string(root.CertPEM()), "tls.key": root.KeyPEM().Reveal()}
}

// config writes that of a sidecar without a disk, whose one credential has the
// token that source names, and more behind it.
func (p *pod) config(source, more string) (path string) {
	p.t.Helper()
	path = filepath.Join(p.dir, "weighbridge.yaml")
	writeFile(p.t, path, fmt.Sprintf(`data_dir: off
listen: 127.0.0.1:0
admin_listen: off
store: {driver: memory}
default_key: pod
ca: {cert_file: %[1]s/tls.crt, key_file: %[1]s/tls.key}
credentials:
  - {name: hub, provider: http_bearer, fields: {token: {%[3]s}}, patterns: ["%[2]s/*"]}
keys:
  - {name: pod, value: {file: %[1]s/key}, credentials: [hub]}
%[4]s`, p.secrets, guarded, source, more))
	chmod(p.t, path, 0o644)
	return path
}

// files lists everything in the pod's directory.
func (p *pod) files() string {
	p.t.Helper()
	var out []string
	err := filepath.WalkDir(p.dir, func(path string, _ fs.DirEntry, err error) error {
		out = append(out, path)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.Join(out, "\n")
}

// restricted makes the process a container's: another user where we are root,
// no supplementary group, in the directory that it cannot write.
func (p *pod) restricted(c *exec.Cmd) {
	c.Dir = p.dir
	if os.Getuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
}

// usedLine is the record of a download of weights.
var usedLine = regexp.MustCompile(`"action":"used".*"path":"/weights".*"writer":"use`)

var sidecarLine = regexp.MustCompile(`"proxy":"(http://[^"]+)","admin":"off"`)

// TestR33_SidecarWithoutADisk: only what is declared, a store in memory, no
// admin listener, a user that may write nothing, and callers without a key. A
// Secret that the kubelet swaps is taken while a download runs: the next
// request has the new token, and no byte of the download is lost.
func TestR33_SidecarWithoutADisk(t *testing.T) {
	t.Parallel()
	p := newPod(t)
	weights := origin.Random(33, 3<<20)
	old, fresh := house.NewCanary("tok_"), house.NewCanary("tok_")
	swapped := make(chan struct{})
	var begun atomic.Bool
	s, err := origin.Listen(origin.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	mount(t, map[string]http.Handler{guarded: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/weights" && r.Header.Get("Authorization") == "Bearer "+old.Value():
			w.Header().Set("Content-Length", itoa(weights.Size()))
			buf := make([]byte, weights.Size())
			_, _ = weights.ReadAt(buf, 0)
			_, _ = w.Write(buf[:1<<20])
			_ = http.NewResponseController(w).Flush()
			begun.Store(true)
			select {
			case <-swapped:
			case <-r.Context().Done():
				return
			}
			_, _ = w.Write(buf[1<<20:])
		case r.URL.Path == "/next" && r.Header.Get("Authorization") == "Bearer "+fresh.Value():
			_, _ = w.Write([]byte("fresh"))
		default:
			w.WriteHeader(http.StatusUnauthorized)
		}
	})})(s)

	root, secret := p.root()
	secret["token"], secret["upstream.pem"] = old.Value(), string(s.RootPEM())
	p.mount(secret)
	config := p.config(fmt.Sprintf("file: %s/token", p.secrets),
		fmt.Sprintf("upstream: {ca_file: %s/upstream.pem, resolve: {\"%s:443\": \"%s\"}}\naudit: {followers: [{name: out, type: stdout}]}\n", p.secrets, guarded, s.Addr()))
	chmod(t, p.dir, 0o555)
	t.Cleanup(func() { _ = os.Chmod(p.dir, 0o755) })
	before := p.files()

	if _, err := program(); err != nil { // so that the time is the start's
		t.Fatal(err)
	}
	from := time.Now()
	// Nor has it a directory for temporary files.
	c := runAs(t, p.restricted, "off", []string{"TMPDIR=" + p.dir}, "serve", "--config", config)
	var at []string
	c.until("it serves", func() bool {
		at = sidecarLine.FindStringSubmatch(c.out.String())
		return at != nil
	})
	t.Logf("served after %s, with %s", time.Since(from).Round(time.Millisecond), residentSet(c.cmd.Process.Pid))
	proxy, err := url.Parse(at[1])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root.Certificate())
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}}
	d := download(t, client, "https://"+guarded+"/weights")
	if !usedLine.MatchString(c.out.String()) {
		t.Error("the download began before its record was on the standard output")
	}
	c.until("the download runs", begun.Load)
	secret["token"] = fresh.Value()
	p.mount(secret)
	c.until("the new token is in use", func() bool { return strings.Contains(c.out.String(), "watched secrets changed: what is new is in use") })
	next := download(t, client, "https://"+guarded+"/next")
	if body, err := next.read(); err != nil || next.head.StatusCode != http.StatusOK || string(body) != "fresh" {
		t.Errorf("after the swap: %s, %q, %v", next.head.Status, body, err)
	}
	close(swapped)
	body, err := d.read()
	if sum := sha256.Sum256(body); err != nil || d.head.StatusCode != http.StatusOK || hex.EncodeToString(sum[:]) != origin.SHA256(weights) {
		t.Errorf("the download across the swap: %s, %d bytes, %v", d.head.Status, len(body), err)
	}

	for _, w := range writes(t, c.cmd.Process.Pid) {
		t.Errorf("it has %s open for writing", w)
	}
	c.signal(syscall.SIGTERM)
	if code := c.wait(); code != 0 {
		t.Errorf("it ended with %d:\n%s", code, c.out.String())
	}
	chmod(t, p.dir, 0o755)
	if after := strings.ReplaceAll(p.files(), "..2026_01_01_00_00_02", "..2026_01_01_00_00_01"); after != before {
		t.Errorf("files were made:\n%s", after)
	}
	for _, one := range []*house.Canary{old, fresh} {
		if hits := one.Search("the log", []byte(c.out.String())); len(hits) > 0 {
			t.Errorf("%v", hits)
		}
	}
	for _, action := range []string{auth.ActionCredentialCreate, auth.ActionFinished, chain.ActionCheckpoint} {
		if !strings.Contains(c.out.String(), `"action":"`+action+`"`) {
			t.Errorf("%s is not on the standard output", action)
		}
	}
	if strings.Contains(c.out.String(), `"level":"warn"`) {
		t.Errorf("a sidecar as it should be is warned about:\n%s", c.out.String())
	}
}

// A store that is a file needs a directory: said before anything starts.
func TestNoDirectoryIsForMemory(t *testing.T) {
	t.Parallel()
	refused(t, "bbolt without a directory", start(t, "off", nil), "data_dir")
}

// residentSet is VmRSS of a process, in the words of proc(5).
func residentSet(pid int) string {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmRSS:") {
			return strings.Join(strings.Fields(line), " ")
		}
	}
	return "no VmRSS"
}

// writes are the regular files that a process may write.
func writes(t *testing.T, pid int) []string {
	t.Helper()
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(fds) == 0 {
		t.Fatalf("no descriptors: %v", err)
	}
	var out []string
	for _, fd := range fds {
		to, err := os.Readlink(fd)
		if err != nil {
			continue // closed since
		}
		link, err := os.Lstat(fd) // its permission bits are the descriptor's
		if st, serr := os.Stat(to); err == nil && serr == nil && st.Mode().IsRegular() && link.Mode()&0o200 != 0 {
			out = append(out, to)
		}
	}
	return out
}
