package rounds

import (
	"bufio"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ownTime is the CPU time of this process and of all that it started and that
// ended.
func ownTime() time.Duration {
	var total time.Duration
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if unix.Getrusage(who, &u) == nil {
			total += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return total
}

// syncs is how often an fdatasync is timed.
const syncs = 100

// syncTime is the median time of an fdatasync behind an append, in seconds.
func syncTime(dir string) (float64, error) {
	f, err := os.CreateTemp(dir, "sync-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	line := make([]byte, 512)
	took := make([]time.Duration, syncs)
	for i := range took {
		if _, err := f.Write(line); err != nil {
			return 0, err
		}
		start := time.Now()
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return 0, err
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return took[len(took)/2].Seconds(), nil
}

// machine says what this runs on.
func machine() (cores int, cpu, kernel string) {
	cores, cpu, kernel = runtime.NumCPU(), runtime.GOARCH, "?"
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		kernel, _, _ = strings.Cut(unix.ByteSliceToString(u.Release[:]), "-")
	}
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return cores, cpu, kernel
	}
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(f); s.Scan(); {
		if name, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return cores, strings.TrimSpace(value), kernel
		}
	}
	return cores, cpu, kernel
}

// fileSystem names the kind of file system that dir is on.
func fileSystem(dir string) string {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return "?"
	}
	switch s.Type {
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs"
	default:
		return "another file system"
	}
}
