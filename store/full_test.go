//go:build linux || darwin

package store

import (
	"errors"
	"fmt"
	"os/signal"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weighbridge/weighbridge/auth"
)

// TestR6_FullDisk: a limit on the size of files stands for a full disk, because
// everybody may set it. Acts are refused in clear words, reading goes on, and
// nothing needs a restart once there is room.
func TestR6_FullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd, out := startChild(t, "full", dir, "")
	acknowledged := map[string]bool{}
	for out.Scan() {
		var name string
		if n, _ := fmt.Sscanf(out.Text(), "ack %s", &name); n == 1 {
			acknowledged[name] = true
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	c, err := firstStart(dir, nil)
	check(t, err)
	s, err := c.State(t.Context())
	check(t, err)
	equal(t, "number of credentials", len(s.Credentials), len(acknowledged))
	for _, cred := range s.Credentials {
		if !acknowledged[cred.Name] {
			t.Fatalf("%s was refused and is there", cred.Name)
		}
		f, err := c.OpenFields(t.Context(), cred.ID, cred.Version)
		check(t, err)
		equal(t, "token", f["token"].Reveal(), cred.Name)
	}
	check(t, c.Close())
}

// childFull fills a store up to several limits, some of them less than the
// file has already, and says which credentials were acknowledged.
func childFull(dir string) error {
	// By default the signal that comes with the error ends the process.
	signal.Ignore(syscall.SIGXFSZ)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	c, err := firstStart(dir, nil)
	if err != nil {
		return err
	}
	team, err := c.EnsureTeam(background, auth.DefaultTeam)
	if err != nil {
		return err
	}
	n := 0
	add := func() error {
		name := fmt.Sprint("c", n)
		n++
		_, err := c.CreateCredential(background, sampleCredential(team.ID, name), auth.Fields{"token": auth.NewSecret(name)}, []string{"first"}, auth.Event{})
		if err == nil {
			fmt.Println("ack", name)
		}
		return err
	}
	if err := add(); err != nil {
		return err
	}
	for _, size := range []uint64{128 << 10, 200 << 10, 64 << 10, 4 << 10, 0} {
		small := limit
		small.Cur = size
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &small); err != nil {
			return err
		}
		if err := untilFull(c, add); err != nil {
			return fmt.Errorf("at %d bytes: %w", size, err)
		}
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
			return err
		}
		for range 5 {
			if err := add(); err != nil {
				return fmt.Errorf("after there was room again: %w", err)
			}
		}
	}
	return c.Close()
}

// untilFull adds until the disk is full and checks what goes on.
func untilFull(c *core, add func() error) error {
	var err error
	for range 10_000 {
		if err = add(); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrNoSpace) || !errors.Is(err, ErrUnavailable) {
		return fmt.Errorf("it filled up with %v", err)
	}
	before, err := c.State(background)
	if err != nil {
		return err
	}
	for range 3 {
		if err := add(); !errors.Is(err, ErrNoSpace) {
			return fmt.Errorf("on the full disk: %v", err)
		}
	}
	after, err := c.State(background)
	if err != nil || after.Revision != before.Revision || len(after.Credentials) != len(before.Credentials) {
		return fmt.Errorf("a refused act changed the state: %v", err)
	}
	for i := range after.Credentials {
		cred := &after.Credentials[i]
		f, err := c.OpenFields(background, cred.ID, cred.Version)
		if err != nil || f["token"].Reveal() != cred.Name {
			return fmt.Errorf("on the full disk a credential does not open: %v", err)
		}
	}
	if _, err := c.EnsureTeam(background, auth.DefaultTeam); err != nil {
		return err
	}
	return nil
}
