package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
)

// OpenBolt opens the bbolt file at path, or makes it where there is none. The
// file is locked for as long as the store is open. A file that is damaged,
// newer, sealed with another KEK or in use by another process is refused with
// one clear error (ErrDamaged, ErrNewer, ErrWrongKEK, ErrInUse) and left
// exactly as it is.
func OpenBolt(path string, o Options) (Store, error) {
	s, err := openBolt(context.Background(), path, o, nil)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func openBolt(ctx context.Context, path string, o Options, at checkpoint) (*core, error) {
	if o.KEK == nil {
		return nil, errNoKEK()
	}
	if o.LockTimeout <= 0 {
		o.LockTimeout = DefaultLockTimeout
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := initBolt(ctx, path, o.KEK, at); err != nil {
			return nil, err
		}
	}
	drv := &boltDriver{path: path}
	if err := drv.open(o.LockTimeout); err != nil {
		return nil, err
	}
	c, err := open(ctx, drv, o)
	if err != nil {
		_ = drv.close() // the first error tells what matters
		return nil, inFile(path, err)
	}
	removeLeftovers(path)
	return c, nil
}

// VerifyBolt reads the whole store in the file at path with the KEK, checks it
// as OpenBolt does, and changes nothing. Where another process has it open the
// error is ErrInUse, where there is none fs.ErrNotExist.
func VerifyBolt(ctx context.Context, path string, o Options) error {
	return ReadBolt(ctx, path, o, func(Store) error { return nil })
}

// ReadBolt opens the file at path as VerifyBolt does, for fn to read from, and
// closes it.
func ReadBolt(ctx context.Context, path string, o Options, fn func(Store) error) error {
	if o.KEK == nil {
		return errNoKEK()
	}
	if o.LockTimeout <= 0 {
		o.LockTimeout = DefaultLockTimeout
	}
	drv := &boltDriver{path: path}
	if err := drv.examine(o.LockTimeout); err != nil {
		return err
	}
	options := boltOptions(o.LockTimeout)
	options.ReadOnly = true
	if err := drv.openFile(options); err != nil {
		return err
	}
	c, err := open(ctx, drv, o)
	if err == nil {
		err = fn(c)
	}
	return errors.Join(inFile(path, err), drv.close())
}

// inFile makes an error about the store name its file.
func inFile(path string, err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.What != whatStore || e.Ref != "" {
		return err
	}
	named := *e
	named.Ref = path
	return &named
}

// initBolt makes the first file. bbolt's own initialisation may leave a
// half-written file behind when the power fails, so it happens under another
// name: path either does not exist or is a whole store.
func initBolt(ctx context.Context, path string, kek KEK, at checkpoint) error {
	rows, err := firstRows(ctx, kek, schemaOwn)
	if err != nil {
		return err
	}
	pattern := newFilePattern(path)
	f, err := os.CreateTemp(filepath.Dir(pattern), filepath.Base(pattern)) // mode 0600
	if err != nil {
		return boltError(path, err)
	}
	temp := f.Name()
	defer os.Remove(temp)
	if err := f.Close(); err != nil {
		return boltError(path, err)
	}
	at.reach("temporary file made")
	drv := &boltDriver{path: temp}
	if err := drv.openFile(boltOptions(DefaultLockTimeout)); err != nil {
		return err
	}
	at.reach("temporary database made")
	if err := drv.commit(rows); err != nil {
		_ = drv.close()
		return err
	}
	at.reach("first rows committed")
	if err := drv.close(); err != nil {
		return err
	}
	at.reach("temporary database closed")
	if err := publish(temp, path, at); err != nil && !errors.Is(err, fs.ErrExist) {
		return boltError(path, err)
	}
	return nil
}

// boltDriver keeps rows in a bbolt file, one bucket for each of ours.
type boltDriver struct {
	path string
	db   *bbolt.DB
	// broken says that bbolt panicked in the midst of something. Its locks may
	// be held for good, so it is not touched again.
	broken atomic.Bool
}

var _ driver = (*boltDriver)(nil)

func boltOptions(lockTimeout time.Duration) bbolt.Options {
	return bbolt.Options{
		Timeout:      lockTimeout,
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
	}
}

// open examines the file before bbolt relies on it, and opens it.
func (d *boltDriver) open(lockTimeout time.Duration) error {
	if err := d.examine(lockTimeout); err != nil {
		return err
	}
	return d.openFile(boltOptions(lockTimeout))
}

func (d *boltDriver) openFile(options bbolt.Options) error {
	var file *os.File
	options.OpenFile = func(name string, flag int, perm os.FileMode) (f *os.File, err error) {
		file, err = os.OpenFile(name, flag, perm)
		return file, err
	}
	err := d.guard(func() (err error) {
		d.db, err = bbolt.Open(d.path, 0o600, &options)
		return err
	})
	if err == nil && !options.ReadOnly && replaced(file, d.path) {
		// Compacted while the lock was waited for: what is locked now is the file
		// as it was before.
		_ = d.db.Close()
		return d.openFile(options)
	}
	if d.broken.Load() && file != nil {
		_ = file.Close() // and with it the lock, which a panic has left behind
	}
	return err
}

// replaced reports whether another file has the path of one that is open.
func replaced(file *os.File, path string) bool {
	is, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && !os.SameFile(is, named)
}

// load implements driver.
func (d *boltDriver) load(yield func(bucket, key string, value []byte) error) error {
	return d.guard(func() error {
		return d.db.View(func(tx *bbolt.Tx) error {
			for _, name := range append(tables(), bucketMeta) {
				b := tx.Bucket([]byte(name))
				if b == nil && late(name) {
					continue // a store from before there was that table
				}
				if b == nil {
					return errNotAStore
				}
				err := b.ForEach(func(k, v []byte) error { return yield(name, string(k), v) })
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// begin implements driver. The file's lock keeps others out.
func (d *boltDriver) begin(context.Context) (turn, error) { return ownTurn{d.commit}, nil }

// exclusive implements driver.
func (d *boltDriver) exclusive() bool { return true }

// commit makes all of ops durable, or none of them; see turn.
func (d *boltDriver) commit(ops []op) error {
	err := d.guard(func() error {
		return d.db.Update(func(tx *bbolt.Tx) error {
			for _, name := range buckets() {
				if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
					return err
				}
			}
			for _, o := range ops {
				if err := apply(tx.Bucket([]byte(o.bucket)), o); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil && d.landed(ops) {
		return &uncertainError{err}
	}
	return err
}

func apply(b *bbolt.Bucket, o op) error {
	if o.value == nil {
		return b.Delete([]byte(o.key))
	}
	return b.Put([]byte(o.key), o.value)
}

// landed reports whether the head of a failed commit is what the file now
// says: the last page was written, and only whether it will survive a power
// failure is open.
func (d *boltDriver) landed(ops []op) bool {
	landed := false
	err := d.guard(func() error {
		return d.db.View(func(tx *bbolt.Tx) error {
			for _, o := range ops {
				if o.bucket == bucketMeta && o.key == metaHead {
					b := tx.Bucket([]byte(bucketMeta))
					landed = b != nil && string(b.Get([]byte(metaHead))) == string(o.value)
				}
			}
			return nil
		})
	})
	return landed || err != nil
}

// scan implements driver.
func (d *boltDriver) scan(_ context.Context, bucket, from string, limit int) ([]op, error) {
	var rows []op
	err := d.guard(func() error {
		return d.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte(bucket))
			if b == nil {
				return errNotAStore
			}
			c := b.Cursor()
			for k, v := c.Seek([]byte(from)); k != nil && len(rows) < limit; k, v = c.Next() {
				rows = append(rows, op{bucket, string(k), append([]byte(nil), v...)})
			}
			return nil
		})
	})
	return rows, err
}

// close implements driver.
func (d *boltDriver) close() error {
	if d.db == nil || d.broken.Load() {
		return nil
	}
	return d.guard(d.db.Close)
}
