package store

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weighbridge/weighbridge/auth"
)

const (
	// connectLimit is how long a new connection may take, where the DSN does not
	// say connect_timeout.
	connectLimit = 3 * time.Second
	// queryLimit bounds what reads or writes a few rows. Who does not answer
	// for so long is taken for dead.
	queryLimit = 5 * time.Second
	// loadLimit bounds what reads or writes all rows.
	loadLimit = 5 * time.Minute
	// turnLimit is how long a change waits for the database and for its turn: it
	// outlasts the restart of a database, and most failovers.
	turnLimit = 10 * time.Second
	// maxConns is how many connections acts and looks share, where the DSN does
	// not say pool_max_conns: one for the act whose turn it is, one for the look
	// at what others did, and two that are being given up or read the record.
	maxConns = 4
	// retryEvery is how soon what failed is tried again.
	retryEvery = 100 * time.Millisecond
)

// OpenPostgres opens the store in the PostgreSQL database that dsn names (a URL
// or words as libpq takes them), and makes it where there is none. Any number of
// weighbridges may have it open: what one changes the others know within a
// second. Its tables lie in the first schema of the search_path. The errors are
// those of OpenBolt; ErrInUse where the store is being moved. Nothing of dsn is
// in any of them but the address that was dialled.
func OpenPostgres(ctx context.Context, dsn auth.Secret, o Options) (Store, error) {
	if o.KEK == nil {
		return nil, errNoKEK()
	}
	drv, err := connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	c, err := openPostgres(ctx, drv, o)
	if err != nil {
		_ = drv.close()
		return nil, err
	}
	return c, nil
}

func openPostgres(ctx context.Context, drv *postgresDriver, o Options) (*core, error) {
	f := newFollowing(drv)
	if err := f.attend(ctx, true); err != nil {
		return nil, err
	}
	drv.following = f
	if err := drv.initialise(ctx, o.KEK); err != nil {
		return nil, err
	}
	now := o.Now
	if now == nil {
		now = time.Now
	}
	began := now()
	c, err := open(ctx, drv, o)
	if err != nil {
		return nil, err
	}
	c.contact.found(began)
	f.start(c, o.OnContact)
	return c, nil
}

// PostgresEmpty reports whether the database holds no store yet. It changes
// nothing.
func PostgresEmpty(ctx context.Context, dsn auth.Secret) (empty bool, err error) {
	drv, err := connect(ctx, dsn)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, drv.close()) }()
	return drv.empty(ctx)
}

// ReadPostgres opens the store in a database for fn to read, checks it as
// OpenPostgres does, and changes nothing. Others may have it open meanwhile. The
// error is fs.ErrNotExist where there is none.
func ReadPostgres(ctx context.Context, dsn auth.Secret, o Options, fn func(Store) error) error {
	if o.KEK == nil {
		return errNoKEK()
	}
	drv, err := connect(ctx, dsn)
	if err != nil {
		return err
	}
	return errors.Join(func() error {
		if empty, err := drv.empty(ctx); err != nil || empty {
			return cmpError(err, errNoStore())
		}
		c, err := open(ctx, drv, o)
		if err != nil {
			return err
		}
		return fn(c)
	}(), drv.close())
}

// errNoStore: the database is there and no store in it.
func errNoStore() error {
	return &Error{Kind: KindUnavailable, What: whatStore, Detail: "there is none in this database", Cause: fs.ErrNotExist}
}

// postgresDriver keeps rows in the tables of a PostgreSQL database. Whoever
// changes anything locks one row first (turn), so that changes are made one at a
// time by all weighbridges together.
type postgresDriver struct {
	pool *pgxpool.Pool
	dsn  auth.Secret
	// gate admits one turn of this process at a time, so that those who wait
	// hold no connection.
	gate      chan struct{}
	following *following // nil where nobody follows what others change
	closing   sync.Once
}

var _ driver = (*postgresDriver)(nil)

// connect makes the pool, and tries nothing yet.
func connect(ctx context.Context, dsn auth.Secret) (*postgresDriver, error) {
	bad := &Error{Kind: KindInvalid, What: "store.dsn", Detail: "it is not a DSN of PostgreSQL",
		Next: "write postgres://USER:PASSWORD@HOST:5432/DATABASE, or words such as host=… dbname=…"}
	c, err := pgxpool.ParseConfig(dsn.Reveal())
	if err != nil { // which quotes parts of it
		return nil, bad
	}
	if c.ConnConfig.ConnectTimeout <= 0 || c.ConnConfig.ConnectTimeout > time.Minute {
		c.ConnConfig.ConnectTimeout = connectLimit
	}
	if c.ConnConfig.RuntimeParams["application_name"] == "" {
		c.ConnConfig.RuntimeParams["application_name"] = "weighbridge"
	}
	c.ConnConfig.OnNotice = heedWarning
	if !saysHowMany(dsn) {
		c.MaxConns = maxConns
	}
	c.MinConns = 0
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, bad
	}
	return &postgresDriver{pool: pool, dsn: dsn, gate: make(chan struct{}, 1)}, nil
}

