package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// listenFor is how long a connection that is told nothing is believed to be
// alive.
const listenFor = 15 * time.Second

// presenceLock is held, shared, by every weighbridge that has the store open, and
// alone by who moves it elsewhere; by schema. The number is any.
const presenceLock = 0x7765_6968

// wentBack is the error of a database that does not hold what was committed and
// known here: a replica that had not got everything took over, or an old copy
// was put in its place. What was acknowledged would be undone by going on, a
// revocation say; so nothing is changed and nothing is taken over.
func wentBack(format string, args ...any) error {
	return &Error{Kind: KindUnavailable, What: whatStore,
		Detail: "the database has gone back behind what was committed: " + fmt.Sprintf(format, args...),
		Next:   "put the right database back; or look at what is missing, and restart every weighbridge to go on with what it holds", Cause: joinCause(ErrDamaged, ErrWentBack)}
}

// following takes over what other weighbridges change: at once where they are
// heard of it, and within pollEvery where not.
type following struct {
	d    *postgresDriver
	stop context.CancelFunc
	ctx  context.Context
	wake chan struct{}
	jobs sync.WaitGroup
	// conn listens and shows that this weighbridge is there; of listen once that
	// runs.
	conn   *pgx.Conn
	schema string
}

func newFollowing(d *postgresDriver) *following {
	f := &following{d: d, wake: make(chan struct{}, 1)}
	f.ctx, f.stop = context.WithCancel(context.Background())
	return f
}

// attend connects, shows that this weighbridge is there, and listens. first says
// that the database is waited for.
func (f *following) attend(ctx context.Context, first bool) error {
	ctx, stop := context.WithTimeout(ctx, turnLimit)
	defer stop()
	if !first {
		return f.connect(ctx)
	}
	return f.d.retry(ctx, func() error { return f.connect(ctx) })
}

func (f *following) connect(ctx context.Context) error {
	conn, err := f.d.dial(ctx)
	if err != nil {
		return err
	}
	there, schema := false, ""
	err = conn.QueryRow(ctx, `SELECT pg_try_advisory_lock_shared($1, hashtext(current_schema())), coalesce(current_schema(), '')`, presenceLock).Scan(&there, &schema)
	if err == nil && !there {
		err = errMoving()
	}
	if err == nil {
		_, err = conn.Exec(ctx, `LISTEN `+channel)
	}
	if err != nil {
		disconnect(conn)
		return cancelled(ctx, err)
	}
	f.conn, f.schema = conn, schema
	return nil
}

// errMoving is the error where somebody moves the store.
func errMoving() error {
	return &Error{Kind: KindUnavailable, What: whatStore, Detail: "it is being moved",
		Next: "wait for weighbridge store migrate to end, and name the store that it moved to", Cause: ErrInUse}
}

func disconnect(conn *pgx.Conn) {
	ctx, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	_ = conn.Close(ctx) // it is closed in any case
}

// start follows until close.
func (f *following) start(c *core, told func(error)) {
	f.jobs.Go(f.listen)
	f.jobs.Go(func() {
		for {
			f.look(c, told)
			select {
			case <-f.ctx.Done():
				return
			case <-f.wake:
			case <-time.After(pollEvery):
			}
		}
	})
}

// close ends it and waits for it.
func (f *following) close() {
	f.stop()
	f.jobs.Wait()
	if f.conn != nil {
		disconnect(f.conn)
	}
}

// listen wakes look for every change of others. A connection that breaks is made
// anew; meanwhile look looks by itself.
func (f *following) listen() {
	for f.ctx.Err() == nil {
		if f.conn == nil {
			if f.attend(f.ctx, false) != nil {
				f.pause()
				continue
			}
			f.awake() // for what was told meanwhile
		}
		if err := f.hear(); err != nil && f.ctx.Err() == nil {
			disconnect(f.conn)
			f.conn = nil
			f.pause()
		}
	}
}

func (f *following) pause() {
	select {
	case <-f.ctx.Done():
	case <-time.After(retryEvery):
	}
}

func (f *following) awake() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// hear waits for one notification, and makes sure that the connection lives
// where none comes for long.
func (f *following) hear() error {
	ctx, stop := context.WithTimeout(f.ctx, listenFor)
	defer stop()
	n, err := f.conn.WaitForNotification(ctx)
	switch {
	case err == nil:
		if schema, _, ok := strings.Cut(n.Payload, " "); !ok || schema == f.schema {
			f.awake()
		}
		return nil
	case !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return err
	}
	ctx, end := context.WithTimeout(f.ctx, queryLimit)
	defer end()
	return f.conn.Ping(ctx)
}

// look takes over what others changed, if anything.
func (f *following) look(c *core, told func(error)) {
	began := c.now()
	err := f.d.follow(f.ctx, c)
	if f.ctx.Err() != nil {
		return
	}
	if err == nil {
		if c.contact.found(began) && told != nil {
			told(nil)
		}
		return
	}
	if errors.Is(err, errPassing) {
		f.d.pool.Reset()
	}
	if c.contact.lose(err) && told != nil {
		told(err)
	}
}

// follow looks for changes of others, and takes them over where there are any.
// Nothing is locked while it waits for the database, so that an act, which holds
// a connection when it waits for its turn in here, never waits for one that
// waits for a connection.
func (d *postgresDriver) follow(ctx context.Context, c *core) error {
	c.writing.Lock()
	at := c.at
	c.writing.Unlock()
	n, err := d.since(ctx, at)
	if err != nil || n == nil {
		return err
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.isClosed() || c.at != at { // an act was made meanwhile, and has caught up
		return nil
	}
	return c.takeOver(ctx, n)
}
