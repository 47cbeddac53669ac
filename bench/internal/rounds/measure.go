package rounds

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/weighbridge/weighbridge/bench/internal/field"
	"github.com/weighbridge/weighbridge/bench/internal/load"
	"github.com/weighbridge/weighbridge/bench/internal/proc"
	"github.com/weighbridge/weighbridge/bench/internal/report"
)

// measure does one job with one peer. What the peer does wrong is a sample
// that says so; an error is the rig's own.
func (c *comparison) measure(ctx context.Context, round int, j *job, r *field.Running) error {
	if j.once && r.Process != nil {
		fresh, err := r.Peer.Start(ctx, c.rig)
		if err != nil {
			return err
		}
		defer fresh.Stop()
		r = fresh
	}
	s := report.Sample{Round: round, Peer: r.Name, Mode: string(r.Mode), Work: j.work}
	plan := r.Plan
	plan.Kind, plan.Conns, plan.Bytes, plan.Time, plan.Limit = j.kind, j.conns, j.bytes, j.time, jobLimit
	err := c.sample(ctx, &plan, r.Process, &s)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		s.Error = err.Error()
		c.say("%s, %s: %v", r.ID(), j.work, err)
	}
	c.out.Samples = append(c.out.Samples, s)
	return nil
}

// sample runs the client and reads the peer's counters around its work.
func (c *comparison) sample(ctx context.Context, plan *load.Plan, p *proc.Process, s *report.Sample) (err error) {
	cl, err := startClient(ctx, c.rig.Self, plan)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cl.close()) }()
	if p != nil {
		// Before the connections, which are a part of what work needs.
		if s.Rest, err = p.RSS(); err != nil {
			return err
		}
		if err := p.ResetPeak(); err != nil {
			return err
		}
	}
	if err := cl.begin(plan); err != nil {
		return err
	}
	var before time.Duration
	if p != nil {
		if before, err = p.CPU(); err != nil {
			return err
		}
	}
	res, err := cl.work()
	if err != nil {
		return err
	}
	s.Ops, s.Bytes, s.Seconds, s.P50, s.P99 = res.Ops, res.Bytes, res.Seconds, res.P50, res.P99
	if p == nil {
		return nil
	}
	after, err := p.CPU()
	if err != nil {
		return err
	}
	s.CPU = (after - before).Seconds()
	s.Peak, err = p.Peak()
	return err
}

// client is the load program.
type client struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	err bytes.Buffer
}

func startClient(ctx context.Context, self string, _ *load.Plan) (*client, error) {
	c := &client{cmd: exec.CommandContext(ctx, self, "load")}
	c.cmd.Stderr = &c.err
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	return c, c.cmd.Start()
}

// begin sends the plan and waits until the client is connected.
func (c *client) begin(plan *load.Plan) error {
	if err := json.NewEncoder(c.in).Encode(plan); err != nil {
		return err
	}
	line, err := c.line()
	if err != nil {
		return err
	}
	if line == load.Ready {
		return nil
	}
	var r load.Result
	if err := json.Unmarshal([]byte(line), &r); err != nil || r.Error == "" {
		return fmt.Errorf("the client said %q", line)
	}
	return errors.New(r.Error)
}

// work lets the client work and returns its result.
func (c *client) work() (load.Result, error) {
	var r load.Result
	if _, err := io.WriteString(c.in, "go\n"); err != nil {
		return r, err
	}
	line, err := c.line()
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		return r, err
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}

func (c *client) line() (string, error) {
	s, err := c.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("the client ended: %w", err)
	}
	return strings.TrimSpace(s), nil
}

// close ends the client, which goes on until its input ends.
func (c *client) close() error {
	_ = c.in.Close()
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("the client: %w: %s", err, c.err.String())
	}
	return nil
}
