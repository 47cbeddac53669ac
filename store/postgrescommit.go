package store

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// keepCommits is how many commits are remembered, with what they deleted: a
// weighbridge that was away for longer reads all rows again.
const keepCommits = 10000

// pruneEvery is after how many commits what is too old is forgotten.
const pruneEvery = 500

// commit implements turn. Where nobody says that the commit is there for good,
// it is found out on another connection what came of it.
func (t *postgresTurn) commit(ops []op, to mark) error {
	ctx, stop := context.WithTimeout(context.Background(), turnLimit)
	defer stop()
	if err := t.write(ctx, ops, to); err != nil {
		return postgresError(err)
	}
	err := t.seal(ctx)
	if err == nil || errors.Is(err, pgx.ErrTxCommitRollback) {
		return postgresError(err)
	}
	landed, lookErr := t.d.landed(to)
	switch {
	case lookErr != nil:
		return &Error{Kind: KindUnavailable, What: whatStore,
			Detail: "it is not known whether the change was made and will last: " + postgresReason(err),
			Next:   "look whether it was made before you make it again", Cause: ErrUnknown}
	case !landed:
		return postgresError(err)
	}
	return nil
}

// settle implements turn. What is read in a turn may be a commit whose outcome
// nobody knows: seen, and not at the standby that was to have it.
func (t *postgresTurn) settle() error {
	ctx, stop := context.WithTimeout(context.Background(), turnLimit)
	defer stop()
	if err := t.seal(ctx); err != nil {
		return &Error{Kind: KindUnavailable, What: whatStore,
			Detail: "there is nothing to change, and it is not known whether what is there will last: " + postgresReason(err),
			Next:   "try again", Cause: errPassing}
	}
	return nil
}

// errLocal is the error of a commit that the database says it made, and warns
// of: where the wait for a synchronous standby is broken off (by a time limit,
// an operator, or who waited), PostgreSQL keeps the change and shows it to all,
// as if it had been confirmed.
var errLocal = errors.New("the database warned that it may not be")

// seal ends the turn by a commit, after which everything that was read or
// written in it is durable, wherever the database was told to have it so: the
// row of turns is locked, which is a write, so that this commit waits as every
// other, and behind all that came before it. Where it fails nothing is known.
func (t *postgresTurn) seal(ctx context.Context) error {
	warned := &atomic.Bool{}
	t.tx.Conn().PgConn().CustomData()[warnings] = warned
	err := t.tx.Commit(ctx)
	t.done = true
	if err == nil && warned.Load() {
		return errLocal
	}
	return err
}

// warnings is where a connection keeps what its next warning sets.
const warnings = "weighbridge warnings"

// heedWarning notes a warning of the database. What it says is in the language
// of the server, and its SQLSTATE the same for all.
func heedWarning(conn *pgconn.PgConn, n *pgconn.Notice) {
	if warned, ok := conn.CustomData()[warnings].(*atomic.Bool); ok && n.SeverityUnlocalized == "WARNING" {
		warned.Store(true)
	}
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

// landed finds out whether the commit to is there for good. Whoever holds the
// turn knows for certain whether it is there: the transaction that made it, or
// not, is over. That it lasts is known once what follows it does.
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
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return postgresError(err)
		}
		if there = err == nil && string(tag) == to.tag; !there {
			return nil
		}
		return postgresError(t.seal(ctx))
	})
	return there, err
}
