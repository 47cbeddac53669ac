package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// keepCommits is how many commits are remembered, with what they deleted: a
// weighbridge that was away for longer reads all rows again.
const keepCommits = 10000

// pruneEvery is after how many commits what is too old is forgotten.
const pruneEvery = 500

// turnSettings hold for a turn. A weighbridge that stops in the midst of one
// (frozen, or cut off) loses it, so that the others go on; and no setting of
// the database makes a commit less than durable. The lock comes last: what is
// read after it is what the commit before has left.
var turnSettings = []string{
	`SET LOCAL lock_timeout = '5s'`,
	`SET LOCAL statement_timeout = '10s'`,
	`SET LOCAL idle_in_transaction_session_timeout = '10s'`,
	`SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'`,
}

// postgresTurn is a transaction that holds the row of turns.
type postgresTurn struct {
	d    *postgresDriver
	tx   pgx.Tx
	done bool
}

var _ turn = (*postgresTurn)(nil)

// begin implements driver. It waits for the database to come back for as long
// as turnLimit.
func (d *postgresDriver) begin(ctx context.Context) (turn, error) {
	ctx, stop := context.WithTimeout(ctx, turnLimit)
	defer stop()
	select {
	case d.gate <- struct{}{}:
	case <-ctx.Done():
		return nil, waited(ctx)
	}
	var t *postgresTurn
	err := d.retry(ctx, func() (err error) { t, err = d.take(ctx); return err })
	if err != nil {
		<-d.gate
		return nil, err
	}
	return t, nil
}

// waited is the error of a turn that did not come.
func waited(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return &Error{Kind: KindUnavailable, What: whatStore, Detail: "many changes wait for their turn; nothing was changed", Next: "try again", Cause: errPassing}
}

// take begins a turn; d.gate is held.
func (d *postgresDriver) take(ctx context.Context) (*postgresTurn, error) {
	tx, err := d.pool.Begin(ctx)
	if err != nil {
		return nil, cancelled(ctx, err)
	}
	if err := lock(ctx, tx); err != nil {
		rollBack(tx)
		return nil, cancelled(ctx, err)
	}
	return &postgresTurn{d: d, tx: tx}, nil
}

func lock(ctx context.Context, tx pgx.Tx) error {
	b := &pgx.Batch{}
	for _, s := range turnSettings {
		b.Queue(s)
	}
	floor := int64(0)
	b.Queue(`SELECT floor FROM weighbridge_turn FOR UPDATE`).QueryRow(func(row pgx.Row) error { return row.Scan(&floor) })
	err := tx.SendBatch(ctx, b).Close()
	if errors.Is(err, pgx.ErrNoRows) { // and nothing is locked
		return damagedDatabase("the row that is locked for a change is missing")
	}
	return err
}

// cancelled is the caller's own end where that is why err came.
func cancelled(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return postgresError(err)
}

// rollBack ends tx whatever has come of its context.
func rollBack(tx pgx.Tx) {
	ctx, stop := context.WithTimeout(context.Background(), queryLimit)
	defer stop()
	_ = tx.Rollback(ctx) // a connection that does not answer is closed
}

// first reports whether nothing was committed yet.
func (t *postgresTurn) first(ctx context.Context) (empty bool, err error) {
	err = t.tx.QueryRow(ctx, `SELECT NOT EXISTS (SELECT FROM weighbridge_commits)`).Scan(&empty)
	return empty, postgresError(err)
}

// since implements turn.
func (t *postgresTurn) since(ctx context.Context, at mark) (*news, error) {
	ctx, stop := context.WithTimeout(ctx, loadLimit)
	defer stop()
	n, err := newsIn(ctx, t.tx, at)
	if err != nil {
		return nil, cancelled(ctx, err)
	}
	return n, nil
}

// newsSQL is the last commit, the tag of the one that is known, and up to where
// what was deleted is forgotten.
const newsSQL = `SELECT coalesce((SELECT max(n) FROM weighbridge_commits), -1),
	(SELECT tag FROM weighbridge_commits WHERE n = $1), (SELECT floor FROM weighbridge_turn)`

// look says whether there is anything to read after the commit at, and whether
// that begins with all rows. It fails where the database does not hold that
// commit any more: it was put back, or is another.
func look(last int64, tag []byte, floor int64, at mark) (more, all bool, err error) {
	n := int64(at.commit) //nolint:gosec // commits are counted from 0
	switch {
	case last < n:
		return false, false, wentBack("its last change is number %d, and number %d was known here", last, n)
	case n >= floor && string(tag) != at.tag:
		return false, false, wentBack("its change number %d is not the one that was known here (of %d)", n, last)
	}
	return last > n, n < floor, nil
}

