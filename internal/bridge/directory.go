package bridge

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// The files of the data directory.
const (
	storeFile  = "weighbridge.db"
	auditDir   = "audit"
	rootFile   = "ca.pem"
	bundleFile = "ca-bundle.pem"
)

// openDirectory makes the data directory with mode 0700, or checks that an
// existing one is nobody else's to read. A .gitignore in it keeps it out of a
// repository it may lie in.
func openDirectory(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil { //nolint:gosec // the parent is the operator's
		return fmt.Errorf("data directory: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("data directory: %w", err)
	}
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("data directory: %w", err)
	case !info.IsDir():
		return fmt.Errorf("data directory %s: is a file", dir)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("data directory %s: others may enter it (mode %04o); run chmod 700 %s", dir, info.Mode().Perm(), dir)
	}
	// What a process that was killed in writeFile left behind.
	for _, name := range []string{rootFile, bundleFile} {
		left, _ := filepath.Glob(filepath.Join(dir, "."+name+".*")) // the only error is a bad pattern
		for _, path := range left {
			_ = os.Remove(path) // a leftover that stays is only a leftover
		}
	}
	ignore := filepath.Join(dir, ".gitignore")
	if _, err := os.Stat(ignore); errors.Is(err, fs.ErrNotExist) {
		if err := writeFile(ignore, []byte("*\n"), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// probe makes sure that files can be made in dir.
func probe(dir string) error {
	f, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// unwritable reports whether a directory could not be made or written because
// nothing may be written there at all.
func unwritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// writeFile replaces path whole or not at all: temporary file, sync, rename,
// sync of the directory. Where it fails the old content stands.
func writeFile(path string, content []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if err = f.Chmod(mode); err == nil {
		if _, err = f.Write(content); err == nil {
			err = f.Sync()
		}
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}
