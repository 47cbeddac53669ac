package bridge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/weighbridge/weighbridge/auth/chain"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/store"
)

// Migrated says what MigrateStore has moved, and what of the record of acts was
// verified in the new place.
type Migrated struct {
	store.Moved
	Acts chain.Verdict
}

// MigrateStore copies the store from one place to another, where there must be
// none: bbolt (the one of the data directory), bbolt:PATH, postgres (the one of
// store.dsn), postgres:env:NAME or postgres:file:PATH. Nobody may have it open.
// The key encryption key is that of cfg. What was copied is read whole and
// checked, the chains of the acts too, before it returns; the old store is left
// as it was.
func MigrateStore(ctx context.Context, cfg *config.Config, environment []string, from, to string) (m Migrated, err error) {
	dir, err := filepath.Abs(cfg.DataDir)
	if err != nil {
		return m, err
	}
	env := environ(environment)
	a, err := locate(from, dir, cfg, env)
	if err != nil {
		return m, fmt.Errorf("--from: %w", err)
	}
	b, err := locate(to, dir, cfg, env)
	if err != nil {
		return m, fmt.Errorf("--to: %w", err)
	}
	kek, err := openKEK(cfg.KEK, dir, cfg, env, nil, nil)
	if _, file := store.KEKFile(cfg.KEK, dir); file && errors.Is(err, fs.ErrNotExist) {
		return m, missingKEK(cfg.KEK, dir, from)
	}
	if err != nil {
		return m, err
	}
	o := store.Options{KEK: kek, KEKURI: cfg.KEK, OpenKEK: func(_ context.Context, uri string) (store.KEK, error) {
		return openKEK(uri, dir, cfg, env, nil, nil)
	}}
	m.Moved, err = store.Move(ctx, a, b, o, func(s store.Store) error {
		v := chain.NewVerifier(s.AuditKeys())
		if err := s.Verify(ctx, v); err != nil {
			return err
		}
		if m.Acts = v.Verdict(true); m.Acts.Break != nil {
			return fmt.Errorf("the record of acts does not verify: %w", m.Acts.Break)
		}
		return nil
	})
	return m, err
}

// locate reads what --from and --to say.
func locate(text, dir string, cfg *config.Config, env func(string) string) (at store.Location, err error) {
	driver, rest, named := strings.Cut(text, ":")
	switch driver {
	case "bbolt":
		if named && rest == "" {
			return at, errors.New("bbolt: names no file")
		}
		if at.Path = rest; !named {
			at.Path = filepath.Join(dir, storeFile)
		}
		return at, nil
	case driverPostgres:
		s := cfg.Store.DSN
		if named {
			kind, name, _ := strings.Cut(rest, ":")
			switch kind {
			case "env":
				s = config.Source{Env: name}
			case "file":
				s = config.Source{File: name}
			default: // which may be the DSN itself
				return at, errors.New("a DSN is a secret, and not given here: write postgres:env:NAME or postgres:file:PATH")
			}
		}
		if s.IsZero() {
			return at, errors.New("the configuration has no store.dsn: write postgres:env:NAME or postgres:file:PATH")
		}
		at.DSN, err = s.Read(env)
		return at, err
	}
	return at, errors.New("write bbolt, bbolt:PATH, postgres, postgres:env:NAME or postgres:file:PATH")
}
