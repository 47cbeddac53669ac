package bridge

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
)

// metricsToken is the hash of the token that opens /metrics and nothing else;
// the token itself is not kept. The zero value is none.
type metricsToken struct{ current atomic.Pointer[auth.KeyHash] }

// hash is the one that counts now, zero where there is none.
func (m *metricsToken) hash() auth.KeyHash {
	if h := m.current.Load(); h != nil {
		return *h
	}
	return auth.KeyHash{}
}

// renewed reads what loaded names, and says what to take over once nothing else
// can fail.
func (m *metricsToken) renewed(loaded *config.Loaded) (takeOver func(), err error) {
	var h auth.KeyHash
	if s := loaded.Config.MetricsToken; !s.IsZero() {
		v, err := loaded.Value(s)
		if err != nil {
			return nil, fmt.Errorf("metrics_token: %w", err)
		}
		var ok bool
		if h, ok = auth.HashMetricsToken(v.Reveal()); !ok {
			return nil, errors.New("metrics_token: what it names has not the form of one")
		}
	}
	return func() { m.current.Store(&h) }, nil
}
