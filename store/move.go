package store

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/weighbridge/weighbridge/auth"
)

// Location is where a store lies: in the bbolt file of Path, or in the database
// of DSN where Path is empty.
type Location struct {
	Path string
	DSN  auth.Secret
}

// Moved says what was moved.
type Moved struct {
	// Rows and Events are how many.
	Rows   int
	Events int
}

// Move copies the store at from, which nobody may have open (ErrInUse), to to,
// where there must be none (fs.ErrExist). The rows are copied as they are,
// sealed and tagged; what was copied is opened and checked with the KEK as a
// start does, and read by check, before Move returns nil. After an error there is nothing at to. From is
// left as it is: it is for the caller to see that nobody goes on with it.
func Move(ctx context.Context, from, to Location, o Options, check func(Store) error) (m Moved, err error) {
	if o.KEK == nil {
		return m, errNoKEK()
	}
	source, release, err := from.hold(ctx, o)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, release()) }()
	counted := func(yield func(op) error) error {
		return source(func(r op) error {
			if r.bucket == bucketEvents {
				m.Events++
			} else {
				m.Rows++
			}
			return yield(r)
		})
	}
	if to.Path != "" {
		return m, intoBolt(ctx, to.Path, counted, o, check)
	}
	return m, intoPostgres(ctx, to.DSN, counted, o, check)
}

// hold opens the store at p, checks it as a start does, and keeps others out
// until release.
func (p Location) hold(ctx context.Context, o Options) (dump func(yield func(op) error) error, release func() error, err error) {
	if p.Path != "" {
		if _, err := os.Stat(p.Path); err != nil {
			return nil, nil, err
		}
		drv := &boltDriver{path: p.Path}
		if o.LockTimeout <= 0 {
			o.LockTimeout = DefaultLockTimeout
		}
		if err := drv.open(o.LockTimeout); err != nil {
			return nil, nil, err
		}
		if _, err := open(ctx, drv, o); err != nil {
			return nil, nil, errors.Join(inFile(p.Path, err), drv.close())
		}
		return drv.dump, drv.close, nil
	}
	drv, err := connect(ctx, p.DSN)
	if err != nil {
		return nil, nil, err
	}
	release = drv.close
	err = func() error {
		if empty, err := drv.empty(ctx); err != nil || empty {
			return cmpError(err, errNoStore())
		}
		alone, err := drv.alone(ctx)
		if err != nil {
			return err
		}
		release = func() error { alone(); return drv.close() }
		_, err = open(ctx, drv, o)
		return err
	}()
	if err != nil {
		return nil, nil, errors.Join(err, release())
	}
	return drv.dumpIn(ctx), release, nil
}

