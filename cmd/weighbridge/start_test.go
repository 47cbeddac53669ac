package main

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// What packages set up before main is paid for by every command and held by
// every sidecar. Here it is bounded by memory, which does not depend on how busy
// the machine is; docs/performance.md has what it was when the bounds were set
// (1.2 MiB in all).
func TestWhatIsSetUpBeforeMainIsLittle(t *testing.T) {
	const (
		inAll = 4 << 20 // this test's own packages included
		each  = 3 << 19 // of one package
	)
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var trace strings.Builder
	cmd.Stderr = &trace
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	total, packages := 0, 0
	for _, m := range regexp.MustCompile(`(?m)^init (\S+) @.* (\d+) bytes, `).FindAllStringSubmatch(trace.String(), -1) {
		n, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		total += n
		packages++
		if n > each {
			t.Errorf("%s allocates %d bytes before main; what is that large is made when it is first needed", m[1], n)
		}
	}
	if packages < 50 {
		t.Fatalf("only %d packages were seen", packages)
	}
	t.Logf("%d packages allocate %d bytes before main", packages, total)
	if total > inAll {
		t.Errorf("all packages allocate %d bytes before main, %d allowed", total, inAll)
	}
}
