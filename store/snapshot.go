package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// Snapshot is a copy of a store as it stood at one moment, sealed as the store
// is. It is read from its beginning; Close removes it.
type Snapshot struct {
	file *os.File
	size int64
}

// Size is how many bytes it has.
func (s *Snapshot) Size() int64 { return s.size }

// Read implements io.Reader.
func (s *Snapshot) Read(p []byte) (int, error) { return s.file.Read(p) }

// Close implements io.Closer.
func (s *Snapshot) Close() error { return errors.Join(s.file.Close(), os.Remove(s.file.Name())) }

// Snapshot implements Store.
func (c *core) Snapshot(ctx context.Context) (*Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if c.isClosed() {
		return nil, errClosed()
	}
	f, err := c.drv.snapshot()
	if err != nil {
		return nil, err
	}
	s := &Snapshot{file: f}
	info, err := f.Stat()
	if err == nil {
		_, err = f.Seek(0, 0)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.size = info.Size()
	return s, nil
}

// snapshot implements driver. The copy is made on the disk, in one read
// transaction, and handed on from there: a reader of bbolt that takes its time
// holds up whoever has to enlarge the file. What a killed process leaves of it
// goes with the next start (removeLeftovers).
func (d *boltDriver) snapshot() (*os.File, error) {
	pattern := newFilePattern(d.path)
	f, err := os.CreateTemp(filepath.Dir(pattern), filepath.Base(pattern)) // mode 0600
	if err != nil {
		return nil, boltError(d.path, err)
	}
	var size int64
	err = d.guard(func() error {
		return d.db.View(func(tx *bbolt.Tx) (err error) {
			size, err = tx.WriteTo(f)
			return err
		})
	})
	if err == nil {
		// What is handed on opens again.
		err = boltError(d.path, vetBolt(f, size))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return f, nil
}
