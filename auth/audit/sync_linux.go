package audit

import (
	"errors"
	"os"
	"syscall"
)

// inMemory reports whether f lies in a file system in memory (tmpfs(5), whose
// magic numbers are in statfs(2)). Where that cannot be told it does not.
func inMemory(f *os.File) bool {
	const tmpfs, ramfs = 0x01021994, 0x858458f6
	var s syscall.Statfs_t
	c, err := f.SyscallConn()
	if err != nil {
		return false
	}
	known := false
	err = c.Control(func(fd uintptr) { known = syscall.Fstatfs(int(fd), &s) == nil })
	return err == nil && known && (int64(s.Type) == tmpfs || int64(s.Type) == ramfs) //nolint:unconvert // its type differs by platform
}

// datasync flushes f's data and size, not its times (fdatasync(2)).
func datasync(f *os.File) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = c.Control(func(fd uintptr) {
		for {
			failed = syscall.Fdatasync(int(fd))
			if !errors.Is(failed, syscall.EINTR) {
				return
			}
		}
	})
	if err == nil && failed != nil {
		err = os.NewSyscallError("fdatasync", failed)
	}
	return err
}