// saysHowMany reports whether dsn bounds the connections.
func saysHowMany(dsn auth.Secret) bool {
	c, err := pgx.ParseConfig(dsn.Reveal()) // which leaves what is the pool's
	if err != nil {
		return false
	}
	_, ok := c.RuntimeParams["pool_max_conns"]
	return ok
}

// dial makes a connection beside those of the pool, for what holds one for long.
// The caller disconnects it.
func (d *postgresDriver) dial(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, d.pool.Config().ConnConfig)
	if err != nil {
		return nil, cancelled(ctx, err)
	}
	return conn, nil
}

// within runs fn in a transaction, which is rolled back where it fails.
func (d *postgresDriver) within(ctx context.Context, o pgx.TxOptions, fn func(pgx.Tx) error) error {
	return postgresError(pgx.BeginTxFunc(ctx, d.pool, o, fn))
}

// atOneMoment is a transaction that reads, and sees the rows as they stood when
// it began.
var atOneMoment = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}

func damagedDatabase(detail string) error {
	return &Error{Kind: KindUnavailable, What: whatStore, Detail: "the tables are not as weighbridge left them: " + detail,
		Next: restoreHint, Cause: ErrDamaged}
}

// empty reports whether there is no commit yet.
func (d *postgresDriver) empty(ctx context.Context) (empty bool, err error) {
	ctx, stop := context.WithTimeout(ctx, turnLimit)
	defer stop()
	err = d.retry(ctx, func() error {
		return d.within(ctx, atOneMoment, func(tx pgx.Tx) error {
			there := false
			if err := tx.QueryRow(ctx, `SELECT to_regclass('weighbridge_commits') IS NOT NULL`).Scan(&there); err != nil || !there {
				empty = true
				return err
			}
			return tx.QueryRow(ctx, `SELECT NOT EXISTS (SELECT FROM weighbridge_commits)`).Scan(&empty)
		})
	})
	return empty, err
}

// initialise makes the tables, and the first rows where there are none.
func (d *postgresDriver) initialise(ctx context.Context, kek KEK) error {
	long, stop := context.WithTimeout(ctx, loadLimit)
	defer stop()
	if err := d.migrate(long); err != nil {
		return err
	}
	if empty, err := d.empty(ctx); err != nil || !empty {
		return err
	}
	rows, err := firstRows(ctx, kek, schemaVersion)
	if err != nil {
		return err
	}
	t, err := d.begin(ctx)
	if err != nil {
		return err
	}
	defer t.end()
	if empty, err := t.(*postgresTurn).first(ctx); err != nil || !empty {
		return err // another weighbridge was first
	}
	return t.commit(rows, markOf(0, headIn(rows)))
}

// load implements driver.
func (d *postgresDriver) load(yield func(bucket, key string, value []byte) error) error {
	ctx, stop := context.WithTimeout(context.Background(), loadLimit)
	defer stop()
	return d.within(ctx, atOneMoment, func(tx pgx.Tx) error { return loadRows(ctx, tx, yield) })
}

func loadRows(ctx context.Context, tx pgx.Tx, yield func(bucket, key string, value []byte) error) error {
	rows, err := tx.Query(ctx, `SELECT bucket, key, value FROM weighbridge_rows WHERE value IS NOT NULL`)
	if err != nil {
		return err
	}
	var bucket string
	var key, value []byte
	_, err = pgx.ForEachRow(rows, []any{&bucket, &key, &value}, func() error { return yield(bucket, string(key), value) })
	return err
}

// exclusive implements driver.
func (d *postgresDriver) exclusive() bool { return false }

// scan implements driver. Only events are kept in order.
func (d *postgresDriver) scan(ctx context.Context, bucket, from string, limit int) (out []op, err error) {
	if bucket != bucketEvents {
		return nil, invalid("bucket", bucket, "it is not kept in order")
	}
	ctx, stop := context.WithTimeout(ctx, turnLimit)
	defer stop()
	err = d.retry(ctx, func() error {
		out = nil
		rows, err := d.pool.Query(ctx, `SELECT key, value FROM weighbridge_events WHERE key >= $1 ORDER BY key LIMIT $2`, []byte(from), limit)
		if err != nil {
			return postgresError(err)
		}
		var key, value []byte
		_, err = pgx.ForEachRow(rows, []any{&key, &value}, func() error {
			out = append(out, op{bucket, string(key), append([]byte(nil), value...)})
			return nil
		})
		return postgresError(err)
	})
	return out, err
}

// retry runs fn until it succeeds, fails for good, or ctx ends; the error is
// then the last one.
func (d *postgresDriver) retry(ctx context.Context, fn func() error) error {
	for {
		err := fn()
		if err == nil || !errors.Is(err, errPassing) {
			return err
		}
		// What is kept of connections may all lead to a database that is gone, or
		// is the primary no more.
		d.pool.Reset()
		select {
		case <-ctx.Done():
			return err
		case <-time.After(retryEvery):
		}
	}
}

// close implements driver.
func (d *postgresDriver) close() error {
	d.closing.Do(func() {
		if d.following != nil {
			d.following.close()
		}
		d.pool.Close()
	})
	return nil
}
