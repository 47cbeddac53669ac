package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// checkpoint is told every point at which a first start may be cut short. It
// is nil but in tests, which die there.
type checkpoint func(point string)

func (c checkpoint) reach(point string) {
	if c != nil {
		c(point)
	}
}

// newFilePattern is what temporary files beside path are called until they are
// whole; what a killed start left behind is found by it.
func newFilePattern(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new-*")
}

// writeNew puts content into a new file at path that only its owner may read.
// At any moment path either does not exist or is whole; once writeNew has
// returned nil it survives a power failure. An existing path is never replaced:
// the error is then fs.ErrExist.
func writeNew(path string, content []byte, at checkpoint) error {
	f, err := createNew(path, at)
	if err != nil {
		return err
	}
	defer f.Discard()
	at.reach("temporary file made")
	if _, err := f.Write(content); err != nil {
		return fmt.Errorf("write %s: %w", f.file.Name(), err)
	}
	at.reach("temporary file written")
	return f.Publish()
}

// NewFile is a file that gets its name once it is whole. Until then it lies
// beside it under another, readable by its owner only.
type NewFile struct {
	file *os.File
	path string
	at   checkpoint
}

// CreateNewFile begins the file path. Where there is one already, now or when
// it is published, it is not replaced: the error is fs.ErrExist.
func CreateNewFile(path string) (*NewFile, error) {
	if exists(path) {
		return nil, &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	return createNew(path, nil)
}

func createNew(path string, at checkpoint) (*NewFile, error) {
	pattern := newFilePattern(path)
	f, err := os.CreateTemp(filepath.Dir(pattern), filepath.Base(pattern)) // mode 0600
	if err != nil {
		return nil, err
	}
	return &NewFile{f, path, at}, nil
}

// Write implements io.Writer.
func (f *NewFile) Write(p []byte) (int, error) { return f.file.Write(p) }

// Publish gives the file its name, durably. Once it has returned nil the file
// survives a power failure.
func (f *NewFile) Publish() error {
	if err := errors.Join(f.file.Sync(), f.file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", f.file.Name(), err)
	}
	f.at.reach("temporary file synced")
	return publish(f.file.Name(), f.path, f.at)
}

// Discard removes what was not published. After Publish it does nothing.
func (f *NewFile) Discard() {
	_ = f.file.Close()
	_ = os.Remove(f.file.Name()) // a leftover that stays is only a leftover
}

// publish gives the whole and synced file temp the name path, durably, unless
// something is called so already (fs.ErrExist). It is a link and not a rename,
// because a rename would replace what another process has just published.
func publish(temp, path string, at checkpoint) error {
	err := os.Link(temp, path)
	switch {
	case err == nil:
		at.reach("linked")
	case errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrNotExist) && exists(path):
		// The second: whoever published path took temp for a leftover.
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	case linkUnsupported(err):
		// A file system without hard links (FAT, some network mounts).
		if exists(path) {
			return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
		}
		if err := os.Rename(temp, path); err != nil {
			return err
		}
		at.reach("renamed")
	default:
		return err
	}
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	at.reach("temporary name removed")
	if err := SyncDir(filepath.Dir(path)); err != nil {
		return err
	}
	at.reach("directory synced")
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func linkUnsupported(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EPERM)
}

// SyncDir makes the names in dir durable. Windows has no such call and needs
// none.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// removeLeftovers deletes the temporary files that killed first starts left
// beside path. It is called once path exists, when they are of no more use to
// anybody.
func removeLeftovers(path string) {
	names, _ := filepath.Glob(newFilePattern(path)) // the only error is a bad pattern
	for _, name := range names {
		_ = os.Remove(name) // a leftover that stays is only a leftover
	}
}
