package main

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// unmapProgram takes the pages of the program's own files out of this process
// (madvise(2), MADV_DONTNEED). They stay in the system's cache, from where what
// is needed again comes back 64 KiB at a time and without a read; a start
// touches nearly all of them once. It only changes how much memory is used, so
// that it does not matter where it fails.
func unmapProgram() {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	for _, m := range unwritten(f) {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED)
	}
}

// mapping is a part of the address space.
type mapping struct{ start, end uintptr }

// unwritten reads smaps (proc(5)) and returns the private mappings of files
// that cannot be written and hold no page that is other than in the file: a
// page that was relocated, or in which a debugger stops, would be lost.
func unwritten(smaps io.Reader) []mapping {
	var out []mapping
	var m mapping
	file := false
	for s := bufio.NewScanner(smaps); s.Scan(); {
		fields := strings.Fields(s.Text())
		switch {
		case len(fields) < 2:
		case !strings.HasSuffix(fields[0], ":"):
			m, file = fileMapping(fields)
		case file && fields[0] == "Anonymous:" && fields[1] == "0":
			out = append(out, m)
		}
	}
	return out
}

// fileMapping reads the head of a mapping: range, rights, offset, device,
// inode, path.
func fileMapping(fields []string) (m mapping, ok bool) {
	if len(fields) < 6 || fields[1] != "r-xp" && fields[1] != "r--p" || !strings.HasPrefix(fields[5], "/") {
		return m, false
	}
	from, to, _ := strings.Cut(fields[0], "-")
	start, err := strconv.ParseUint(from, 16, 64)
	if err != nil {
		return m, false
	}
	end, err := strconv.ParseUint(to, 16, 64)
	return mapping{uintptr(start), uintptr(end)}, err == nil && start < end
}
