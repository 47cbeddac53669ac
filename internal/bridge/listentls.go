package bridge

import (
	"crypto/tls"
	"fmt"
	"sync/atomic"

	"github.com/weighbridge/weighbridge/config"
)

// listenerTLS is the TLS of the proxy's own listener.
type listenerTLS struct {
	// pair is the operator's certificate; nil where there is none. A reload
	// exchanges it, because certificates are renewed while listeners live.
	pair atomic.Pointer[tls.Certificate]
}

// config is the configuration of the listener, nil where it is plain.
func (l *listenerTLS) config(cfg *config.Config, a *authority) (*tls.Config, error) {
	switch {
	case !cfg.TLS.Enabled():
		return nil, nil
	case cfg.TLS.OwnCA:
		names, own := listenerNames(cfg.Listen, cfg.PublicURL)
		for _, n := range own {
			// A machine's name may be one that is never certified, such as
			// "dev", which is a public suffix; workers use another then.
			if _, err := a.ListenerConfig([]string{n}); err == nil {
				names = append(names, n)
			}
		}
		c, err := a.ListenerConfig(names)
		if err != nil {
			return nil, fmt.Errorf("tls.own_ca: %w", err)
		}
		return c, nil
	}
	pair, err := loadPair(cfg)
	if err != nil {
		return nil, err
	}
	l.pair.Store(pair)
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return l.pair.Load(), nil },
	}, nil
}

// renewed reads the files again where the listener has a certificate from
// files, and says what to take over once nothing else can fail.
func (l *listenerTLS) renewed(cfg *config.Config) (takeOver func(), err error) {
	if l.pair.Load() == nil || cfg.TLS.CertFile == "" {
		return func() {}, nil
	}
	pair, err := loadPair(cfg)
	if err != nil {
		return nil, err
	}
	return func() { l.pair.Store(pair) }, nil
}

func loadPair(cfg *config.Config) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(cfg.TLS.CertFile, cfg.TLS.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	return &pair, nil
}
