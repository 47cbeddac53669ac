package cases

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"testing"

	"github.com/weighbridge/weighbridge/internal/house"
)

// TestR28_NoOtherProcessReadsItsMemory, nor its environment, where it is of the
// same user and not root; and no core file is written.
func TestR28_NoOtherProcessReadsItsMemory(t *testing.T) {
	t.Parallel()
	p := newPod(t)
	_, secret := p.root()
	p.mount(secret)
	config := p.config("env: HUB_TOKEN", "")
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
