package bridge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/audit"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/proxy"
	"github.com/weighbridge/weighbridge/store"
)

// driverPostgres is the driver of a store that several weighbridges share.
const driverPostgres = "postgres"

// inDatabase names a store in PostgreSQL where a file's name would stand: of its
// DSN nothing is shown.
const inDatabase = "in the database of store.dsn"

// openShared opens the store in PostgreSQL.
func (b *Bridge) openShared(ctx context.Context, cfg *config.Config, so store.Options) error {
	dsn, err := cfg.Store.DSN.Read(environ(b.o.Environ))
	if err != nil {
		return fmt.Errorf("store.dsn: %w", err)
	}
	so.KEK, err = b.firstKEK(cfg, inDatabase, func() (bool, error) {
		empty, err := store.PostgresEmpty(ctx, dsn)
		return !empty, err
	})
	if err != nil {
		return err
	}
	so.OnContact = func(err error) {
		b.wentBack.Store(errors.Is(err, store.ErrWentBack))
		switch {
		case err == nil:
			b.log.Info().Msg("the database of the store is in reach again")
			return
		case b.wentBack.Load():
			b.log.Error().Err(err).Msg("the database of the store is not followed; requests are decided by what was known last")
			return
		}
		b.log.Error().Err(err).Msg("the database of the store is out of reach; requests are decided by what was known last")
	}
	so.OnOthers = func() {
		select {
		case b.others <- struct{}{}:
		default:
		}
	}
	b.store, err = store.OpenPostgres(ctx, dsn, so)
	return err
}

// othersPause is how long is waited between two looks at what others changed
// beside the state.
const othersPause = time.Second

// heedOthers takes over what other weighbridges changed that is no part of the
// state: the roots.
func (b *Bridge) heedOthers(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.others:
		}
		if b.authority != nil {
			if err := b.authority.renew(ctx); err != nil && ctx.Err() == nil {
				b.log.Error().Err(err).Msg("another weighbridge may have rotated the root, and it cannot be taken over yet")
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(othersPause):
		}
	}
}

// outage refuses everything while it is not known for too long which keys still
// stand.
func (b *Bridge) outage() error {
	since := b.store.Contact()
	if since.IsZero() || b.o.Now().Sub(since) < b.loaded.Load().Config.Store.MaxOutage {
		return nil
	}
	what := "the database of the store is out of reach since "
	if b.wentBack.Load() {
		what = "the database of the store does not hold what was committed, and was last followed at "
	}
	return auth.NewError(auth.CodeStoreUnavailable, what+since.UTC().Format(time.RFC3339), nil)
}

// recorder is the record of use, which takes nothing either while outage says
// so.
func (b *Bridge) recorder() proxy.Recorder {
	if b.loaded.Load().Config.Store.Driver != driverPostgres {
		return b.record
	}
	return knownRecorder{b.record, b.outage}
}

type knownRecorder struct {
	*audit.File
	outage func() error
}

// Err implements proxy.Recorder.
func (r knownRecorder) Err() error {
	if err := r.File.Err(); err != nil {
		return err
	}
	return r.outage()
}

// readShared opens the store in PostgreSQL, where there is one, for fn to read;
// nil looks whether it opens.
func readShared(ctx context.Context, cfg *config.Config, environment []string, fn func(store.Store) error) error {
	dir, err := filepath.Abs(cfg.DataDir)
	if err != nil {
		return err
	}
	env := environ(environment)
	dsn, err := cfg.Store.DSN.Read(env)
	if err != nil {
		return fmt.Errorf("store.dsn: %w", err)
	}
	empty, err := store.PostgresEmpty(ctx, dsn)
	if err != nil {
		return err
	}
	kek, err := openKEK(cfg.KEK, dir, cfg, env, nil, nil)
	if _, file := store.KEKFile(cfg.KEK, dir); file && errors.Is(err, fs.ErrNotExist) {
		if empty {
			return nil
		}
		return missingKEK(cfg.KEK, dir, inDatabase)
	}
	if err != nil || empty {
		return err
	}
	return store.ReadPostgres(ctx, dsn, store.Options{KEK: kek}, func(s store.Store) error {
		if fn == nil {
			return nil
		}
		return fn(s)
	})
}
