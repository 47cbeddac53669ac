package audit

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// How far a file is written ahead of its lines, with empty lines: as far as it
// is long, between these two. A sync into space that was written before touches
// no metadata: it costs half the processor time of one that appends, less than
// half the wait, and does not wait for what else the file system's journal is
// doing. What it costs is one larger sync in several hundred.
const (
	aheadLeast = 16 << 10
	aheadMost  = 1 << 20
)

// empty is what a file is written ahead with.
var empty = bytes.Repeat([]byte{'\n'}, 64<<10)

// aheadHandle appends to a file that is written ahead: Write goes behind the
// last Write, or to where the file was cut or ended when it was opened.
type aheadHandle struct {
	osHandle
	end int64 // behind the last Write
	to  int64 // up to where the file is written ahead, durably
}

var _ Handle = (*aheadHandle)(nil)

// openAhead opens or makes path for writing ahead. A file in memory gains
// nothing by it, and one that can only be appended to (chattr(1), a) does not
// take it: the result is nil then, without an error.
func openAhead(path string, flag int, anywhere bool) (Handle, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|flag, 0o600)
	if errors.Is(err, syscall.EPERM) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !anywhere && inMemory(f) {
		return nil, f.Close()
	}
	var is fs.FileInfo
	if is, err = f.Stat(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &aheadHandle{osHandle: osHandle{f: f, path: path, is: is}, end: is.Size(), to: is.Size()}, nil
}

// Write implements Handle. At least one empty line is behind what is written:
// so a crash is told from a file that only grew.
func (h *aheadHandle) Write(p []byte) (int, error) {
	if h.end+int64(len(p)) >= h.to {
		if err := h.extend(h.end + int64(len(p)) + min(max(h.end, aheadLeast), aheadMost)); err != nil {
			return 0, err
		}
	}
	n, err := h.f.WriteAt(p, h.end)
	h.end += int64(n)
	return n, err
}

// extend writes the file ahead up to an offset. After an error it is where it
// was, or longer by what is cut off when the file is opened next.
func (h *aheadHandle) extend(to int64) error {
	for at := h.to; at < to; {
		n, err := h.f.WriteAt(empty[:min(int64(len(empty)), to-at)], at)
		if err != nil {
			return err
		}
		at += int64(n)
	}
	if err := datasync(h.f); err != nil {
		return err
	}
	h.to = to
	return nil
}

// Truncate implements Handle.
func (h *aheadHandle) Truncate(size int64) error {
	if err := h.f.Truncate(size); err != nil {
		return err
	}
	h.end, h.to = size, size
	return nil
}

// Close implements Handle.
func (h *aheadHandle) Close() error {
	var err error
	if h.to > h.end {
		err = h.Truncate(h.end)
	}
	return errors.Join(err, h.f.Close())
}
