package bridge

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/config"
)

// A memory store keeps nothing, and yet has what the command line and workers
// look for in the data directory: admin.sock and the bundle.
func TestMemoryStoreHasItsDirectory(t *testing.T) {
	dir := shortDir(t)
	data := filepath.Join(dir, "data")
	b := start(t, load(t, func(c *config.Config) {
		c.DataDir, c.Store.Driver, c.CA = data, "memory", rootFiles(t, dir)
	}))
	for name, mode := range map[string]fs.FileMode{"": 0o700, admin.SocketName: 0o600, rootFile: 0o644, bundleFile: 0o644} {
		info, err := os.Stat(filepath.Join(data, name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%q: %v, %v", name, info, err)
		}
	}
	for _, name := range []string{storeFile, "kek", auditDir} {
		if _, err := os.Stat(filepath.Join(data, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is kept", name)
		}
	}
	var sys admin.System
	check(t, admin.NewLocalClient(data).Call(t.Context(), http.MethodGet, "/api/v1/system", nil, &sys))
	// The operator's root is not ours to rotate.
	var p *admin.Problem
	if err := admin.NewLocalClient(data).Call(t.Context(), http.MethodPost, "/api/v1/ca/rotate", nil, nil); !errors.As(err, &p) || p.Status != http.StatusConflict || !strings.Contains(p.Next, "ca.cert_file") {
		t.Errorf("rotate: %v", err)
	}
	if sys.CABundle != filepath.Join(data, bundleFile) || !sys.Intercept || b.Welcome() == nil {
		t.Errorf("%+v", sys)
	}
}

// Where nothing can be written a memory store serves all the same; a store
// that is a file does not.
func TestMemoryStoreOnAReadOnlyDisk(t *testing.T) {
	// Nobody makes a directory there, not even root.
	const data = "/sys/weighbridge-data"
	if err := os.Mkdir(data, 0o700); !unwritable(err) {
		t.Fatalf("%s: %v", data, err)
	}
	dir := t.TempDir()
	b := start(t, load(t, func(c *config.Config) {
		c.DataDir, c.Store.Driver, c.CA = data, "memory", rootFiles(t, dir)
	}))
	if sys := b.API().System(); sys.CABundle != "" || !sys.Intercept {
		t.Errorf("%+v", sys)
	}
	resp, err := http.Get(b.ProxyURL() + "/.weighbridge/ca.pem")
	check(t, err)
	_ = resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("ca.pem: %s", resp.Status)
	}
	if b, err := Open(t.Context(), load(t, func(c *config.Config) { c.DataDir = data }), Options{Logger: zerolog.Nop()}); err == nil {
		_ = b.Close()
		t.Error("a bbolt store opened where nothing can be written")
	}
	if unwritable(syscall.ENOSPC) || unwritable(errors.New("the mode is too wide")) {
		t.Error("more than a missing permission lets a store go without its directory")
	}
}

// Temporary files that a killed start left behind go with the next one.
func TestLeftoversGo(t *testing.T) {
	data := filepath.Join(shortDir(t), "data")
	check(t, openDirectory(data))
	left := filepath.Join(data, "."+bundleFile+".123")
	check(t, os.WriteFile(left, nil, 0o600))
	start(t, load(t, func(c *config.Config) { c.DataDir = data }))
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there", left)
	}
}

// Close may come at any moment after Serve was called.
func TestCloseBesideServe(t *testing.T) {
	loaded := load(t, func(c *config.Config) { c.DataDir = filepath.Join(shortDir(t), "data") })
	for range 5 {
		b, err := Open(t.Context(), loaded, Options{Logger: zerolog.Nop()})
		check(t, err)
		check(t, b.Listen(t.Context()))
		served := make(chan error, 1)
		go func() { served <- b.Serve(context.WithoutCancel(t.Context())) }()
		check(t, b.Close())
		select {
		case err := <-served:
			check(t, err)
		case <-time.After(time.Minute):
			t.Fatal("it still serves")
		}
	}
}

// A reload takes over how long downloads may go on, and says nothing of a
// restart.
func TestReloadTakesTheDrain(t *testing.T) {
	data := filepath.Join(shortDir(t), "data")
	b := start(t, load(t, func(c *config.Config) { c.DataDir = data }))
	restart, err := b.Reload(t.Context(), load(t, func(c *config.Config) { c.DataDir, c.Drain = data, 7*time.Second }))
	check(t, err)
	if b.DrainLimit() != 7*time.Second || len(restart) != 0 {
		t.Errorf("drain %v, restart %v", b.DrainLimit(), restart)
	}
}

// A unix socket has no URL that a proxy variable could name, so none is made
// up for it.
func TestUnixListener(t *testing.T) {
	dir := shortDir(t)
	socket := filepath.Join(dir, "proxy.sock")
	b := start(t, load(t, func(c *config.Config) {
		c.DataDir, c.Listen = filepath.Join(dir, "data"), "unix:"+socket
		c.AdminListen = "unix:" + filepath.Join(dir, "admin-too.sock")
	}))
	if b.ProxyURL() != "unix:"+socket || b.AdminURL() != "unix:"+filepath.Join(dir, "admin-too.sock") {
		t.Errorf("%s, %s", b.ProxyURL(), b.AdminURL())
	}
	modes := map[string]fs.FileMode{socket: 0o600, filepath.Join(dir, "admin-too.sock"): 0o600}
	for i, access := range []string{"group", "all"} {
		other := filepath.Join(dir, access+".sock")
		modes[other] = []fs.FileMode{0o660, 0o666}[i]
		start(t, load(t, func(c *config.Config) {
			c.DataDir, c.Listen, c.SocketAccess, c.AdminListen = filepath.Join(dir, access), "unix:"+other, access, ""
		}))
	}
	for path, want := range modes {
		info, err := os.Stat(path)
		check(t, err)
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v", filepath.Base(path), info.Mode())
		}
	}
}

// A data directory whose path is too long for a socket is refused in words.
func TestLongDataDirectory(t *testing.T) {
	data := filepath.Join(shortDir(t), strings.Repeat("x", 120))
	b, err := Open(t.Context(), load(t, func(c *config.Config) { c.DataDir = data }), Options{Logger: zerolog.Nop()})
	check(t, err)
	defer func() { check(t, b.Close()) }()
	if err := b.Listen(t.Context()); err == nil || !strings.Contains(err.Error(), "at most 107 bytes") || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("refused with %v", err)
	}
	err = admin.NewLocalClient(data).Call(t.Context(), http.MethodGet, "/api/v1/system", nil, nil)
	if !errors.Is(err, admin.ErrUnreachable) || !strings.Contains(err.Error(), "at most 107 bytes") {
		t.Errorf("the client says %v", err)
	}
	// From nearby the same directory has a short path.
	t.Chdir(filepath.Dir(data))
	if path, err := admin.SocketPath(filepath.Join(data, "..", "y")); err != nil || len(path) > 107 {
		t.Errorf("%s, %v", path, err)
	}
}
