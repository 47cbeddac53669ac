package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth/audit"
	"github.com/weighbridge/weighbridge/auth/chain"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/store"
)

// ErrStoreBusy is returned by Verify where the store is in use, which is what a
// running weighbridge does with it.
var ErrStoreBusy = errors.New("the store is in use by a running weighbridge, so it was not tried whether the KEK opens it")

// Verify tries the key encryption key of cfg: whether it can be read, and
// whether it opens the store, where there is one. It changes nothing and makes
// nothing. environment is that of the process, where key services find their
// credentials. A KEK file that the first start would make is no error.
func Verify(ctx context.Context, cfg *config.Config, environment []string) error {
	if cfg.Store.Driver == "memory" {
		return nil // it has a KEK of its own
	}
	err := readStore(ctx, cfg, environment, nil)
	if errors.Is(err, store.ErrInUse) {
		return ErrStoreBusy
	}
	return err
}

// VerifyRecord verifies the record of a data directory in which no weighbridge
// runs, or the exported one that in holds where it is not nil.
func VerifyRecord(ctx context.Context, cfg *config.Config, environment []string, name string, in io.Reader) (r chain.Verdict, err error) {
	read := false
	err = readStore(ctx, cfg, environment, func(s store.Store) (err error) {
		read = true
		if in != nil {
			r, err = admin.VerifyExport(ctx, s.AuditKeys(), name, in)
			return err
		}
		r, err = admin.VerifyRecord(ctx, s, func(ctx context.Context, v *chain.Verifier) error {
			return audit.VerifyDir(ctx, filepath.Join(cfg.DataDir, auditDir), v)
		})
		return err
	})
	if err == nil && !read {
		err = fmt.Errorf("there is no store in %s, and without it no key to verify with", cfg.DataDir)
	}
	return r, err
}

// CompactStore writes the store of a data directory in which no weighbridge
// runs anew, without what was deleted, and returns how many bytes it had and
// has. The error is store.ErrInUse where one runs.
func CompactStore(ctx context.Context, cfg *config.Config, environment []string) (before, after int64, err error) {
	if cfg.Store.Driver == driverPostgres {
		return 0, 0, errors.New("the store is in PostgreSQL, which looks after its files itself: VACUUM FULL writes the tables weighbridge_* anew")
	}
	found := false
	err = withStore(ctx, cfg, environment, func(path string, o store.Options) (err error) {
		found = true
		before, after, err = store.CompactBolt(ctx, path, o)
		return err
	})
	if err == nil && !found {
		err = fmt.Errorf("there is no store in %s", cfg.DataDir)
	}
	return before, after, err
}

// readStore opens the store, where there is one that nobody uses, for fn to
// read; nil looks whether it opens.
func readStore(ctx context.Context, cfg *config.Config, environment []string, fn func(store.Store) error) error {
	if cfg.Store.Driver == driverPostgres {
		return readShared(ctx, cfg, environment, fn)
	}
	return withStore(ctx, cfg, environment, func(path string, o store.Options) error {
		if fn == nil {
			return store.VerifyBolt(ctx, path, o)
		}
		return store.ReadBolt(ctx, path, o, fn)
	})
}

// withStore gives fn the store's file, where there is one, and the KEK that the
// configuration names.
func withStore(ctx context.Context, cfg *config.Config, environment []string, fn func(path string, o store.Options) error) error {
	dir, err := filepath.Abs(cfg.DataDir)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, storeFile)
	_, err = os.Stat(path)
	none := errors.Is(err, fs.ErrNotExist)
	if err != nil && !none {
		return err
	}
	kek, err := openKEK(cfg.KEK, dir, cfg, environ(environment), nil, nil)
	if _, file := store.KEKFile(cfg.KEK, dir); file && errors.Is(err, fs.ErrNotExist) {
		if none {
			return nil
		}
		return missingKEK(cfg.KEK, dir, path)
	}
	if err != nil || none {
		return err
	}
	return fn(path, store.Options{KEK: kek})
}
