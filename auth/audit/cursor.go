package audit

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
)

// Cursor is a place in the record: behind a line. The zero value is its
// beginning.
type Cursor struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"`
}

// From yields every durable line behind at, with the place behind it, until
// yield returns false. Where the file of at was removed it goes on with the
// next one.
func (f *File) From(ctx context.Context, at Cursor, yield func(line []byte, behind Cursor) bool) error {
	end := f.position()
	names, err := files(f.o.Disk, f.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name < at.File || name > end.name {
			continue
		}
		from, to := int64(0), int64(-1)
		if name == at.File {
			from = at.Offset
		}
		if name == end.name {
			to = end.to
		}
		more, err := eachLine(ctx, f.o.Disk, f.path(name), from, to, func(line []byte, behind int64) bool { return yield(line, Cursor{name, behind}) })
		if err != nil && !errors.Is(err, fs.ErrNotExist) || !more {
			return err
		}
	}
	return nil
}

// Changed is closed once something more is durable.
func (f *File) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

// End is behind the last durable line.
func (f *File) End() Cursor {
	p := f.position()
	return Cursor{p.name, p.to}
}

// had reports whether whoever is at a place in a file that was removed had all
// of that file, and of those before the next. What a process before this one
// removed is not known, and so was not had.
func (f *File) had(at Cursor) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.removed.File == at.File && f.removed.Offset <= at.Offset
}

// within is at, or the end where the record ends before: one that was restored
// may.
func (f *File) within(at Cursor) Cursor {
	if end := f.End(); at.File > end.File || at.File == end.File && at.Offset > end.Offset {
		return end
	}
	return at
}

// eachLine yields the lines of one file between two offsets, to the end of the
// file where to is negative, with the offset behind each. Marks are left out.
func eachLine(ctx context.Context, d Disk, path string, from, to int64, yield func(line []byte, behind int64) bool) (more bool, err error) {
	r, err := d.Open(path)
	if err != nil {
		return true, err
	}
	defer func() { _ = r.Close() }()
	return linesOfReader(ctx, r, from, to, yield)
}

// linesOfReader is eachLine of a file that is open.
func linesOfReader(ctx context.Context, r Reader, from, to int64, yield func(line []byte, behind int64) bool) (more bool, err error) {
	if to < 0 {
		if to, err = r.Size(); err != nil {
			return true, err
		}
	}
	in := bufio.NewReaderSize(io.NewSectionReader(r, from, max(to-from, 0)), 64<<10)
	for at := from; ; {
		line, err := in.ReadSlice('\n')
		var long []byte
		for errors.Is(err, bufio.ErrBufferFull) {
			long = append(long, line...)
			line, err = in.ReadSlice('\n')
		}
		if len(long) > 0 {
			line = append(long, line...)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		at += int64(len(line))
		if n := len(line) - len(mark); n >= 0 && string(line[n:]) == mark {
			line = append(line[:n], '\n')
		}
		if len(line) > 0 && !yield(line, at) {
			return false, nil
		}
		if err != nil {
			return true, nil
		}
	}
}
