package audit

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

const crashDir = "WEIGHBRIDGE_TEST_AUDIT_CRASH_DIR"

// TestCrashHelper is the process that TestR02_KilledProcess kills: it prints
// the id of each request once its admission is durable.
func TestCrashHelper(t *testing.T) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		return // not started as the helper: nothing to test here
	}
	f := openTest(t, dir, FileOptions{})
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := 0; ; i++ {
				req := fmt.Sprintf("req_%d_%d_%d", os.Getpid(), w, i)
				if err := f.Record(used(req)).Wait(t.Context()); err != nil {
					t.Error(err)
					return
				}
				fmt.Println("durable", req)
				if i%3 != 0 {
					f.Record(finished(req))
				}
			}
		})
	}
	wg.Wait()
}

// R2, R3: whatever moment a process is killed at, what was promised is on
// file, and each admission has exactly one outcome after the next start.
func TestR02_KilledProcessLosesNothing(t *testing.T) {
	dir := t.TempDir()
	promised := map[string]bool{}
	for round := range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestCrashHelper$")
		cmd.Env = append(os.Environ(), crashDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		n := 0
		for in := bufio.NewScanner(out); in.Scan(); {
			if req, ok := strings.CutPrefix(in.Text(), "durable "); ok {
				promised[req] = true
				if n++; n == 100+37*round {
					if err := cmd.Process.Kill(); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		_ = cmd.Wait()
	}
	f := openTest(t, dir, FileOptions{})
	if err := f.Record(auth.Event{Action: auth.ActionConfigReload}).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	admitted, outcomes := map[string]int{}, map[string]int{}
	if err := f.Events(t.Context(), time.Time{}, func(e auth.Event) bool {
		switch e.Action {
		case auth.ActionUsed:
			admitted[e.RequestID]++
		case auth.ActionFinished:
			outcomes[e.RequestID]++
		}
		return true
	}); err != nil {
		t.Fatal(err) // a torn line that was not closed off
	}
	if len(promised) < 500 {
		t.Fatalf("only %d requests were promised: the helper did not run", len(promised))
	}
	for req := range promised {
		if admitted[req] != 1 {
			t.Errorf("%s was promised and is on file %d times", req, admitted[req])
		}
	}
	for req := range admitted {
		if outcomes[req] != 1 {
			t.Errorf("%s has %d outcomes", req, outcomes[req])
		}
	}
}
