package signer

import (
	"reflect"
	"sort"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// provider is what the files of this package implement: the public half that
// decides, and the half that signs, as a putter or a deriver.
type provider interface {
	auth.Provider
	// needs names the fields that signing reads, all of them required. The
	// slice is shared and must not be changed.
	needs() []string
}

// putter is a provider that puts its secret on as it is.
type putter interface {
	// sign puts the credential on out and returns what must not come back in
	// an answer. Every field of needs is present and not empty. It changes
	// out only where it returns no error.
	sign(f auth.Fields, out *auth.Outgoing, now time.Time) (auth.Applied, error)
}

// registered is filled by the init functions of the providers' files and
// never changes afterwards.
var registered = map[string]provider{}

// register adds p. Two providers of one name are a mistake of the programmer.
func register(p provider) {
	name := p.Schema().Name
	if name == "" {
		panic("signer: a provider has no name")
	}
	if !reflect.TypeOf(p).Comparable() {
		panic("signer: the provider " + name + " is not comparable")
	}
	_, puts := p.(putter)
	if _, derives := p.(deriver); puts == derives {
		panic("signer: the provider " + name + " has to be either a putter or a deriver")
	}
	if _, taken := registered[name]; taken {
		panic("signer: two providers are called " + name)
	}
	registered[name] = p
}

// Providers returns every provider, sorted by name.
func Providers() []auth.Provider {
	out := make([]auth.Provider, 0, len(registered))
	for _, p := range registered {
		out = append(out, p)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Schema().Name < out[j].Schema().Name })
	return out
}

// Lookup finds a provider by its name.
func Lookup(name string) (auth.Provider, bool) {
	p, ok := registered[name]
	return p, ok
}
