package audit

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/weighbridge/weighbridge/auth/chain"
)

// Lines yields what is durable as it stands in the files, with the file's name
// and the number of the line, until yield returns false. It begins with the
// file in which something at or after since may stand.
func (f *File) Lines(ctx context.Context, since time.Time, yield func(file string, n int, line []byte) bool) error {
	_, err := f.lines(ctx, since, f.position(), yield)
	return err
}

// Verify reads what is durable into v, and compares where it ends with where
// the writer stands.
func (f *File) Verify(ctx context.Context, v *chain.Verifier) error {
	f.mu.Lock()
	end := f.segments[len(f.segments)-1]
	writer, states := f.chains.writer, f.chains.states()
	f.mu.Unlock()
	more, err := f.lines(ctx, time.Time{}, end, verifying(v))
	if err == nil && more {
		v.Reached(writer, states, true)
	}
	return err
}

// VerifyDir is File.Verify for a record that nobody writes.
func VerifyDir(ctx context.Context, dir string, v *chain.Verifier) error {
	_, err := lines(ctx, osDisk{}, dir, time.Time{}, nil, verifying(v))
	return err
}

func verifying(v *chain.Verifier) func(string, int, []byte) bool {
	was := ""
	return func(file string, n int, line []byte) bool {
		if file != was {
			v.Section(file, was == "")
			was = file
		}
		return v.Line(n, line)
	}
}

func (f *File) lines(ctx context.Context, since time.Time, end segment, yield func(string, int, []byte) bool) (bool, error) {
	return lines(ctx, f.o.Disk, f.dir, since, &end, yield)
}

// lines reads the files up to end. All are opened first: what retention removes
// while the first is read, for a reader that is slow, is read all the same, and
// nothing is missing in the midst.
func lines(ctx context.Context, d Disk, dir string, since time.Time, end *segment, yield func(string, int, []byte) bool) (more bool, err error) {
	names, err := files(d, dir)
	if err != nil {
		return false, err
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		month, _, _ := fileMonth(name)
		return month.AddDate(0, 1, 1).Before(since) || end != nil && name > end.name // see read
	})
	opened, err := openAll(d, dir, names)
	defer func() {
		for _, r := range opened {
			_ = r.Close() // opened to read
		}
	}()
	if err != nil {
		return false, err
	}
	names = names[len(names)-len(opened):]
	for i, name := range names {
		limit := int64(-1)
		if end != nil && name == end.name {
			limit = end.to
		}
		if end == nil && i == len(names)-1 {
			if limit, err = wholeOf(opened[i]); err != nil {
				return false, err
			}
		}
		n := 0
		more, err := linesOfReader(ctx, opened[i], 0, limit, func(line []byte, _ int64) bool { n++; return yield(name, n, line) })
		if err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// openAll opens the files, which are few (see parts), from the newest back to
// the first that retention has removed in the meantime. What was opened is
// returned with an error, too.
func openAll(d Disk, dir string, names []string) (opened []Reader, err error) {
	defer func() { slices.Reverse(opened) }()
	for _, name := range slices.Backward(names) {
		r, err := d.Open(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return opened, nil
		}
		if err != nil {
			return opened, err
		}
		opened = append(opened, r)
	}
	return opened, nil
}
