package audit

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Disk is where the sink writes, and reads what it wrote. The default is the
// operating system; tests give one that fails.
type Disk interface {
	// Append opens the file for appending. Where there is none it is made with
	// mode 0600 and its directory entry is durable on return.
	Append(path string) (Handle, error)
	// Open opens the file for reading; the error is fs.ErrNotExist where there
	// is none.
	Open(path string) (Reader, error)
	// List is the names of the regular files in dir, in any order: none where
	// there is no dir.
	List(dir string) ([]string, error)
	// Remove removes the file; the error is fs.ErrNotExist where there is none.
	Remove(path string) error
}

// Reader is a file opened for reading.
type Reader interface {
	io.ReaderAt
	io.Closer
	// Size is how many bytes there are now: files only grow.
	Size() (int64, error)
}

// Handle is a file opened for appending.
type Handle interface {
	io.Writer
	// Datasync returns once everything written is durable. After an error the
	// state of what was written since the last success is unknown, also after
	// a later success: the handle must not be used again.
	Datasync() error
	// Truncate cuts the file to size bytes.
	Truncate(size int64) error
	// Size is that of the whole file.
	Size() (int64, error)
	// Current reports whether the handle's path still leads to this file; it
	// does not after somebody moved or removed it.
	Current() bool
	// InMemory reports whether the file lies in memory: Datasync does nothing
	// and never waits.
	InMemory() bool
	// Marked reports whether batches end in marks, so that a torn one is found:
	// also in a file that is not written ahead, where an outage may leave empty
	// lines that cannot be cut off.
	Marked() bool
	// Close also ends the file with its last line.
	Close() error
}

// osDisk is the operating system's file system.
type osDisk struct {
	// anywhere lets files be written ahead in memory, too: for tests.
	anywhere bool
}

var _ Disk = osDisk{}

// Append implements Disk.
func (d osDisk) Append(path string) (Handle, error) {
	h, err := openExisting(path, 0, d.anywhere)
	if !errors.Is(err, fs.ErrNotExist) {
		return h, err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if h, err = openExisting(path, os.O_CREATE, d.anywhere); err != nil {
		return nil, err
	}
	if err := syncDir(dir); err != nil {
		_ = h.Close()
		return nil, err
	}
	return h, nil
}

// Open implements Disk.
func (osDisk) Open(path string) (Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return osReader{f}, nil
}

// List implements Disk.
func (osDisk) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Remove implements Disk.
func (osDisk) Remove(path string) error { return os.Remove(path) }

type osReader struct{ *os.File }

var _ Reader = osReader{}

// Size implements Reader.
func (r osReader) Size() (int64, error) {
	st, err := r.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// sizeOf is how large a file is.
func sizeOf(d Disk, path string) (int64, error) {
	r, err := d.Open(path)
	if err != nil {
		return 0, err
	}
	n, err := r.Size()
	return n, errors.Join(err, r.Close())
}

// openExisting opens path, written ahead where it takes that.
func openExisting(path string, flag int, anywhere bool) (Handle, error) {
	if h, err := openAhead(path, flag, anywhere); h != nil || err != nil {
		return h, err
	}
	return openAppend(path, flag)
}

// openAppend opens path for appending, and no more than that.
func openAppend(path string, flag int) (Handle, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|flag, 0o600)
	if err != nil {
		return nil, err
	}
	is, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &osHandle{f: f, path: path, is: is}, nil
}

// replaceFile makes b what the file at path holds (0600), durably. Where it fails,
// and whenever the machine stops, it holds what it held or b, and never a part.
func replaceFile(path string, b []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}

type osHandle struct {
	f    *os.File
	path string
	is   fs.FileInfo // which file f is, of which nothing else is asked
}

var _ Handle = (*osHandle)(nil)

func (h *osHandle) Write(p []byte) (int, error) { return h.f.Write(p) }
func (h *osHandle) Datasync() error             { return datasync(h.f) }
func (h *osHandle) Marked() bool                { return true }
func (h *osHandle) InMemory() bool              { return inMemory(h.f) }
func (h *osHandle) Truncate(size int64) error   { return h.f.Truncate(size) }
func (h *osHandle) Close() error                { return h.f.Close() }

func (h *osHandle) Size() (int64, error) {
	st, err := h.f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

func (h *osHandle) Current() bool {
	there, err := os.Lstat(h.path)
	return err == nil && os.SameFile(h.is, there)
}
