package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"weighbridge": func() {
			os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
		},
	})
}

// TestScript runs the transcripts of testdata/script against the true program.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			// A unix socket's path has at most 108 bytes: the data directory is
			// named from where the script stands.
			e.Setenv("WEIGHBRIDGE_DATA_DIR", "./data")
			e.Setenv("WEIGHBRIDGE_LISTEN", "127.0.0.1:0")
			e.Setenv("WEIGHBRIDGE_ADMIN_LISTEN", "127.0.0.1:0")
			e.Setenv("NO_COLOR", "1")
			// A program with the race detector sleeps for a second before it ends
			// (ThreadSanitizer, "Flags", atexit_sleep_ms), and a transcript runs
			// dozens. What a command leaves behind it ends by itself.
			e.Setenv("GORACE", "atexit_sleep_ms=10")
			// No script asks the real Hub: nothing listens on port 1.
			e.Setenv("WEIGHBRIDGE_UPSTREAM_RESOLVE", "huggingface.co:443=127.0.0.1:1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fails":   fails,
			"answers": answers,
			"extract": extract,
			"says":    says,
			"signal":  signalPid,
		},
	})
}

// fails CODE PROGRAM ARGS… runs a program that must exit with CODE. Its output
// is kept for stdout and stderr by way of files of those names.
func fails(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fails CODE PROGRAM ARGS")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case err == nil:
		ts.Fatalf("it succeeded; code %d was expected", want)
	case !errors.As(err, &exit):
		ts.Check(err)
	case exit.ExitCode() != want:
		ts.Fatalf("exit code %d, not %d", exit.ExitCode(), want)
	}
}

// answers waits until something serves on a unix socket: connections are taken
// before that, while the first key is still to be printed. Not to answer is to
// take no connection.
func answers(ts *testscript.TestScript, neg bool, args []string) {
	path := relative(ts, ts.MkAbs(args[0]))
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
	for range 1200 {
		a, err := client.Get("http://localhost/healthz")
		if err == nil {
			_ = a.Body.Close()
		}
		var dial *net.OpError
		if neg && errors.As(err, &dial) && dial.Op == "dial" || !neg && err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("%s: still not so after a minute", args[0])
}

// says FILE TEXT waits until TEXT stands in FILE: a log is written a little
// after the event, and its last lines after the sockets are gone.
func says(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: says FILE TEXT")
	}
	for range 1200 {
		if b, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && strings.Contains(string(b), args[1]) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("%s: no %s after a minute", args[0], args[1])
}

// relative shortens a path so that it fits into a socket address.
func relative(ts *testscript.TestScript, path string) string {
	wd, err := os.Getwd()
	ts.Check(err)
	if rel, err := filepath.Rel(wd, path); err == nil && len(rel) < len(path) {
		return rel
	}
	return path
}

// extract VAR PREFIX FILE sets VAR to the first whole key in FILE that begins
// with PREFIX; previews are shorter.
func extract(ts *testscript.TestScript, _ bool, args []string) {
	for _, word := range strings.FieldsFunc(ts.ReadFile(args[2]), func(r rune) bool {
		return strings.ContainsRune(" \t\r\n\"':@,", r)
	}) {
		if strings.HasPrefix(word, args[1]) && len(word) > 40 {
			ts.Setenv(args[0], word)
			return
		}
	}
	ts.Fatalf("%s: no word begins with %s", args[2], args[1])
}

// signal NAME FILE sends a signal to the process whose number is in FILE.
func signalPid(ts *testscript.TestScript, _ bool, args []string) {
	pid := strings.TrimSpace(ts.ReadFile(args[1]))
	ts.Check(ts.Exec("kill", "-"+args[0], pid))
}
