package bridge

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

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
	kek, err := openKEK(cfg.KEK, dir, cfg, environ(environment), nil)
	if _, file := store.KEKFile(cfg.KEK, dir); file && errors.Is(err, fs.ErrNotExist) {
		if none {
			return nil
		}
		return missingKEK(cfg.KEK, dir, path)
	}
	if err != nil || none {
		return err
	}
	err = store.VerifyBolt(ctx, path, store.Options{KEK: kek})
	if errors.Is(err, store.ErrInUse) {
		return ErrStoreBusy
	}
	return err
}
