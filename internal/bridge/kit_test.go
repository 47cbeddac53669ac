package bridge

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/proxy/ca"
	"github.com/weighbridge/weighbridge/signer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// shortDir is a directory whose path leaves room for a unix socket's.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "wb")
	check(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// load is a configuration on loopback, changed by change.
func load(t testing.TB, change func(*config.Config)) *config.Loaded {
	t.Helper()
	loaded, err := config.Load(config.LoadOptions{Providers: signer.Providers(), Override: func(c *config.Config) {
		c.Listen, c.AdminListen = "127.0.0.1:0", ""
		change(c)
	}})
	check(t, err)
	return loaded
}

// start opens and serves until the test ends.
func start(t *testing.T, loaded *config.Loaded) *Bridge {
	t.Helper()
	b, err := Open(t.Context(), loaded, Options{Logger: zerolog.Nop(), Version: "test"})
	check(t, err)
	served := make(chan error, 1)
	check(t, b.Listen(t.Context()))
	go func() { served <- b.Serve(context.WithoutCancel(t.Context())) }()
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return b
}

// rootFiles writes a new root into dir as an operator's own.
func rootFiles(t *testing.T, dir string) config.CA {
	t.Helper()
	root, err := ca.NewRoot(time.Now(), "operator")
	check(t, err)
	c := config.CA{CertFile: filepath.Join(dir, "root.crt"), KeyFile: filepath.Join(dir, "root.key")}
	check(t, os.WriteFile(c.CertFile, root.CertPEM(), 0o600))
	check(t, os.WriteFile(c.KeyFile, []byte(root.KeyPEM().Reveal()), 0o600))
	return c
}
