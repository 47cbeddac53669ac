package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// turnSettings hold for a turn. A weighbridge that stops in the midst of one
// (frozen, or cut off) loses it, so that the others go on; and no setting of
// the database makes a commit less than durable. The lock comes last: what is
// read after it is what the commit before has left.
var turnSettings = []string{
	`SET LOCAL lock_timeout = '5s'`,
	`SET LOCAL statement_timeout = '10s'`,
	`SET LOCAL idle_in_transaction_session_timeout = '10s'`,
	`SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')`,
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

// readCommitted is a transaction of which every statement sees what was
// committed before it, whatever the database does by itself: one that saw the
// rows as they stood before it had its turn would write by what is no more.
var readCommitted = pgx.TxOptions{IsoLevel: pgx.ReadCommitted}

// take begins a turn; d.gate is held.
func (d *postgresDriver) take(ctx context.Context) (*postgresTurn, error) {
	tx, err := d.pool.BeginTx(ctx, readCommitted)
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
