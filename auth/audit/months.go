package audit

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	filePrefix  = "audit-"
	fileSuffix  = ".jsonl"
	monthLayout = "2006-01"
)

// fileName is the name of the file that takes lines at now. Months are UTC.
func fileName(now time.Time) string {
	return filePrefix + now.UTC().Format(monthLayout) + fileSuffix
}

// fileMonth is the first moment of the month that name is the file of.
func fileMonth(name string) (time.Time, bool) {
	m, ok := strings.CutPrefix(name, filePrefix)
	if !ok {
		return time.Time{}, false
	}
	if m, ok = strings.CutSuffix(m, fileSuffix); !ok {
		return time.Time{}, false
	}
	t, err := time.Parse(monthLayout, m)
	return t, err == nil
}

// files lists the record's files in dir, oldest first. A directory that does
// not exist has none.
func files(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if _, ok := fileMonth(e.Name()); ok && e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// Prune deletes the files of months that ended at or before the given time,
// never the one that is being written, and returns the names of the deleted
// ones. After an error the rest is still there.
func (f *File) Prune(before time.Time) ([]string, error) {
	names, err := files(f.dir)
	if err != nil {
		return nil, err
	}
	current := f.position().name
	var gone []string
	for _, name := range names {
		month, _ := fileMonth(name)
		if name >= current || month.AddDate(0, 1, 0).After(before) {
			continue
		}
		if err := os.Remove(filepath.Join(f.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return gone, err
		}
		gone = append(gone, name)
	}
	return gone, nil
}
