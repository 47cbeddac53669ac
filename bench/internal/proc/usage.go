package proc

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tree is pid and all that descend from it.
func tree(pid int) []int {
	out := []int{pid}
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return out
	}
	for _, t := range tasks {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		if err != nil {
			continue
		}
		for f := range strings.FieldsSeq(string(b)) {
			if child, err := strconv.Atoi(f); err == nil {
				out = append(out, tree(child)...)
			}
		}
	}
	return out
}

// cpuClock is the clock of a process' CPU time (clock_getcpuclockid(3): the
// complement of the process id, shifted, with CPUCLOCK_SCHED), which counts
// every thread, ended ones too, in nanoseconds where /proc has hundredths.
func cpuClock(pid int) int32 { return int32(^pid)<<3 | 2 }

// cpu is the CPU time, user and system, of a process.
func cpu(pid int) (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(cpuClock(pid), &ts); err != nil {
		return 0, fmt.Errorf("the CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// memory reads a field of /proc/pid/status, in bytes.
func memory(pid int, field string) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		v, ok := strings.CutPrefix(s.Text(), field+":")
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(v, "kB")), 10, 64)
		return kib << 10, err
	}
	return 0, fmt.Errorf("process %d has no %s", pid, field)
}

// resetPeak makes the highest resident size the present one (proc(5),
// clear_refs: 5).
func resetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// Machine is how much CPU time the whole machine has used and could have used.
type Machine struct{ Busy, Total time.Duration }

// ReadMachine reads /proc/stat.
func ReadMachine() (m Machine, err error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return m, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	for i, f := range strings.Fields(line)[1:] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return m, err
		}
		if i >= 8 {
			break // guest time is in user time already
		}
		d := time.Duration(n) * (time.Second / 100) // USER_HZ is 100 on Linux
		m.Total += d
		if i != 3 && i != 4 { // idle, waiting for a disk
			m.Busy += d
		}
	}
	return m, nil
}
