package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// The environment of a child: its role, the data directory, and an argument.
const (
	childRole = "WEIGHBRIDGE_STORE_CHILD"
	childDir  = "WEIGHBRIDGE_STORE_CHILD_DIR"
	childArg  = "WEIGHBRIDGE_STORE_CHILD_ARG"
)

// startChild starts this test binary again in a role.
func startChild(t testing.TB, role, dir, arg string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	exe, err := os.Executable()
	check(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childRole+"="+role, childDir+"="+dir, childArg+"="+arg)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	return cmd, bufio.NewScanner(out)
}

// runChild is the whole of a child. It says what it did on standard output, a
// line at a time, and leaves with status 1 where something went wrong.
func runChild(role string) {
	dir, arg := os.Getenv(childDir), os.Getenv(childArg)
	var err error
	switch role {
	case "write":
		err = childWrite(dir, arg)
	case "first":
		err = childFirst(dir, arg)
	case "rotate":
		err = childRotate(dir)
	case "full":
		err = childFull(dir)
	default:
		err = errors.New("no such role: " + role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, role+":", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// die ends this process at once, as kill -9 does.
func die() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill()
	}
	select {} // until the signal is here
}

// firstStart does what a first start does with the data directory, and what
// every later one does.
func firstStart(dir string, at checkpoint) (*core, error) {
	kek, err := OpenKEK("file:kek", dir)
	if errors.Is(err, fs.ErrNotExist) {
		kek, err = createFileKEK(filepath.Join(dir, "kek"), at)
	}
	if err != nil {
		return nil, err
	}
	c, err := openBolt(background, filepath.Join(dir, "weighbridge.db"), Options{KEK: kek}, at)
	if err != nil {
		return nil, err
	}
	at.reach("store open")
	team, err := c.EnsureTeam(background, auth.DefaultTeam)
	if err != nil {
		return nil, err
	}
	at.reach("team made")
	if _, err := c.Sealed(background, "ca.key"); errors.Is(err, ErrNotFound) {
		if err := c.PutSealed(background, "ca.key", []byte("pem")); err != nil {
			return nil, err
		}
	}
	at.reach("value sealed")
	if _, err := c.Key(background, team.ID, "first"); errors.Is(err, ErrNotFound) {
		if _, err := c.CreateKey(background, sampleKey(team.ID, "first"), nil, auth.Event{Actor: "system"}); err != nil {
			return nil, err
		}
	}
	at.reach("key made")
	return c, nil
}

// childFirst makes a first start and dies at the given checkpoint, or, where
// there is none so late, says how many there are.
func childFirst(dir, arg string) error {
	last, err := strconv.Atoi(arg)
	if err != nil {
		return err
	}
	n := 0
	c, err := firstStart(dir, func(string) {
		if n == last {
			die()
		}
		n++
	})
	if err != nil {
		return err
	}
	fmt.Println("points", n)
	return c.Close()
}

// childWrite runs writers for ever, each from the step that it is told, and
// says "ack WRITER STEP" after each that was acknowledged.
func childWrite(dir, arg string) error {
	c, err := firstStart(dir, nil)
	if err != nil {
		return err
	}
	team, err := c.EnsureTeam(background, auth.DefaultTeam)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var group sync.WaitGroup
	errs := make(chan error, 64)
	for w, from := range strings.Split(arg, ",") {
		n, err := strconv.Atoi(from)
		if err != nil {
			return err
		}
		group.Go(func() {
			for ; ; n++ {
				if err := writerStep(c, team.ID, w, n); err != nil {
					errs <- fmt.Errorf("writer %d, step %d: %w", w, n, err)
					return
				}
				mu.Lock()
				_, err := fmt.Printf("ack %d %d\n", w, n)
				mu.Unlock()
				if err != nil {
					return // nobody listens any more
				}
			}
		})
	}
	group.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return io.ErrUnexpectedEOF
	}
}
