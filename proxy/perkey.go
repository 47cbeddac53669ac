package proxy

import (
	"strconv"
	"sync"

	"github.com/weighbridge/weighbridge/auth"
)

// busy counts the requests under way of each key, blind tunnels among them.
// The zero value is ready.
type busy struct {
	mu    sync.Mutex
	byKey map[string]int
}

// take counts one more of key, unless there are limit already; zero is no
// limit. Who took gives back.
func (b *busy) take(key string, limit int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.byKey[key]
	if limit > 0 && n >= limit {
		return false
	}
	if b.byKey == nil {
		b.byKey = map[string]int{}
	}
	b.byKey[key] = n + 1
	return true
}

func (b *busy) give(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.byKey[key]--; b.byKey[key] <= 0 {
		delete(b.byKey, key)
	}
}

// occupy counts the exchange among those of its key, once, until it ends. The
// further requests that an answer takes are not counted again.
func (x *exchange) occupy() *auth.Error {
	if x.occupies != "" {
		return nil
	}
	limit := x.policy.keyTransfers
	if own := x.identity.Limits().Transfers; own > 0 {
		limit = own
	}
	if !x.p.busy.take(x.identity.KeyID, limit) {
		return auth.NewError(auth.CodeTooManyTransfers, "the API key "+strconv.Quote(x.identity.KeyName)+" has "+strconv.Itoa(limit)+
			" transfers under way, which is as many as it may have", nil)
	}
	x.occupies = x.identity.KeyID
	return nil
}

// vacate undoes occupy.
func (x *exchange) vacate() {
	if x.occupies != "" {
		x.p.busy.give(x.occupies)
		x.occupies = ""
	}
}
