package audit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	filePrefix  = "audit-"
	fileSuffix  = ".jsonl"
	monthLayout = "2006-01"
	// partLayout follows the month in the name of a file that goes on where
	// another one grew too large: so names sort as files were written.
	partLayout = "_%04d"
)

// fileName is the name of the file that takes lines at now. Months are UTC.
func fileName(now time.Time) string {
	return filePrefix + now.UTC().Format(monthLayout) + fileSuffix
}

// fileMonth is the first moment of the month that name is a file of, and which
// of that month's files it is.
func fileMonth(name string) (month time.Time, part int, ok bool) {
	m, ok := strings.CutPrefix(name, filePrefix)
	if !ok {
		return time.Time{}, 0, false
	}
	if m, ok = strings.CutSuffix(m, fileSuffix); !ok {
		return time.Time{}, 0, false
	}
	m, rest, more := strings.Cut(m, "_")
	if more {
		n, err := strconv.Atoi(rest)
		if err != nil || n < 1 || fmt.Sprintf(partLayout, n) != "_"+rest {
			return time.Time{}, 0, false
		}
		part = n
	}
	month, err := time.Parse(monthLayout, m)
	return month, part, err == nil
}

// target is the file that the next commit goes to. It is never one before the
// file that was written last, also where the clock was set back.
func (f *File) target(now time.Time) string {
	name := max(f.name, fileName(now))
	if name != f.name || f.o.part == 0 || f.size < f.o.part {
		return name
	}
	month, part, _ := fileMonth(name)
	return filePrefix + month.Format(monthLayout) + fmt.Sprintf(partLayout, part+1) + fileSuffix
}

// files lists the record's files in dir, oldest first. A directory that does
// not exist has none.
func files(d Disk, dir string) ([]string, error) {
	names, err := d.List(dir)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { _, _, ok := fileMonth(name); return !ok })
	slices.Sort(names)
	return names, nil
}
