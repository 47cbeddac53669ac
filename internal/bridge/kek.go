package bridge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"time"

	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/store"
	"github.com/weighbridge/weighbridge/store/keyservice"
)

// openKEK opens the KEK that a URI names, here or in a key service. A service
// is reached through upstream.proxy, where there is one, and verified by the
// system's roots and upstream.ca_file, and not through the guard of the data
// plane: the operator alone names it, and it may well be on a private network.
// meter counts what the cache of a service does, and may be nil.
func openKEK(uri, dir string, cfg *config.Config, env func(string) string, now func() time.Time, meter *store.KEKMeter) (store.KEK, error) {
	if !keyservice.Known(uri) {
		return store.OpenKEK(uri, dir)
	}
	o := keyservice.Options{Getenv: env, Now: now}
	var err error
	if o.Roots, _, err = upstreamRoots(cfg.Upstream.CAFile); err != nil {
		return nil, err
	}
	if cfg.Upstream.Proxy != "" {
		if o.Proxy, err = url.Parse(cfg.Upstream.Proxy); err != nil {
			return nil, errors.New("upstream.proxy: not a URL") // the URL may hold a password
		}
	}
	k, err := keyservice.Open(uri, o)
	if err != nil {
		return nil, err
	}
	return store.NewKEKCache(k, store.KEKCacheOptions{Keep: cfg.KEKCache, Now: now, Meter: meter}), nil
}

// openKEK opens a KEK by the configuration that stands now.
func (b *Bridge) openKEK(_ context.Context, uri string) (store.KEK, error) {
	return openKEK(uri, b.dir, &b.loaded.Load().Config, environ(b.o.Environ), b.o.Now, &b.unwraps)
}

// firstKEK opens the KEK of the configuration, and makes its file where there
// is neither it nor a store yet. where names the store, and there looks whether
// there is one.
func (b *Bridge) firstKEK(cfg *config.Config, where string, there func() (bool, error)) (store.KEK, error) {
	kek, err := b.openKEK(context.Background(), cfg.KEK)
	if !errors.Is(err, fs.ErrNotExist) {
		return kek, err
	}
	path, ok := store.KEKFile(cfg.KEK, b.dir)
	if !ok {
		return nil, err
	}
	if found, err := there(); err != nil {
		return nil, err
	} else if found {
		return nil, missingKEK(cfg.KEK, b.dir, where)
	}
	return store.CreateFileKEK(path)
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// missingKEK is the error for a store whose KEK file is gone. It is not given
// a new one: that would hide the loss.
func missingKEK(uri, dir, where string) error {
	path, _ := store.KEKFile(uri, dir)
	return fmt.Errorf("the key encryption key %s is missing, and the store %s is sealed with it: put the file back from where it was kept", path, where)
}
