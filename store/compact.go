package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// compactBatch is how many bytes of rows are written in one transaction of a
// compaction: what it holds in memory.
const compactBatch = 16 << 20

// CompactBolt writes the store in the file at path anew, so that nothing is in
// it of what was deleted or replaced, and returns how many bytes it had and
// has. Nobody else may have it open (ErrInUse). All of it is read and checked
// first, as OpenBolt does; at any moment the file is the old one or the whole
// new one, and after an error it is the old one. The old one's blocks go back
// to the file system, which may keep what is in them for a while.
func CompactBolt(ctx context.Context, path string, o Options) (before, after int64, err error) {
	if o.KEK == nil {
		return 0, 0, errNoKEK()
	}
	if o.LockTimeout <= 0 {
		o.LockTimeout = DefaultLockTimeout
	}
	drv := &boltDriver{path: path}
	if err := drv.open(o.LockTimeout); err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, drv.close()) }()
	if _, err := open(ctx, drv, o); err != nil {
		return 0, 0, inFile(path, err)
	}
	if before, err = sizeOf(path); err != nil {
		return 0, 0, boltError(path, err)
	}
	temp, err := drv.compacted()
	if err != nil {
		return before, before, err
	}
	defer os.Remove(temp) //nolint:errcheck // after the rename there is none
	if err := VerifyBolt(ctx, temp, o); err != nil {
		return before, before, err
	}
	if after, err = sizeOf(temp); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return before, before, boltError(path, err)
	}
	if err := SyncDir(filepath.Dir(path)); err != nil {
		return before, after, boltError(path, err)
	}
	removeLeftovers(path)
	return before, after, nil
}

// compacted copies the rows, as they stand at one moment, into a new file
// beside that of d, and nothing else: not what free pages hold. The file is
// durable on return.
func (d *boltDriver) compacted() (temp string, err error) {
	pattern := newFilePattern(d.path)
	f, err := os.CreateTemp(filepath.Dir(pattern), filepath.Base(pattern)) // mode 0600
	if err != nil {
		return "", boltError(d.path, err)
	}
	temp = f.Name()
	if err := f.Close(); err != nil {
		return "", errors.Join(boltError(d.path, err), os.Remove(temp))
	}
	to := &boltDriver{path: temp}
	if err := to.openFile(boltOptions(DefaultLockTimeout)); err != nil {
		return "", errors.Join(err, os.Remove(temp))
	}
	err = d.guard(func() error {
		return to.guard(func() error { return bbolt.Compact(to.db, d.db, compactBatch) })
	})
	if err = errors.Join(err, to.close()); err != nil {
		return "", errors.Join(err, os.Remove(temp))
	}
	return temp, nil
}

func sizeOf(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
