package store

import (
	"context"
	"errors"
	"os"

	"github.com/jackc/pgx/v5"
)

// copyBatch is how many rows are written in one transaction of a copy.
const copyBatch = 2000

// snapshot implements driver: a bbolt file of the rows as they stand at one
// moment, so that there is one form of backup, whatever the store is kept in.
func (d *postgresDriver) snapshot() (f *os.File, err error) {
	file, err := os.CreateTemp("", "weighbridge-copy-*") // mode 0600
	if err != nil {
		return nil, boltError("", err)
	}
	temp := file.Name()
	if err := file.Close(); err != nil {
		return nil, errors.Join(boltError(temp, err), os.Remove(temp))
	}
	ctx, stop := context.WithTimeout(context.Background(), loadLimit)
	defer stop()
	if err := fillBolt(temp, d.dumpIn(ctx)); err != nil {
		return nil, errors.Join(err, os.Remove(temp))
	}
	if f, err = os.Open(temp); err != nil {
		return nil, errors.Join(boltError(temp, err), os.Remove(temp))
	}
	return f, nil
}

// dumpIn yields every row, events among them in order, as they stand at one
// moment. The value is only valid during the call. It has a connection of its
// own, as whoever takes the rows may take his time.
func (d *postgresDriver) dumpIn(ctx context.Context) func(yield func(op) error) error {
	return func(yield func(op) error) error {
		conn, err := d.dial(ctx)
		if err != nil {
			return err
		}
		defer disconnect(conn)
		return postgresError(pgx.BeginTxFunc(ctx, conn, atOneMoment, func(tx pgx.Tx) error { return dumpRows(ctx, tx, yield) }))
	}
}

func dumpRows(ctx context.Context, tx pgx.Tx, yield func(op) error) error {
	err := loadRows(ctx, tx, func(bucket, key string, value []byte) error { return yield(op{bucket, key, value}) })
	if err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `SELECT key, value FROM weighbridge_events ORDER BY key`)
	if err != nil {
		return err
	}
	var key, value []byte
	_, err = pgx.ForEachRow(rows, []any{&key, &value}, func() error { return yield(op{bucketEvents, string(key), value}) })
	return err
}

// fillBolt writes all rows of dump into the empty file at path.
func fillBolt(path string, dump func(yield func(op) error) error) (err error) {
	to := &boltDriver{path: path}
	options := boltOptions(DefaultLockTimeout)
	options.NoSync = true // until all is written
	if err := to.openFile(options); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.close()) }()
	var ops []op
	flush := func() error {
		err := to.commit(ops)
		ops = ops[:0]
		return err
	}
	err = dump(func(o op) error {
		o.value = append([]byte{}, o.value...)
		if ops = append(ops, o); len(ops) < copyBatch {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err == nil {
		err = to.guard(to.db.Sync)
	}
	return err
}
