// Package proc starts the processes of a run, measures what their trees cost,
// and ends them: those and no others.
package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Process is a process that was started, and what it starts.
type Process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
	once sync.Once
	err  error
}

// Spec says what to start.
type Spec struct {
	Args []string
	Env  []string // nil is that of this process
	Dir  string
	// Log is the file that takes standard output and standard error.
	Log string
}

// Start starts a process, in a group of its own so that its children can be
// ended with it. It is killed should this process die.
func Start(s Spec) (*Process, error) {
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(s.Args[0], s.Args[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = s.Env, s.Dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, log: s.Log, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Await waits until something accepts at addr, the process ends, or ctx does.
func (p *Process) Await(ctx context.Context, addr string) error {
	for {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-p.done:
			return fmt.Errorf("it ended (%w): %s", p.err, p.Tail())
		case <-ctx.Done():
			return fmt.Errorf("nothing listens at %s: %s", addr, p.Tail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// tailSize is how much of a log is shown.
const tailSize = 600

// Tail is the end of what the process wrote.
func (p *Process) Tail() string {
	f, err := os.Open(p.log)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Seek(-tailSize, io.SeekEnd); err != nil {
		_, _ = f.Seek(0, io.SeekStart)
	}
	b, _ := io.ReadAll(f)
	return string(b)
}

// grace is how long a process may take to end by itself.
const grace = 3 * time.Second

// Stop ends the process and what it started.
func (p *Process) Stop() {
	p.once.Do(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(grace):
		}
		// Its group is named by its id, which is still ours: the leader was
		// waited for only by us, and a group lives on while a member does.
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
	})
}

// CPU is the CPU time that the process and its living descendants have used.
func (p *Process) CPU() (total time.Duration, err error) {
	for _, pid := range tree(p.cmd.Process.Pid) {
		d, e := cpu(pid)
		err = errors.Join(err, e)
		total += d
	}
	return total, err
}

// RSS is the resident memory of the tree in bytes.
func (p *Process) RSS() (int64, error) { return p.sum("VmRSS") }

// Peak is the highest resident memory of each process of the tree since the
// last ResetPeak, summed.
func (p *Process) Peak() (int64, error) { return p.sum("VmHWM") }

// ResetPeak begins a new Peak.
func (p *Process) ResetPeak() error {
	for _, pid := range tree(p.cmd.Process.Pid) {
		if err := resetPeak(pid); err != nil {
			return err
		}
	}
	return nil
}

func (p *Process) sum(field string) (total int64, err error) {
	for _, pid := range tree(p.cmd.Process.Pid) {
		n, e := memory(pid, field)
		err = errors.Join(err, e)
		total += n
	}
	return total, err
}