// alone makes sure that no weighbridge has the store open, until release. It
// holds a transaction open, and its lock ends with that: a lock of the session
// would outlive it in a pooler, and keep everybody out.
func (d *postgresDriver) alone(ctx context.Context) (release func(), err error) {
	ctx, stop := context.WithTimeout(ctx, turnLimit)
	defer stop()
	conn, err := d.dial(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := conn.BeginTx(ctx, readCommitted)
	if err != nil {
		disconnect(conn)
		return nil, cancelled(ctx, err)
	}
	release = func() { rollBack(tx); disconnect(conn) }
	alone := false
	_, err = tx.Exec(ctx, `SET LOCAL idle_in_transaction_session_timeout = 0`)
	if err == nil {
		err = tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1, hashtext(current_schema()))`, presenceLock).Scan(&alone)
	}
	if err == nil && !alone {
		err = &Error{Kind: KindUnavailable, What: whatStore, Detail: "a weighbridge has it open", Next: "stop all that share it", Cause: ErrInUse}
	}
	if err != nil {
		release()
		return nil, cancelled(ctx, err)
	}
	return release, nil
}

// dump is dumpIn of postgresDriver.
func (d *boltDriver) dump(yield func(op) error) error {
	return errors.Join(
		d.load(func(bucket, key string, value []byte) error { return yield(op{bucket, key, value}) }),
		func() error {
			for from := ""; ; {
				rows, err := d.scan(context.Background(), bucketEvents, from, copyBatch)
				if err != nil || len(rows) == 0 {
					return err
				}
				for _, r := range rows {
					if err := yield(r); err != nil {
						return err
					}
				}
				from = rows[len(rows)-1].key + "\x00"
			}
		}())
}

// intoBolt writes a new file, which gets its name once it was checked.
func intoBolt(ctx context.Context, path string, dump func(func(op) error) error, o Options, check func(Store) error) error {
	if exists(path) {
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(newFilePattern(path))) // mode 0600
	if err != nil {
		return boltError(path, err)
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // once published there is none
	if err := temp.Close(); err != nil {
		return boltError(path, err)
	}
	if err := fillBolt(temp.Name(), dump); err != nil {
		return err
	}
	if err := ReadBolt(ctx, temp.Name(), o, check); err != nil {
		return err
	}
	return publish(temp.Name(), path, nil)
}

// intoPostgres writes all rows in one transaction, which is committed before
// they are checked, and taken back where they do not pass, or where it is not
// known whether they are there. It takes as long as it takes.
func intoPostgres(ctx context.Context, dsn auth.Secret, dump func(func(op) error) error, o Options, check func(Store) error) (err error) {
	drv, err := connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, drv.close()) }()
	long, stop := context.WithTimeout(ctx, loadLimit)
	defer stop()
	if err := drv.migrate(long); err != nil {
		return err
	}
	release, err := drv.alone(ctx)
	if err != nil {
		return err
	}
	defer release()
	filled := false
	err = drv.within(ctx, readCommitted, func(tx pgx.Tx) error {
		err := fillPostgres(ctx, tx, dump)
		filled = err == nil
		return err
	})
	if err == nil {
		var c *core
		if c, err = open(ctx, drv, o); err == nil {
			err = check(c)
		}
	}
	if err == nil || !filled {
		return err
	}
	return errors.Join(err, drv.clear(context.WithoutCancel(ctx)))
}

// clear takes out all that fillPostgres put in.
func (d *postgresDriver) clear(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, loadLimit)
	defer stop()
	return d.within(ctx, readCommitted, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `TRUNCATE weighbridge_rows, weighbridge_events, weighbridge_commits`)
		if err == nil { // a store that begins here has forgotten nothing
			_, err = tx.Exec(ctx, `UPDATE weighbridge_turn SET floor = 0`)
		}
		return err
	})
}

// fillPostgres writes all rows of dump into tables that are empty. What was
// deleted before is not known, so its commit is the floor.
func fillPostgres(ctx context.Context, tx pgx.Tx, dump func(func(op) error) error) error {
	t := &postgresTurn{tx: tx}
	if err := lock(ctx, tx); err != nil {
		return err
	}
	if empty, err := t.first(ctx); err != nil || !empty {
		return cmpError(err, &Error{Kind: KindExists, What: whatStore, Detail: "there is one in this database already",
			Next: "name another database, or another schema by search_path", Cause: fs.ErrExist})
	}
	// A turn ends soon; this one takes as long as it takes.
	for _, name := range []string{"statement_timeout", "idle_in_transaction_session_timeout"} {
		if _, err := tx.Exec(ctx, `SELECT set_config($1, '0', true)`, name); err != nil {
			return err
		}
	}
	var last []byte
	var ops []op
	flush := func() error {
		err := tx.SendBatch(ctx, putRows(ops, 0)).Close()
		ops = ops[:0]
		return err
	}
	err := dump(func(o op) error {
		o.value = append([]byte{}, o.value...)
		if o.bucket == bucketMeta && o.key == metaHead {
			last = o.value
		}
		if ops = append(ops, o); len(ops) < copyBatch {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return err
	}
	var h struct {
		Commits uint64 `json:"commits"`
	}
	if err := json.Unmarshal(last[:max(0, len(last)-tagSize)], &h); err != nil {
		return damagedRow(bucketMeta, metaHead, err)
	}
	at := markOf(h.Commits, last)
	if _, err := tx.Exec(ctx, `UPDATE weighbridge_rows SET commit = $1`, at.commit); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE weighbridge_turn SET floor = $1`, at.commit); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO weighbridge_commits (n, tag) VALUES ($1, $2)`, at.commit, []byte(at.tag))
	return err
}
