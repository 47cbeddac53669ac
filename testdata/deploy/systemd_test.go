package deploy

import (
	"os/exec"
	"regexp"
	"strconv"
	"testing"
)

var exposure = regexp.MustCompile(`Overall exposure level for [^:]+: ([0-9.]+)`)

// TestR33_TheUnitIsHardened asks systemd-analyze, which setup.sh installs.
func TestR33_TheUnitIsHardened(t *testing.T) {
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", root+"/deploy/systemd/weighbridge.service").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	m := exposure.FindStringSubmatch(string(out))
	if m == nil {
		t.Fatalf("no figure: %s", out)
	}
	level, err := strconv.ParseFloat(m[1], 64)
	if err != nil || level >= 2 {
		t.Errorf("the exposure level is %s\n%s", m[1], out)
	}
}
