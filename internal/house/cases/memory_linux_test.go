package cases

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/proxy/ca"
)

// TestR28_NoOtherProcessReadsItsMemory, nor its environment, where it is of the
// same user and not root; and no core file is written.
func TestR28_NoOtherProcessReadsItsMemory(t *testing.T) {
	t.Parallel()
	p := newPod(t)
	root, err := ca.NewRoot(time.Now(), "pod root")
	if err != nil {
		t.Fatal(err)
	}
	p.mount(map[string]string{"key": auth.NewAPIKey().Reveal(), "tls.crt": string(root.CertPEM()), "tls.key": root.KeyPEM().Reveal()})
	config := filepath.Join(p.dir, "weighbridge.yaml")
	writeFile(t, config, fmt.Sprintf(`data_dir: off
listen: 127.0.0.1:0
admin_listen: off
store: {driver: memory}
default_key: pod
ca: {cert_file: %[1]s/tls.crt, key_file: %[1]s/tls.key}
credentials:
  - {name: hub, provider: http_bearer, fields: {token: {env: HUB_TOKEN}}, patterns: ["%[2]s/*"]}
keys:
  - {name: pod, value: {file: %[1]s/key}, credentials: [hub]}
`, p.secrets, guarded))
	chmod(t, config, 0o644)
	token := house.NewCanary("tok_")
	env := "HUB_TOKEN=" + token.Value()
	c := runAs(t, p.restricted, "off", []string{env}, "serve", "--config", config)
	c.until("it serves", func() bool { return sidecarLine.MatchString(c.out.String()) })

	// read asks as another process of the same user.
	read := func(pid int, file string) ([]byte, error) {
		other := exec.Command("cat", fmt.Sprintf("/proc/%d/%s", pid, file)) //nolint:gosec // a process of the test
		p.restricted(other)
		return other.Output()
	}
	open := exec.Command("sleep", "60")
	p.restricted(open)
	open.Env = append(os.Environ(), env)
	if err := open.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = open.Process.Kill(); _ = open.Wait() }()
	c.until("a process that is not confined can be read", func() bool {
		b, err := read(open.Process.Pid, "environ")
		return err == nil && bytes.Contains(b, []byte(token.Value()))
	})

	if os.Getuid() == 0 { // otherwise the tests' user may be allowed more
		for _, file := range []string{"environ", "maps"} {
			if b, err := read(c.cmd.Process.Pid, file); err == nil || len(b) > 0 {
				t.Errorf("%d bytes of %s were read", len(b), file)
			}
		}
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", c.cmd.Process.Pid))
	if err != nil || !regexp.MustCompile(`Max core file size +0 +0 `).Match(limits) {
		t.Errorf("core files: %v\n%s", err, limits)
	}
}
