package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// migrations are the steps by which the tables are made, in order of their
// numbers. A step that was released is never changed. They are of the tables
// alone: what form the rows in them have, schemaVersion says.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrationLock keeps two first starts apart, by schema. The number is any.
const migrationLock = 0x7765_6967

// migrate takes the steps that the database has not taken yet, each of them
// whole or not at all.
func (d *postgresDriver) migrate(ctx context.Context) error {
	steps, err := fs.Glob(migrations, "migrations/*.sql") // sorted
	if err != nil {
		return err
	}
	return d.within(ctx, readCommitted, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1, hashtext(current_schema()))`, migrationLock)
		if err != nil {
			return err
		}
		done := 0
		there := false
		if err := tx.QueryRow(ctx, `SELECT to_regclass('weighbridge_migrations') IS NOT NULL`).Scan(&there); err != nil {
			return err
		}
		if there {
			err = tx.QueryRow(ctx, `SELECT coalesce(max(n), 0) FROM weighbridge_migrations`).Scan(&done)
		} else {
			_, err = tx.Exec(ctx, `CREATE TABLE weighbridge_migrations (n integer PRIMARY KEY, made_at timestamptz NOT NULL DEFAULT now())`)
		}
		if err != nil {
			return err
		}
		if done > len(steps) {
			return &Error{Kind: KindUnavailable, What: whatStore,
				Detail: fmt.Sprintf("its tables took step %d, and this weighbridge knows %d", done, len(steps)),
				Next:   "use the weighbridge that made them, or a newer one", Cause: ErrNewer}
		}
		for _, name := range steps[done:] {
			text, err := migrations.ReadFile(name)
			if err != nil {
				return err
			}
			number, _, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
			n, err := strconv.Atoi(number)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, string(text)); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `INSERT INTO weighbridge_migrations (n) VALUES ($1)`, n); err != nil {
				return err
			}
		}
		return nil
	})
}
