package bridge

import (
	"crypto/tls"
	"fmt"
	"sync/atomic"

	"github.com/weighbridge/weighbridge/config"
)

// listenerTLS is the TLS of one of our own listeners.
type listenerTLS struct {
	// section is its name in the configuration, and of what stands there.
	section string
	of      func(*config.Config) (section *config.TLS, listen, url string)
	// pair is the operator's certificate; nil where there is none. A reload
	// exchanges it, because certificates are renewed while listeners live.
	pair atomic.Pointer[tls.Certificate]
}

func (b *Bridge) openTLS() {
	b.tls.section, b.adminTLS.section = "tls", "admin_tls"
	b.tls.of = func(c *config.Config) (*config.TLS, string, string) { return &c.TLS, c.Listen, c.PublicURL }
	b.adminTLS.of = func(c *config.Config) (*config.TLS, string, string) { return &c.AdminTLS, c.AdminListen, "" }
}

// config is the configuration of the listener, nil where it is plain.
func (l *listenerTLS) config(cfg *config.Config, a *authority) (*tls.Config, error) {
	section, listen, url := l.of(cfg)
	switch {
	case !section.Enabled():
		return nil, nil
	case section.OwnCA && a == nil:
		return nil, fmt.Errorf("%s.own_ca: there is no root of ours", l.section)
	case section.OwnCA:
		names, own := listenerNames(listen, url)
		for _, n := range own {
			// A machine's name may be one that is never certified, such as
			// "dev", which is a public suffix; workers use another then.
			if _, err := a.ListenerConfig([]string{n}); err == nil {
				names = append(names, n)
			}
		}
		c, err := a.ListenerConfig(names)
		if err != nil {
			return nil, fmt.Errorf("%s.own_ca: %w", l.section, err)
		}
		return c, nil
	}
	pair, err := l.load(cfg)
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
	if section, _, _ := l.of(cfg); l.pair.Load() == nil || section.CertFile == "" {
		return func() {}, nil
	}
	pair, err := l.load(cfg)
	if err != nil {
		return nil, err
	}
	return func() { l.pair.Store(pair) }, nil
}

func (l *listenerTLS) load(cfg *config.Config) (*tls.Certificate, error) {
	section, _, _ := l.of(cfg)
	pair, err := tls.LoadX509KeyPair(section.CertFile, section.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.section, err)
	}
	return &pair, nil
}
