package proxy

import (
	"sync"
	"weak"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/scrub"
)

// masks keeps the maskers of credentials from one request to the next. Making
// one costs more than everything else about a small request.
//
// What it keeps it holds weakly: a masker, which knows the forms of a secret,
// goes with the next garbage collection, just when the one made for a single
// request would have gone. The zero value is ready.
type masks struct {
	mu     sync.Mutex
	byCred map[maskKey]weak.Pointer[madeMask]
}

type maskKey struct {
	credential string
	version    uint64
}

// madeMask is a masker and what it was made of.
type madeMask struct {
	values []auth.Secret
	masker *scrub.Masker
}

// maxMasks bounds the entries, most of which are empty.
const maxMasks = 1024

// of returns the masker for what a signer has put on for d.
func (m *masks) of(d *auth.Decision, values []auth.Secret) *scrub.Masker {
	key := maskKey{d.CredentialID, d.Version}
	m.mu.Lock()
	made := m.byCred[key].Value()
	m.mu.Unlock()
	if made != nil && made.isOf(values) {
		return made.masker
	}
	made = &madeMask{values: values, masker: scrub.New(values)}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.byCred) >= maxMasks {
		clear(m.byCred)
	}
	if m.byCred == nil {
		m.byCred = map[maskKey]weak.Pointer[madeMask]{}
	}
	m.byCred[key] = weak.Make(made)
	return made.masker
}

// isOf reports whether m was made of just these values: a signer may put on
// something else each time.
func (m *madeMask) isOf(values []auth.Secret) bool {
	if len(values) != len(m.values) {
		return false
	}
	for i := range values {
		if values[i].Reveal() != m.values[i].Reveal() {
			return false
		}
	}
	return true
}
