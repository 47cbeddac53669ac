package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/config"
)

// The exit codes. They are part of the contract with scripts: docs/cli.md.
const (
	exitOK          = 0
	exitFailure     = 1 // anything not named below
	exitUsage       = 2 // unknown command or flag, missing or malformed argument
	exitNotFound    = 3 // the named credential or key does not exist
	exitConflict    = 4 // the name is taken, read-only, or the secret must be given again
	exitUnreachable = 5 // no weighbridge answers on admin.sock
	exitInvalid     = 6 // the configuration or a value is not valid
	exitDenied      = 7 // explain, doctor, preflight: a request would be refused
	exitLater       = 8 // preflight: it cannot be told now
)

// app is one run of the command line: what it reads and writes.
type app struct {
	environ []string
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
	now     func() time.Time

	dataDir string
	remote  remoteFlags
	api     *admin.Client
	json    bool
	yes     bool
}

// exitError carries an exit code up to run.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// errPrinted stands for an error that standard output tells already.
var errPrinted = errors.New("")

// noArgs refuses arguments without repeating them: what stands there may be a
// secret that was meant for a flag.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !c.HasSubCommands() {
		return usage("`%s` takes no arguments, and %d were given\nRun `%s --help` for what it takes", c.CommandPath(), len(args), c.CommandPath())
	}
	// A word of letters is a slip; anything else is not looked at closer.
	what, next := "no such command", ""
	if word := args[0]; len(word) <= maxCommandWord && strings.Trim(strings.ToLower(word), "abcdefghijklmnopqrstuvwxyz-") == "" {
		what = fmt.Sprintf("no command %q", word)
		c.SuggestionsMinimumDistance = 2
		if near := c.SuggestionsFor(word); len(near) > 0 {
			next = "\nDid you mean " + list(near) + "?"
		}
	}
	return usage("there is %s of `%s`%s\nRun `%s --help` for what there is", what, c.CommandPath(), next, c.CommandPath())
}

// maxCommandWord is longer than any command's name.
const maxCommandWord = 16

// run is the whole program: tests call it as main does.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{environ: environ, stdin: stdin, stdout: stdout, stderr: stderr, now: time.Now}
	root := a.command()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	c, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if c != nil && cobraUsage(err) {
		err = usage("%w\nRun `%s --help` for what it takes", err, c.CommandPath())
	}
	a.report(err)
	return exitCode(err)
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "weighbridge",
		Short: "The checkpoint that model weights cross on their way to a GPU",
		Long: "weighbridge fetches gated and private models for workers that hold no secret:\n" +
			"it identifies the worker by its API key, matches each URL to a credential linked\n" +
			"to that key, puts it on the request and streams the bytes.\n\n" +
			"Exit codes: 0 done, 1 failure, 2 wrong command line, 3 not found, 4 conflict,\n" +
			"5 no weighbridge answers, 6 not valid, 7 refused or at fault (explain, doctor,\n" +
			"preflight), 8 not to be told now (preflight).",
		SilenceUsage: true, SilenceErrors: true,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	def := a.env("WEIGHBRIDGE_DATA_DIR")
	if def == "" {
		def = "./weighbridge-data"
	}
	root.PersistentFlags().StringVar(&a.dataDir, "data-dir", def, "data directory, where admin.sock is (WEIGHBRIDGE_DATA_DIR)")
	a.remote.declare(root.PersistentFlags())
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print the API's JSON instead of a table")
	root.PersistentFlags().BoolVarP(&a.yes, "yes", "y", false, "do not ask for confirmation")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &exitError{exitUsage, fmt.Errorf("%w\nRun `%s --help` for what it takes", err, c.CommandPath())}
	})
	root.AddCommand(
		a.serveCommand(), a.checkCommand(), a.credentialCommand(), a.keyCommand(), a.s3KeyCommand(), a.cloudProviderCommand(),
		a.userCommand(), a.teamCommand(), a.memberCommand(), a.tokenCommand(),
		a.linkCommand(), a.unlinkCommand(), a.explainCommand(), a.envCommand(), a.caCommand(), a.kekCommand(),
		a.auditCommand(), a.usageCommand(), a.backupCommand(), a.restoreCommand(), a.storeCommand(), a.transfersCommand(), a.healthcheckCommand(), a.doctorCommand(), a.preflightCommand(), a.injectCommand(),
		a.demoCommand(), a.versionCommand(),
	)
	return root
}

// report prints an error for a person: what, then the next step.
func (a *app) report(err error) {
	var problems config.Problems
	var p *admin.Problem
	switch {
	case errors.Is(err, errPrinted):
	case errors.As(err, &problems):
		for _, one := range problems {
			_, _ = fmt.Fprintln(a.stderr, one.Error())
		}
	case errors.As(err, &p):
		_, _ = fmt.Fprintf(a.stderr, "weighbridge: %s\n", p.Detail)
		if p.Next != "" {
			_, _ = fmt.Fprintf(a.stderr, "  %s\n", p.Next)
		}
	default:
		_, _ = fmt.Fprintf(a.stderr, "weighbridge: %s\n", err)
	}
}

func exitCode(err error) int {
	var ee *exitError
	var p *admin.Problem
	var problems config.Problems
	switch {
	case errors.As(err, &ee):
		return ee.code
	case errors.As(err, &problems):
		return exitInvalid
	case errors.Is(err, admin.ErrUnreachable):
		return exitUnreachable
	case errors.As(err, &p):
		switch p.Status {
		case 404:
			return exitNotFound
		case 409:
			return exitConflict
		case 400, 422:
			return exitInvalid
		}
	}
	return exitFailure
}

// cobraUsage recognises cobra's own errors about a command line.
func cobraUsage(err error) bool {
	s := err.Error()
	return strings.HasPrefix(s, "unknown command") || strings.HasPrefix(s, "required flag") || strings.Contains(s, "flags in the group [") || strings.Contains(s, " arg(s), ")
}

// env looks a variable up in the environment the run was given.
func (a *app) env(name string) string {
	v, _ := a.lookup(name)
	return v
}

func (a *app) lookup(name string) (string, bool) {
	for i := len(a.environ) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(a.environ[i], name+"="); ok {
			return v, true
		}
	}
	return "", false
}

// confirm asks unless --yes; anything but yes is no.
func (a *app) confirm(question string) error {
	if a.yes {
		return nil
	}
	f, ok := a.stdin.(*os.File)
	if !ok || !isTerminal(f) {
		return usage("%s Say --yes to confirm where nobody can be asked", question)
	}
	_, _ = fmt.Fprintf(a.stderr, "%s [y/N] ", question)
	var answer string
	_, _ = fmt.Fscanln(f, &answer)
	if s := strings.ToLower(answer); s == "y" || s == "yes" {
		return nil
	}
	return errors.New("nothing was changed")
}
