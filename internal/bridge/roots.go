package bridge

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/weighbridge/weighbridge/config"
)

// rootsSum tells contents of upstream.ca_file apart; zero is no file.
type rootsSum [sha256.Size]byte

// upstreamRoots are the system's and the operator's; nil means the system's.
func upstreamRoots(file string) (*x509.CertPool, rootsSum, error) {
	if file == "" {
		return nil, rootsSum{}, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, rootsSum{}, fmt.Errorf("upstream.ca_file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, rootsSum{}, fmt.Errorf("upstream.ca_file: the system's roots: %w", err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, rootsSum{}, fmt.Errorf("upstream.ca_file: %s holds no certificate", file)
	}
	return pool, sha256.Sum256(pem), nil
}

// renewedRoots reads upstream.ca_file again, and says what to take over once
// nothing else can fail: nothing where its content is what it was, so that kept
// connections stay. b.reload is held, also while taking over.
func (b *Bridge) renewedRoots(cfg *config.Config) (takeOver func(), err error) {
	pool, sum, err := upstreamRoots(cfg.Upstream.CAFile)
	if err != nil {
		return nil, err
	}
	return func() {
		if sum != b.roots {
			b.proxy.SetRoots(pool)
			b.ownRoots.Store(pool)
			b.roots = sum
		}
	}, nil
}
