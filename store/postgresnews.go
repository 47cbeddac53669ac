package store

import (
	"context"

	"github.com/jackc/pgx/v5"
)

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

// since is what others changed after the commit at, as it stands at one moment;
// nil where nothing.
func (d *postgresDriver) since(ctx context.Context, at mark) (n *news, err error) {
	quick, stop := context.WithTimeout(ctx, queryLimit)
	defer stop()
	s, err := standingOf(quick, d.pool, at)
	if err != nil {
		return nil, postgresError(err)
	}
	if more, _, err := s.after(at); err != nil || !more {
		return nil, err
	}
	long, stop := context.WithTimeout(ctx, loadLimit)
	defer stop()
	err = d.within(long, atOneMoment, func(tx pgx.Tx) (err error) { n, err = newsIn(long, tx, at); return err })
	return n, err
}

// standing is how far the database is.
type standing struct {
	// last is the newest commit, -1 where there is none, and lastTag its tag.
	last    int64
	lastTag []byte
	// tag is that of the commit which is known here, if the database holds it.
	tag []byte
	// floor is up to where what was deleted is forgotten.
	floor int64
	// standby says that it follows another server, and may be behind it for as
	// long as it likes: what is missing here may have been committed there.
	standby bool
}

const standingSQL = `SELECT coalesce((SELECT max(n) FROM weighbridge_commits), -1),
	(SELECT tag FROM weighbridge_commits ORDER BY n DESC LIMIT 1),
	(SELECT tag FROM weighbridge_commits WHERE n = $1),
	(SELECT floor FROM weighbridge_turn), pg_is_in_recovery()`

func standingOf(ctx context.Context, db interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}, at mark) (s standing, err error) {
	err = db.QueryRow(ctx, standingSQL, at.commit).Scan(&s.last, &s.lastTag, &s.tag, &s.floor, &s.standby)
	return s, err
}

// after says whether there is anything to read after the commit at, and whether
// that begins with all rows. It fails where the database does not hold that
// commit any more: it was put back, or is another.
func (s *standing) after(at mark) (more, all bool, err error) {
	n := int64(at.commit) //nolint:gosec // commits are counted from 0
	switch {
	case s.standby:
		return false, false, &Error{Kind: KindUnavailable, What: whatStore, Detail: "the server is a standby, which may be behind",
			Next: "it goes on by itself once the primary is reached; with several hosts in the DSN, add target_session_attrs=read-write", Cause: errPassing}
	case s.last < n:
		return false, false, wentBack("its last change is number %d, and number %d was known here", s.last, n)
	case n >= s.floor && string(s.tag) != at.tag:
		return false, false, wentBack("its change number %d is not the one that was known here (of %d)", n, s.last)
	}
	return s.last > n, n < s.floor, nil
}

func newsIn(ctx context.Context, tx pgx.Tx, at mark) (*news, error) {
	s, err := standingOf(ctx, tx, at)
	if err != nil {
		return nil, err
	}
	more, all, err := s.after(at)
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
	n := &news{all: all, last: mark{uint64(s.last), string(s.lastTag)}} //nolint:gosec // as above
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
