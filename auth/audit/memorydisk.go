package audit

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/weighbridge/weighbridge/auth/chain"
)

// MemorySize is how many bytes of a record in memory are kept, about; it takes
// twice as many at most. A request takes about 1 KiB.
const MemorySize = 32 << 20

// MemoryOptions of a record that is on no disk.
type MemoryOptions struct {
	// Keys are those of the chains, required: of the process, where nothing
	// outlives it.
	Keys *chain.Keys
	// Now defaults to time.Now.
	Now func() time.Time
	// Out, if set, is where the record is written: an event is durable once Out
	// has taken its line, and memory merely remembers it.
	Out io.Writer
	// Retention, TeamQuota, CommitLimit and Notify are those of FileOptions.
	Retention   time.Duration
	TeamQuota   int64
	CommitLimit time.Duration
	Notify      func(error)

	size  int64         // MemorySize, for tests
	retry time.Duration // FileOptions.Retry, for tests
}

// OpenMemory makes an empty record that is on no disk: chained, signed, read
// and verified as any other, until the process ends. The oldest of it is
// removed beyond MemorySize, but nothing that one of its followers has not had:
// where one does not keep up, the record takes nothing any more, and nothing is
// served, rather than that an event is lost.
func OpenMemory(o MemoryOptions) (*File, error) {
	if o.size == 0 {
		o.size = MemorySize
	}
	return OpenFile("", FileOptions{
		Keys: o.Keys, Now: o.Now, Retention: o.Retention, MaxSize: o.size, part: o.size / parts, TeamQuota: o.TeamQuota,
		CommitLimit: o.CommitLimit, Retry: o.retry, Notify: o.Notify,
		Disk: &memoryDisk{out: o.Out, limit: 2 * o.size, files: map[string]*memoryFile{}},
	})
}

// errFull is the cause of a failure where there is no room left in memory.
var errFull = errors.New("memory holds as much of the record as it may, and a follower has not had it")

// memoryDisk is a Disk without one. Its methods are safe for concurrent use.
type memoryDisk struct {
	out   io.Writer // nil: nothing is passed on
	limit int64     // of bytes in all files together

	mu    sync.Mutex
	size  int64
	files map[string]*memoryFile
}

type memoryFile struct {
	data []byte
	// passed is how much of data the writer has taken, in whole lines: that is
	// not cut off again.
	passed int
}

var _ Disk = (*memoryDisk)(nil)

// Append implements Disk.
func (d *memoryDisk) Append(path string) (Handle, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[path]
	if f == nil {
		f = &memoryFile{}
		d.files[path] = f
	}
	return &memoryHandle{d: d, f: f, path: path}, nil
}

// Open implements Disk.
func (d *memoryDisk) Open(path string) (Reader, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[path]
	if f == nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return memoryReader{d, f}, nil
}

// List implements Disk; there is one directory.
func (d *memoryDisk) List(string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for _, path := range slices.Sorted(maps.Keys(d.files)) {
		names = append(names, filepath.Base(path))
	}
	return names, nil
}

// Remove implements Disk.
func (d *memoryDisk) Remove(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[path]
	if f == nil {
		return &fs.PathError{Op: "remove", Path: path, Err: fs.ErrNotExist}
	}
	d.size -= int64(len(f.data))
	delete(d.files, path)
	return nil
}

type memoryReader struct {
	d *memoryDisk
	f *memoryFile
}

// ReadAt implements io.ReaderAt.
func (r memoryReader) ReadAt(p []byte, off int64) (int, error) {
	r.d.mu.Lock()
	defer r.d.mu.Unlock()
	if off >= int64(len(r.f.data)) {
		return 0, io.EOF
	}
	n := copy(p, r.f.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Size implements Reader.
func (r memoryReader) Size() (int64, error) {
	r.d.mu.Lock()
	defer r.d.mu.Unlock()
	return int64(len(r.f.data)), nil
}

// Close implements io.Closer.
func (memoryReader) Close() error { return nil }

type memoryHandle struct {
	d    *memoryDisk
	f    *memoryFile
	path string
}

var _ Handle = (*memoryHandle)(nil)

// Write implements Handle.
func (h *memoryHandle) Write(p []byte) (int, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if h.d.size+int64(len(p)) > h.d.limit {
		return 0, errFull
	}
	h.f.data = append(h.f.data, p...)
	h.d.size += int64(len(p))
	return len(p), nil
}

// Datasync implements Handle: it returns once the writer has taken the lines.
// No lock is held meanwhile. Of a line that the writer took a part of, all is
// written again.
func (h *memoryHandle) Datasync() error {
	h.d.mu.Lock()
	lines := h.f.data[h.f.passed:]
	h.d.mu.Unlock()
	if h.d.out == nil || len(bytes.Trim(lines, "\n")) == 0 {
		return nil // empty ones try whether there is room
	}
	n, err := h.d.out.Write(lines)
	if err == nil && n < len(lines) {
		err = io.ErrShortWrite
	}
	n = max(0, min(n, len(lines)))
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	h.f.passed += bytes.LastIndexByte(lines[:n], '\n') + 1
	return err
}

// Truncate implements Handle. What the writer has taken stays, as in a file
// that can only be appended to.
func (h *memoryHandle) Truncate(size int64) error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if size < int64(h.f.passed) {
		return os.ErrPermission
	}
	h.d.size -= int64(len(h.f.data)) - size
	h.f.data = h.f.data[:size]
	return nil
}

// Size implements Handle.
func (h *memoryHandle) Size() (int64, error) { return memoryReader{h.d, h.f}.Size() }

// Current implements Handle.
func (h *memoryHandle) Current() bool {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	return h.d.files[h.path] == h.f
}

// InMemory implements Handle: a writer may wait.
func (h *memoryHandle) InMemory() bool { return h.d.out == nil }

// Marked implements Handle: whoever takes the lines takes no marks.
func (h *memoryHandle) Marked() bool { return false }

// Close implements Handle.
func (h *memoryHandle) Close() error { return nil }
