package bridge

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/proxy/ca"
	"github.com/weighbridge/weighbridge/store"
)

// rootsName is the sealed value that holds the roots and their keys.
const rootsName = "ca/roots"

// rootSubject is the common name of a root that weighbridge makes.
const rootSubject = "weighbridge root"

// authority is the interception root: loaded or made at start, rotated while
// running, exported into the data directory.
type authority struct {
	*ca.Authority
	st  store.Store
	dir string // empty where nothing is written
	env func(string) string
	now func() time.Time
	// given says that the operator brought the root.
	given bool

	mu    sync.Mutex
	roots []ca.Root
}

// openAuthority loads the operator's root or the sealed one, making it on
// first start. The key exists in the clear in memory only.
func openAuthority(ctx context.Context, cfg *config.Config, st store.Store, dir string, env func(string) string, now func() time.Time) (*authority, error) {
	a := &authority{st: st, dir: dir, env: env, now: now, given: cfg.CA.Given()}
	var err error
	if a.given {
		a.roots, err = givenRoots(cfg.CA, now())
	} else {
		a.roots, err = sealedRoots(ctx, st, now)
	}
	if err != nil {
		return nil, err
	}
	if a.Authority, err = ca.New(ca.Options{Roots: a.roots, Now: now}); err != nil {
		return nil, err
	}
	return a, a.export()
}

func givenRoots(c config.CA, now time.Time) ([]ca.Root, error) {
	cert, err := os.ReadFile(c.CertFile)
	if err != nil {
		return nil, fmt.Errorf("ca.cert_file: %w", err)
	}
	key, err := os.ReadFile(c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("ca.key_file: %w", err)
	}
	root, err := ca.ParseRoot(cert, auth.NewSecret(string(key)), now)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	return []ca.Root{root}, nil
}

func sealedRoots(ctx context.Context, st store.Store, now func() time.Time) ([]ca.Root, error) {
	sealed, err := st.Sealed(ctx, rootsName)
	if err == nil {
		return ca.DecodeRoots(sealed)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	root, err := ca.NewRoot(now(), rootSubject)
	if err != nil {
		return nil, err
	}
	if sealed, err = st.EnsureSealed(ctx, rootsName, ca.EncodeRoots([]ca.Root{root})); err != nil {
		return nil, err
	}
	return ca.DecodeRoots(sealed)
}

// renew takes over the roots that another weighbridge has rotated. Where it
// fails the old ones go on signing, which workers trust for as long.
func (a *authority) renew(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.given {
		return nil
	}
	roots, changed, err := a.latest(ctx)
	if err != nil || !changed {
		return err
	}
	if err := a.SetRoots(roots); err != nil {
		return err
	}
	a.roots = roots
	return a.exportLocked()
}

// latest are the roots that the store has, and whether those are others than are
// in use; a.mu is held.
func (a *authority) latest(ctx context.Context) (roots []ca.Root, changed bool, err error) {
	sealed, err := a.st.Sealed(ctx, rootsName)
	if err != nil {
		return nil, false, err
	}
	roots, err = ca.DecodeRoots(sealed)
	return roots, !bytes.Equal(sealed, ca.EncodeRoots(a.roots)), err
}

// Roots are the published roots, the signing one first.
func (a *authority) Roots() []*x509.Certificate {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]*x509.Certificate, len(a.roots))
	for i := range a.roots {
		out[i] = a.roots[i].Certificate()
	}
	return out
}

// Rotate puts a new root before the others. Where it fails the old roots go
// on signing.
func (a *authority) Rotate(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.given {
		return &auth.Error{Code: auth.CodeBadRequest, Status: http.StatusConflict,
			Reason: "the root comes from ca.cert_file, so it is not rotated here", Next: "Replace ca.cert_file and ca.key_file, and restart."}
	}
	// Another weighbridge may have rotated a moment ago, and signs by its root.
	roots, _, err := a.latest(ctx)
	if err != nil {
		return err
	}
	if roots, err = ca.Rotate(roots, a.now(), rootSubject); err != nil {
		return err
	}
	if err := a.st.PutSealed(ctx, rootsName, ca.EncodeRoots(roots)); err != nil {
		return err
	}
	if err := a.SetRoots(roots); err != nil {
		return err
	}
	a.roots = roots
	return a.exportLocked()
}

// bundle is public roots and ours: what CA variables must name.
func (a *authority) bundle() ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bundleLocked()
}

func (a *authority) bundleLocked() ([]byte, error) {
	public, _, err := ca.SystemRootsPEM(ca.SystemOptions{CertFile: a.env("SSL_CERT_FILE"), Ours: a.roots})
	if err != nil {
		return nil, err
	}
	return a.Bundle(public), nil
}

func (a *authority) export() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.exportLocked()
}

// exportLocked writes our roots and the bundle into the data directory. A
// machine without public roots gets a bundle of ours alone.
func (a *authority) exportLocked() error {
	if a.dir == "" {
		return nil
	}
	if err := writeFile(filepath.Join(a.dir, rootFile), a.RootsPEM(), 0o644); err != nil {
		return err
	}
	bundle, err := a.bundleLocked()
	if err != nil {
		bundle = a.RootsPEM()
	}
	return writeFile(filepath.Join(a.dir, bundleFile), bundle, 0o644)
}