func newsIn(ctx context.Context, tx pgx.Tx, at mark) (*news, error) {
	var last, floor int64
	var tag []byte
	if err := tx.QueryRow(ctx, newsSQL, at.commit).Scan(&last, &tag, &floor); err != nil {
		return nil, err
	}
	more, all, err := look(last, tag, floor, at)
	if err != nil || !more {
		return nil, err
	}
	after := int64(at.commit) //nolint:gosec // as above
	if all {
		after = -1
	}
	rows, err := tx.Query(ctx, `SELECT bucket, key, value FROM weighbridge_rows WHERE commit > $1`, after)
	if err != nil {
		return nil, err
	}
	n := &news{all: all}
	var bucket string
	var key, value []byte
	_, err = pgx.ForEachRow(rows, []any{&bucket, &key, &value}, func() error {
		o := op{bucket, string(key), nil}
		if value != nil {
			o.value = append([]byte{}, value...)
		}
		if o.value != nil || !all {
			n.rows = append(n.rows, o)
		}
		return nil
	})
	return n, err
}

// commit implements turn. Where the connection breaks while the database
// commits, it is found out on another what came of it.
func (t *postgresTurn) commit(ops []op, to mark) error {
	ctx, stop := context.WithTimeout(context.Background(), turnLimit)
	defer stop()
	if err := t.write(ctx, ops, to); err != nil {
		return postgresError(err)
	}
	err := t.tx.Commit(ctx)
	t.done = true
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrTxCommitRollback):
		return postgresError(err)
	}
	landed, lookErr := t.d.landed(to)
	switch {
	case lookErr != nil:
		return &Error{Kind: KindUnavailable, What: whatStore,
			Detail: "the connection broke while the change was committed, and the database has not answered since whether it was: " + postgresReason(err),
			Next:   "look whether it was made before you make it again", Cause: ErrUnknown}
	case !landed:
		return postgresError(err)
	}
	return nil
}

func (t *postgresTurn) write(ctx context.Context, ops []op, to mark) error {
	n := int64(to.commit) //nolint:gosec // commits are counted from 0
	b := putRows(ops, n)
	b.Queue(`INSERT INTO weighbridge_commits (n, tag) VALUES ($1, $2)`, n, []byte(to.tag))
	if floor := n - keepCommits; floor > 0 && n%pruneEvery == 0 {
		b.Queue(`DELETE FROM weighbridge_rows WHERE value IS NULL AND commit <= $1`, floor)
		b.Queue(`DELETE FROM weighbridge_commits WHERE n < $1`, floor)
		b.Queue(`UPDATE weighbridge_turn SET floor = greatest(floor, $1)`, floor)
	}
	b.Queue(`SELECT pg_notify('`+channel+`', current_schema() || ' ' || $1::bigint)`, n)
	return t.tx.SendBatch(ctx, b).Close()
}

// putRows puts ops as part of a commit.
func putRows(ops []op, commit int64) *pgx.Batch {
	var buckets []string
	var keys, values, eventKeys, eventValues [][]byte
	for _, o := range ops {
		if o.bucket == bucketEvents {
			eventKeys, eventValues = append(eventKeys, []byte(o.key)), append(eventValues, o.value)
			continue
		}
		buckets, keys, values = append(buckets, o.bucket), append(keys, []byte(o.key)), append(values, o.value)
	}
	b := &pgx.Batch{}
	b.Queue(`INSERT INTO weighbridge_rows (bucket, key, value, commit)
		SELECT b, k, v, $4 FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS new (b, k, v)
		ON CONFLICT (bucket, key) DO UPDATE SET value = excluded.value, commit = excluded.commit`, buckets, keys, values, commit)
	if len(eventKeys) > 0 {
		b.Queue(`INSERT INTO weighbridge_events (key, value) SELECT * FROM unnest($1::bytea[], $2::bytea[])`, eventKeys, eventValues)
	}
	return b
}

// landed finds out whether the commit to is there. Whoever holds the turn knows
// for certain: the transaction that made it, or not, is over.
func (d *postgresDriver) landed(to mark) (there bool, err error) {
	ctx, stop := context.WithTimeout(context.Background(), turnLimit)
	defer stop()
	err = d.retry(ctx, func() error {
		t, err := d.take(ctx)
		if err != nil {
			return err
		}
		defer rollBack(t.tx)
		var tag []byte
		err = t.tx.QueryRow(ctx, `SELECT tag FROM weighbridge_commits WHERE n = $1`, to.commit).Scan(&tag)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		there = err == nil && string(tag) == to.tag
		return postgresError(err)
	})
	return there, err
}

// end implements turn.
func (t *postgresTurn) end() {
	if !t.done {
		rollBack(t.tx)
	}
	<-t.d.gate
}

// channel is what changes are told on, with the schema and the commit.
const channel = "weighbridge"

// pollEvery is how often it is looked for changes of which no notification
// came: with the time that a look takes it stays well below the second in which
// a revocation is known everywhere.
const pollEvery = 400 * time.Millisecond
