package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/bench/internal/field"
	"github.com/weighbridge/weighbridge/bench/internal/pki"
	"github.com/weighbridge/weighbridge/bench/internal/report"
	"github.com/weighbridge/weighbridge/bench/internal/rounds"
)

// Where a run is kept, below the bench module.
const (
	resultsDir = "results"
	latestJSON = "latest.json"
	latestText = "latest.md"
)

// words is a flag of names with commas between.
type words []string

func (w *words) String() string { return strings.Join(*w, ",") }
func (w *words) Set(s string) error {
	*w = strings.Split(s, ",")
	return nil
}

// compare is `bench run`.
func compare(ctx context.Context, args []string) (err error) {
	o := rounds.Options{Say: os.Stderr}
	f := flag.NewFlagSet("run", flag.ExitOnError)
	f.IntVar(&o.Rounds, "rounds", 5, "rounds; each gives every peer every work once")
	f.Int64Var(&o.Scale, "scale", 1, "divide bodies and times by this")
	f.IntVar(&o.Stretch, "stretch", 1, "multiply the times of works that last a time by this")
	f.DurationVar(&o.Limit, "limit", 18*time.Minute, "begin no round that would end later")
	f.Var((*words)(&o.Peers), "peers", "only these peers")
	f.Var((*words)(&o.Modes), "modes", "only these modes")
	f.Var((*words)(&o.Works), "works", "only these works: 1, 8, 128, small, \"first byte\", connects, kept, long")
	f.StringVar(&o.Profile, "profile", "", "run weighbridge under the profiler, and write profiles into this directory")
	dir := f.String("dir", "", "directory for the data of the run; must be on a disk (default the system's)")
	out := f.String("out", resultsDir, "directory for the results")
	weighbridge := f.String("weighbridge", "", "the weighbridge to measure (default: built from the source beside)")
	onlyMust := f.Bool("must", false, "print the goals alone")
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.Rounds < 1 || o.Scale < 1 || o.Stretch < 1 {
		return errors.New("-rounds, -scale and -stretch are at least 1")
	}
	rig, clean, err := build(ctx, *dir, *weighbridge, o.Profile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, clean()) }()
	run, err := rounds.Compare(ctx, rig, o)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	if err := run.Save(filepath.Join(*out, latestJSON)); err != nil {
		return err
	}
	var text bytes.Buffer
	if err := run.Markdown(&text); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(*out, latestText), text.Bytes(), 0o644); err != nil {
		return err
	}
	if *onlyMust {
		return run.Musts(os.Stdout)
	}
	_, err = os.Stdout.Write(text.Bytes())
	return err
}

// must is `bench must`: the goals by the last run.
func must(_ context.Context, args []string) error {
	f := flag.NewFlagSet("must", flag.ExitOnError)
	out := f.String("out", resultsDir, "directory of the results")
	whole := f.Bool("all", false, "the tables too")
	if err := f.Parse(args); err != nil {
		return err
	}
	run, err := report.Load(filepath.Join(*out, latestJSON))
	if err != nil {
		return fmt.Errorf("no run to look at (make bench makes one): %w", err)
	}
	if *whole {
		return run.Markdown(os.Stdout)
	}
	return run.Musts(os.Stdout)
}

// build makes what all peers share: directories, certificates, the programs.
func build(ctx context.Context, dir, weighbridge, profile string) (*field.Rig, func() error, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	work, err := os.MkdirTemp(dir, "weighbridge-bench-")
	if err != nil {
		return nil, nil, err
	}
	made := []string{work}
	clean := func() (err error) {
		for _, d := range made {
			err = errors.Join(err, os.RemoveAll(d))
		}
		return err
	}
	fail := func(err error) (*field.Rig, func() error, error) { return nil, nil, errors.Join(err, clean()) }
	// Peers that go on as a user of their own have to pass.
	if err := os.Chmod(work, 0o755); err != nil {
		return fail(err)
	}
	rig := &field.Rig{Dir: work, Token: "hf_" + rand.Text(), Self: self, Weighbridge: weighbridge, Profile: profile}
	if memory, err := os.MkdirTemp("/dev/shm", "weighbridge-bench-"); err == nil {
		rig.Memory = memory
		made = append(made, memory)
	}
	if rig.Files, err = pki.Make(work, field.Host); err != nil {
		return fail(err)
	}
	if profile != "" {
		if rig.Profile, err = filepath.Abs(profile); err != nil {
			return fail(err)
		}
		if err := os.MkdirAll(rig.Profile, 0o755); err != nil {
			return fail(err)
		}
	}
	if weighbridge == "" {
		rig.Weighbridge = filepath.Join(work, "weighbridge")
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", rig.Weighbridge, "./cmd/weighbridge")
		cmd.Dir, cmd.Stderr, cmd.Env = "..", os.Stderr, append(os.Environ(), "CGO_ENABLED=0")
		if err := cmd.Run(); err != nil {
			return fail(fmt.Errorf("building weighbridge (run this in the bench directory): %w", err))
		}
	}
	return rig, clean, nil
}
