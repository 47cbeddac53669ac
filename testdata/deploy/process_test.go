package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait; reaching it is a failure.
const patience = time.Minute

// lines is an output that may be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// process is the program while it serves.
type process struct {
	t *testing.T
	// out is the standard output, log what it writes beside that.
	out, log lines
	cmd      *exec.Cmd
	ended    chan error
}

// launch runs the program, in the environment of the test where env is nil. It
// ends with the test, by a signal, and that must be a clean end.
func launch(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(program(t), args...), ended: make(chan error, 1)}
	p.cmd.Env = env
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(func() {
		p.signal(syscall.SIGTERM)
		end := time.AfterFunc(patience, func() { p.signal(os.Kill) })
		defer end.Stop()
		if err := <-p.ended; err != nil {
			t.Errorf("it ended with %v: %s", err, p.log.String())
		}
	})
	return p
}

func (p *process) signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

// over reports whether it has ended.
func (p *process) over() bool {
	select {
	case err := <-p.ended:
		p.ended <- err
		return true
	default:
		return false
	}
}

// until waits until ready says so.
func (p *process) until(what string, ready func() bool) {
	p.t.Helper()
	for begun := time.Now(); !ready(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > patience || p.over() {
			p.t.Fatalf("%s: never\n%s", what, p.log.String())
		}
	}
}
