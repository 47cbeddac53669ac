package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// mark ends the last line of each batch, and stands alone where a file that holds
// something is opened: CR is white space of JSON, and no line has one within.
// The batch that a crash tore is the last one, so what was durable reaches at
// least to the last mark but one.
const mark = "\r\n"

// WholeLines is up to where the first size bytes of a file of the record are
// whole lines: behind the last one where it was closed or only appended to, and
// where it was written ahead, before the first trace of a batch that a crash
// tore, or that is being written. Of such a batch any part may be missing, in
// any place, and empty lines or zeros stand there. Nothing that was durable is
// behind the end.
func WholeLines(r io.ReaderAt, size int64) (int64, error) {
	filled, err := lastOf(r, size, func(p []byte) int { return len(bytes.TrimRight(p, "\n\x00")) - 1 })
	if err != nil {
		return 0, err
	}
	end := min(filled+2, size) // with the end of its line, where that is one
	from := int64(-1)
	if size-filled > 2 {
		if from, err = secondMark(r, end); err != nil {
			return 0, err
		}
	}
	if from < 0 {
		whole, err := lastOf(r, size, func(p []byte) int { return bytes.LastIndexByte(p, '\n') })
		return whole + 1, err
	}
	return firstTorn(r, from, end)
}

// secondMark is behind the last mark but one before end. Where there is only one
// it is behind that, if it stands alone, and otherwise the beginning: it ends
// the first batch of the file. Without any, what is there is the beginning of
// that batch, or, where it is too long for one, of a file that was never
// written ahead: -1.
func secondMark(r io.ReaderAt, end int64) (int64, error) {
	const first = 1 << 20
	back := func(at int64) (int64, error) {
		return lastOf(r, at, func(p []byte) int { return bytes.LastIndexByte(p, '\r') })
	}
	last, err := back(end)
	if err != nil {
		return 0, err
	}
	if last < 0 && end > first {
		return -1, nil
	}
	if last <= 0 {
		return 0, nil
	}
	before, err := back(last)
	if err != nil {
		return 0, err
	}
	if before >= 0 {
		return before + int64(len(mark)), nil
	}
	var was [2]byte // a line end, and not the gap where the end of a batch was
	if last < 2 {
		return 0, nil
	}
	if _, err := r.ReadAt(was[:], last-2); err != nil || was[1] != '\n' || was[0] == '\n' {
		return 0, err
	}
	return last + int64(len(mark)), nil
}

// lastOf is the offset of the last byte before size that find finds in a part
// of r; -1 is none. Where r was cut meanwhile, empty lines or a batch that
// failed were taken off: what is left counts.
func lastOf(r io.ReaderAt, size int64, find func(part []byte) int) (int64, error) {
	buf := make([]byte, min(size, 64<<10))
	for end := size; end > 0; {
		at := max(end-int64(len(buf)), 0)
		part := buf[:end-at]
		n, err := r.ReadAt(part, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := find(part[:n]); i >= 0 {
			return at + int64(i), nil
		}
		end = at
	}
	return -1, nil
}

// firstTorn is the offset of the first line between two offsets that is none, or
// of the first gap that has something behind it; the end where there is neither.
func firstTorn(r io.ReaderAt, from, end int64) (int64, error) {
	in := bufio.NewReader(io.NewSectionReader(r, from, end-from))
	gap := int64(-1)
	for at := from; ; {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return end, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		switch {
		case string(line) == mark:
		case len(line) == 1:
			if gap < 0 {
				gap = at
			}
		case gap >= 0:
			return gap, nil
		case err != nil || !json.Valid(line):
			return at, nil
		}
		at += int64(len(line))
	}
}

// wholeOf is WholeLines of a file as it is.
func wholeOf(r Reader) (int64, error) {
	size, err := r.Size()
	if err != nil {
		return 0, err
	}
	return WholeLines(r, size)
}

// wholeAt is wholeOf of the file at path.
func wholeAt(d Disk, path string) (int64, error) {
	r, err := d.Open(path)
	if err != nil {
		return 0, err
	}
	n, err := wholeOf(r)
	return n, errors.Join(err, r.Close())
}

// settle cuts the file called name, which takes no more lines, behind its last.
func (f *File) settle(name string) error {
	h, err := f.o.Disk.Append(f.path(name))
	if err != nil {
		return err
	}
	_, err = f.mended(h, name)
	return errors.Join(err, h.Close())
}
