package store

import (
	"context"
	"errors"
	"os"
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

// snapshot implements driver. The copy is made on the disk, of one moment, and
// handed on from there: a reader of bbolt that takes its time holds up whoever
// has to enlarge the file. It holds nothing that was deleted. What a killed
// process leaves of it goes with the next start (removeLeftovers).
func (d *boltDriver) snapshot() (*os.File, error) {
	temp, err := d.compacted()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(temp)
	if err != nil {
		return nil, errors.Join(boltError(d.path, err), os.Remove(temp))
	}
	size, err := sizeOf(temp)
	if err == nil {
		err = vetBolt(f, size) // what is handed on opens again
	}
	if err != nil {
		return nil, errors.Join(boltError(d.path, err), f.Close(), os.Remove(temp))
	}
	return f, nil
}
