package main

import (
	"errors"

	"golang.org/x/sys/unix"
)

// confine keeps what is in memory there: no core file is written
// (getrlimit(2), RLIMIT_CORE), and other processes of the same user can
// neither trace this one nor read its memory and environment
// (PR_SET_DUMPABLE, prctl(2); proc(5)). Root still can.
func confine() error {
	return errors.Join(
		unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}),
		unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0),
	)
}
